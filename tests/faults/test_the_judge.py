"""The judge itself: it passes what is right, and finds each thing that may be wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from cryptoproxy.datasets import iso
from cryptoproxy.sandbox.ledger import Entry
from tests.faults.evidence import Found, identity
from tests.faults.figures import FIGURES
from tests.faults.judge import Case, Verdict, judge
from tests.faults.reading import TICKERS

NOON = 1_795_262_400_000
POLLS = 3


def served(number: int, *, price: float | None = None, whole: bool = True, fault: str = "") -> Entry:
    """The answer for the slot of this number."""
    body = json.dumps([coin("bitcoin", price or 100.0 + number), coin("ether", 10.0 + number)]).encode()
    at_ms = NOON + number * 1000 + 5
    return Entry(number + 1, at_ms, "coingecko", "GET", "/coins/markets?x", 200, fault, whole, len(body), "", body)


def coin(name: str, price: float) -> dict[str, Any]:
    return {"id": name, "symbol": name[:3], "name": name, "current_price": price, "last_updated": iso(NOON)}


def lines(number: int, *, fetched: int = 10, **changes: Any) -> list[bytes]:
    """The records of that slot's poll."""
    slot_ms = NOON + number * 1000
    return [
        json.dumps(
            {
                "source": "coingecko",
                "asset_id": name,
                "symbol": name[:3].upper(),
                "name": name,
                "quote": "USD",
                "price": price,
                "timestamp": iso(slot_ms),
                "fetched_at": iso(slot_ms + fetched),
                "fetch_delay_ms": fetched,
                "last_updated": iso(NOON),
            }
            | changes
        ).encode()
        for name, price in (("bitcoin", 100.0 + number), ("ether", 10.0 + number))
    ]


def message(line: bytes) -> Found:
    record = json.loads(line)
    key = f"{record['source']}:{record['asset_id']}:{record['quote']}".encode()
    return Found(key, line, (("schema-version", b"1"),))


def by_id(values: list[bytes]) -> dict[str, bytes]:
    return {identity(json.loads(value)): value for value in values}


@pytest.fixture
def case() -> Case:
    """All as it should be."""
    values = [line for number in range(POLLS) for line in lines(number)]
    return Case(
        served=[served(number) for number in range(POLLS)],
        topic=[message(value) for value in values],
        lake=by_id(values),
        objects={f"object-{number}": lines(number) for number in range(POLLS)},
        documents={name: json.loads(value) for name, value in by_id(values).items()},
        kept=POLLS,
    )


def test_what_is_right_passes(case: Case) -> None:
    assert judge(case).require() == Verdict(polls=POLLS, records=2 * POLLS)


def test_the_same_bytes_again_on_the_topic_are_allowed_and_counted(case: Case) -> None:
    verdict = judge(replace(case, topic=[*case.topic, case.topic[0]])).require()
    assert (verdict.again, verdict.doubled) == (1, 0)


WRONG = {
    "a record is missing on the topic": lambda case: replace(case, topic=case.topic[1:]),
    "a record is missing in the lake": lambda case: replace(case, lake=dict(list(case.lake.items())[1:])),
    "a record is missing in the index": lambda case: replace(case, documents=dict(list(case.documents.items())[1:])),
    "a poll is missing everywhere, though it was served and kept": lambda case: replace(
        case, topic=case.topic[2:], lake=dict(list(case.lake.items())[2:]), documents=None, objects={}
    ),
    "the pollers kept more than there is": lambda case: replace(case, kept=POLLS + 1),
    "a poll that was seen on disk is nowhere": lambda case: replace(case, witnessed={("coingecko", NOON + 60_000)}),
    "an id with other bytes": lambda case: replace(case, topic=[*case.topic, message(lines(0, fetched=11)[0])]),
    "other values in the index": lambda case: replace(
        case, documents={name: {**each, "price": 1.0} for name, each in case.documents.items()}
    ),
    "an id in two objects of the lake": lambda case: replace(case, objects={**case.objects, "again": lines(0)}),
    "a poll that nobody served": lambda case: replace(case, served=case.served[1:]),
    "half a poll": lambda case: replace(case, topic=case.topic[1:], lake=dict(list(case.lake.items())[1:]), documents=None),
    "something left behind": lambda case: replace(case, left_behind=["kafka/1"]),
    "another key": lambda case: replace(
        case, topic=[Found(b"coingecko:other:USD", case.topic[0].value, case.topic[0].headers), *case.topic[1:]]
    ),
    "no header": lambda case: replace(
        case, topic=[Found(case.topic[0].key, case.topic[0].value, ()), *case.topic[1:]]
    ),
    "an answer that was served after the poll was fetched": lambda case: replace(
        case, served=[replace(each, at_ms=each.at_ms + 10_000) for each in case.served]
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_found(case: Case, wrong: str) -> None:
    assert judge(WRONG[wrong](case)).faults


@pytest.mark.parametrize(
    "change",
    [{"price": 5.0}, {"symbol": "XXX"}, {"market_cap": 1.0}, {"last_updated": iso(NOON + 1)}, {"fetch_delay_ms": 11}],
    ids=lambda change: next(iter(change)),
)
def test_each_value_counts(case: Case, change: dict[str, Any]) -> None:
    values = [*lines(0, **change), *[line for number in range(1, POLLS) for line in lines(number)]]
    changed = replace(
        case,
        topic=[message(value) for value in values],
        lake=by_id(values),
        objects={"object": values},
        documents=None,
    )
    assert judge(changed).faults


def test_a_slot_that_two_holders_polled_may_have_two_copies_of_which_the_reader_gives_the_first(case: Case) -> None:
    second = lines(0, fetched=20)
    both = replace(
        case,
        served=[*case.served, replace(served(0), seq=99, at_ms=NOON + 15)],
        topic=[*case.topic, *map(message, second)],
        objects={**case.objects, "second": second},
        kept=POLLS + 1,
        two_holders=True,
    )
    judge(both).require()
    assert judge(replace(both, two_holders=False)).doubled
    assert judge(replace(both, lake={**case.lake, **by_id(second)})).faults, "the lake's reader gives the later copy"


def test_an_answer_that_the_poller_counts_as_missed_need_not_be_there(case: Case) -> None:
    more = replace(case, served=[*case.served, served(POLLS)])
    assert judge(more).lost
    judge(replace(more, missed={"coingecko": 1})).require()


@pytest.mark.parametrize(
    "useless",
    [served(POLLS, whole=False), replace(served(POLLS), body=b"garbage"), replace(served(POLLS), status=503)],
    ids=["cut", "garbage", "refused"],
)
def test_an_answer_that_is_no_poll_need_not_be_there(case: Case, useless: Entry) -> None:
    judge(replace(case, served=[*case.served, useless])).require()


def test_of_a_killed_poller_only_the_answer_that_was_under_way_may_be_missing(case: Case) -> None:
    killed = replace(case, kept=None, killed_ms=[NOON + POLLS * 1000 + 500])
    judge(replace(killed, served=[*case.served, served(POLLS)])).require()
    older = [replace(served(0), seq=0, at_ms=NOON - 995), *case.served]
    assert judge(replace(killed, served=older)).lost, "an older one was kept for certain"


def figures() -> Case:
    """A poll of two figures by two calls, all as it should be."""
    trending = {"coins": [{"item": {"id": "bitcoin", "name": "Bitcoin"}}]}
    exchange = [
        {"id": "gdax", "name": "GDAX", "trade_volume_24h_btc": 5.5, "trust_score": None, "trust_score_rank": None}
    ]
    bodies = {"/search/trending": trending, "/exchanges?page=1": exchange}
    entries = [
        Entry(number, NOON + number, "coingecko", "GET", target, 200, "", True, 9, "", json.dumps(body).encode())
        for number, (target, body) in enumerate(bodies.items(), start=1)
    ]
    times = {"source": "coingecko", "timestamp": iso(NOON), "fetched_at": iso(NOON + 10)}
    told = [
        {"asset_id": "bitcoin", "name": "Bitcoin", "quote": "-", "metric": "trending-rank", "value": 1},
        {"asset_id": "exchange-gdax", "name": "GDAX", "quote": "BTC", "metric": "volume-24h", "value": 5.5},
    ]
    values = [json.dumps(times | each).encode() for each in told]
    return Case(
        served=entries,
        topic=[message(value) for value in values],
        lake={FIGURES.identity(json.loads(value)): value for value in values},
        objects={"object": values},
        kept=1,
        kind=FIGURES,
    )


def test_of_a_poll_of_pages_some_may_be_missing_when_the_upstream_goes_away_in_the_middle(case: Case) -> None:
    def pages(number: int) -> list[Entry]:
        """Of that slot's poll, a coin each."""
        entry = served(number)
        return [
            replace(entry, seq=2 * number + page, target=f"/coins/markets?page={page}", body=json.dumps([row]).encode())
            for page, row in enumerate(json.loads(entry.body or b""))
        ]

    whole = replace(case, served=[page for number in range(POLLS) for page in pages(number)])
    judge(whole).require()
    judge(replace(whole, served=[*whole.served, pages(POLLS)[0]])).require()
    assert judge(replace(whole, served=[*whole.served, *pages(POLLS)])).lost
    between = replace(pages(0)[0], seq=99, at_ms=NOON + 500)
    assert judge(replace(whole, served=[*whole.served, between])).lost
    assert judge(replace(whole, served=[*whole.served, pages(POLLS)[0]], kind=replace(TICKERS, alone=True))).faults


def test_of_another_dataset_it_knows_the_ids_and_the_answers() -> None:
    case = figures()
    assert judge(case).require().records == 2
    assert judge(replace(case, topic=case.topic[:1])).lost == 2, "the record, and the answer"
    assert judge(replace(case, served=case.served[:1])).foreign == 2
    wrong = [message(each.value.replace(b"5.5", b"5.6")) for each in case.topic]
    assert judge(replace(case, topic=wrong)).foreign == 2


def test_what_was_asked_beside_half_an_answer_is_asked_again() -> None:
    case = figures()
    first, second = (replace(each, seq=each.seq - 2, at_ms=each.at_ms - 2) for each in case.served)
    assert judge(replace(case, served=[first, second, *case.served])).lost
    for tried in ([replace(first, fault="half", body=b"{"), second], [first, replace(second, fault="half", body=b"{")]):
        judge(replace(case, served=[*tried, *case.served])).require()
        before = replace(first, seq=-3, at_ms=first.at_ms - 3)
        assert judge(replace(case, served=[before, *tried, *case.served])).lost, "an answer of another try"


def test_what_was_kept_of_one_dataset_is_not_asked_for_of_another(case: Case) -> None:
    of_both = {("coingecko", NOON), ("coingecko.market", NOON)}
    judge(replace(case, witnessed=of_both)).require()
    judge(replace(figures(), witnessed=of_both)).require()
    assert judge(replace(figures(), witnessed={("coingecko.market", NOON + 1)})).lost == 1
