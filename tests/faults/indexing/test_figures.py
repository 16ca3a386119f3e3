"""Market-wide figures and what assets are, polled beside tickers: killed, Kafka away, another dataset's index in the way."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import pytest

from cryptoproxy.datasets import ASSET, MARKET, TICKER, Dataset, Period, index_name, iso
from cryptoproxy.engines.kafka import Kafka
from cryptoproxy.sandbox.rules.request import Rule
from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.conftest import Report
from tests.faults.figures import ASSETS, FIGURES
from tests.faults.indexing.rig import IndexerRig
from tests.faults.judge import Verdict
from tests.faults.test_pollers import wait_active, wait_standing_by
from tests.faults.test_upstream import GATE_SECONDS

OFTEN = {
    "cryptoproxy.upstreams.coingecko.EVERY_SECONDS": 2.0,
    "cryptoproxy.upstreams.coingecko.DAY_MS": 6_000.0,  # three coins: each has its turn every six seconds
}
ALONE = {"TEST_ALONE": "1", "TEST_PATCH": json.dumps(OFTEN)}
SOON = {"cryptoproxy.producer.drains.to_kafka.ACK_SECONDS": 3.0}
POINTS = ("fetched", "half-written", "kept", "acknowledged", "put")
FEEDS = ("coingecko", "coingecko.market", "coingecko.asset")


@dataclass
class Sum:
    """Of what the judge found, dataset by dataset."""

    verdicts: list[Verdict]

    def __getattr__(self, name: str) -> int:
        return sum(getattr(each, name) for each in self.verdicts)


@pytest.fixture
def figures(rig: IndexerRig) -> IndexerRig:
    """Polls of three feeds, each on its own topic and in its own index."""
    rig.texts |= {
        "SOURCES": ",".join(FEEDS),
        "COINGECKO_IDS": "bitcoin,ethereum,solana",
        "KAFKA_TOPICS": f"market={rig.name}.market,asset={rig.name}.assets",
        "ES_INDICES": f"market={rig.name}-market,asset={rig.name}-assets",
    }
    rig.make_topics(MARKET, ASSET)
    for dataset in (MARKET, ASSET):
        rig.set_up_index(dataset)
    return rig


def judged(rig: IndexerRig, *, two_holders: bool = False) -> Sum:
    """By the one judge, each dataset."""
    return Sum(
        [
            rig.judged(two_holders=two_holders),
            *(rig.judged_as(kind, two_holders=two_holders) for kind in (FIGURES, ASSETS)),
        ]
    )


def wait_all(rig: IndexerRig, more: int = 1) -> float:
    """Until each feed has been polled so often; the seconds that it took."""
    began, poller = time.monotonic(), rig.pollers[-1]
    before = {feed: poller.polls(feed) for feed in FEEDS}
    for feed in FEEDS:
        wait_until(lambda feed=feed: poller.polls(feed) >= before[feed] + more, what=f"{more} more polls of {feed}")  # type: ignore[misc]
    return time.monotonic() - began


def test_poller_and_indexer_are_killed_at_steps_of_their_polls(figures: IndexerRig, report: Report) -> None:
    indexer = figures.start_indexer("first")
    for point in POINTS:
        poller = figures.start(point, test=ALONE | {"TEST_DIE": f"{point}:6"})
        assert poller.wait_end() == -9, point
        figures.died(poller)
        poller.close()
    indexer.kill()
    figures.start_indexer("second")
    began = time.monotonic()
    figures.start("last", test=ALONE)
    wait_all(figures)
    report(judged(figures), time.monotonic() - began)


@pytest.mark.parametrize("how", ["frozen", pytest.param("killed", marks=pytest.mark.long)])
def test_kafka_is_away_and_their_polls_wait_on_disk(
    figures: IndexerRig, kafka: Kafka, report: Report, how: str
) -> None:
    figures.start_indexer()
    poller = figures.start(test={"TEST_PATCH": json.dumps(OFTEN | SOON)})
    wait_all(figures)
    {"frozen": kafka.suspend, "killed": kafka.kill}[how]()
    poller.wait_reason("polls wait on disk; polling goes on")
    wait_all(figures, 2)
    if how == "frozen":
        kafka.resume()
    else:
        kafka.start()
        kafka.wait_ready()
    began = time.monotonic()
    wait_until(lambda: not evidence.waiting(poller.outbox)["kafka"], what="nothing waits for Kafka")
    wait_all(figures)
    seconds = time.monotonic() - began
    report(judged(figures), seconds)


@pytest.mark.long
def test_another_machine_goes_on_with_their_polls(figures: IndexerRig, report: Report) -> None:
    figures.start_indexer()
    often = {"TEST_PATCH": json.dumps(OFTEN)}
    first, second = (
        figures.start(name, test=often, OUTBOX_DIR=str(figures.folder / f"outbox-{name}"))
        for name in ("first", "second")
    )
    active, _ = wait_active([first, second])
    (other,) = {first, second} - {active}
    wait_standing_by(other)
    figures.kill(active)
    began = time.monotonic()
    for feed in FEEDS:
        wait_until(lambda feed=feed: other.polls(feed) > 0, what=f"the successor's poll of {feed}")  # type: ignore[misc]
    seconds = time.monotonic() - began
    # What the first one has kept and not delivered, it delivers itself when it is back.
    again = figures.start(active.name, test=often, OUTBOX_DIR=str(active.outbox))
    wait_standing_by(again)
    report(judged(figures, two_holders=True), seconds)


@pytest.mark.long
def test_a_full_outbox_stops_their_polls_aloud_and_drops_nothing(figures: IndexerRig, report: Report) -> None:
    figures.start_indexer()
    figures.s3.pause()
    # Below 1 MiB a drain that is away may have all of it: above, polls would go on for Kafka alone.
    poller = figures.start(test=ALONE, OUTBOX_MAX_SIZE="768KiB")
    poller.wait_reason("is full", "polling stops")
    for feed in FEEDS:
        wait_until(
            lambda feed=feed: poller.metric("slots_missed", source=feed, reason="outbox_full"),  # type: ignore[misc]
            what=f"a slot of {feed} missed by the full outbox",
        )
    began = time.monotonic()
    figures.s3.resume()
    wait_all(figures)
    seconds = time.monotonic() - began
    report(judged(figures), seconds)


WRONG: dict[str, dict[str, Any]] = {
    "429": {"path": "/search/trending", "status": 429, "retry_after": 3},
    "ban": {"path": "/search/trending", "status": 403, "retry_after": 3},
    "half": {"path": "/global", "rewrite": "half"},
    "hole": {"path": "/exchanges", "rewrite": "hole"},
    "twice": {"path": "/exchanges", "rewrite": "twice"},
    "out_of_order": {"path": "/exchanges", "rewrite": "out_of_order"},
}


@pytest.mark.long
@pytest.mark.parametrize("wrong", WRONG)
def test_gone_wrong_in_the_middle_of_a_poll_and_tickers_miss_no_slot(
    figures: IndexerRig, report: Report, wrong: str
) -> None:
    """Tickers have slots of fifteen seconds: what the upstream wants to be left alone for has room in one."""
    figures.texts["KAFKA_PRODUCER_BATCH_INTERVAL"] = "15"
    figures.start_indexer()
    figures.sandbox.script.add(Rule(first=3, every=2, times=2, **WRONG[wrong]))
    poller = figures.start(test={"TEST_ALONE": "1", "TEST_PATCH": json.dumps(OFTEN | GATE_SECONDS)})
    assert figures.sandbox.script.wait_fired(2, timeout=180)
    began = time.monotonic()
    wait_all(figures)
    seconds = time.monotonic() - began
    assert poller.missed()["coingecko"] == 0, "it cost polls of tickers"
    report(judged(figures), seconds)


@pytest.mark.parametrize("wrong", [MARKET, TICKER, ASSET], ids=lambda dataset: dataset.name)
def test_the_index_of_one_has_a_wrong_mapping_and_the_others_go_on(
    figures: IndexerRig, report: Report, wrong: Dataset[Any]
) -> None:
    alias = figures.direct.elasticsearch.alias_of(wrong)
    period = wrong.parts[""].period
    name = next(iter(figures.es.indices.get(index=f"{alias}-*")))
    assert name == (
        f"{alias}-all" if period is Period.EVER else index_name(alias, iso(round(time.time() * 1000)), period)
    )
    template = figures.es.indices.get_index_template(name=alias)["index_templates"][0]["index_template"]
    figures.es.indices.delete(index=name)
    figures.es.indices.delete_index_template(name=alias)
    figures.es.indices.create(index=name, mappings={"properties": {"name": {"type": "long"}}}, aliases={alias: {}})
    figures.es.indices.put_index_template(
        name=alias, **{part: template[part] for part in ("index_patterns", "template", "_meta") if part in template}
    )
    indexer = figures.start_indexer()
    figures.start(test=ALONE)
    indexer.wait_reason(name, "another mapping than the template")
    wait_all(figures, 2)
    for other in (TICKER, MARKET, ASSET):
        if other is not wrong:
            wait_until(lambda other=other: figures.documents(other), what=f"documents of {other.name}")  # type: ignore[misc]
    assert figures.lag(wrong) > 0
    figures.es.indices.delete(index=name)
    began = time.monotonic()
    wait_until(lambda: figures.documents(wrong), what=f"documents of {wrong.name}")
    seconds = time.monotonic() - began
    report(judged(figures), seconds)
