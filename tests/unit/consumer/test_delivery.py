"""The loop that decides, against a scripted Elasticsearch."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Health
from cryptoproxy.consumer.batch import Batch, read
from cryptoproxy.consumer.index.bulk import Item
from cryptoproxy.consumer.index.delivery import PART, Delivered, Delivery
from cryptoproxy.datasets import iso
from cryptoproxy.errors import OperatorError, SizeError, TransientError
from tests.conftest import wait_until
from tests.unit.consumer.support import (
    CLOSED,
    CREATED,
    KNOWN,
    NOW_MS,
    PLACE,
    POISON,
    REJECTED,
    SLOT_MS,
    EasyIndices,
    ScriptedSender,
    answers,
    batch_of,
    consumed,
    delivery_of,
    every,
    good,
    metrics,
    partition,
    value,
)

DOWN = TransientError("connection refused")
TOO_LARGE = SizeError("Elasticsearch answers 413")


def deliver(sender: ScriptedSender, count: int, **parts: object) -> Delivered:
    delivery = delivery_of(sender, **parts)  # type: ignore[arg-type]
    return delivery.deliver(batch_of(*(good(offset) for offset in range(count))), threading.Event())


def ids(request: list[bytes]) -> list[int]:
    return [int(line.split(b"coingecko:coin-")[1].split(b":")[0]) for line in request]


def test_a_batch_goes_in_one_request() -> None:
    sender = ScriptedSender()
    assert deliver(sender, 5) == Delivered(indexed=5)
    assert [ids(request) for request in sender.requests] == [[0, 1, 2, 3, 4]]


def test_only_the_failed_items_are_sent_again() -> None:
    sender = ScriptedSender(answers(CREATED, REJECTED, CREATED, REJECTED), answers(REJECTED, CREATED))
    assert deliver(sender, 4) == Delivered(indexed=4)
    assert [ids(request) for request in sender.requests] == [[0, 1, 2, 3], [1, 3], [1]]


def test_a_known_id_is_a_duplicate_and_done() -> None:
    assert deliver(ScriptedSender(answers(KNOWN, CREATED, KNOWN)), 3) == Delivered(indexed=1, duplicates=2)


def test_nothing_is_given_up() -> None:
    sender = ScriptedSender(*[DOWN] * 30)
    assert deliver(sender, 2).indexed == 2
    assert len(sender.requests) == 31


def test_an_answer_lost_after_the_write_shows_as_duplicates() -> None:
    assert deliver(ScriptedSender(DOWN, every(KNOWN)), 3) == Delivered(duplicates=3)


def test_a_refused_document_is_poison_with_its_place_and_reason() -> None:
    result = deliver(ScriptedSender(answers(CREATED, POISON, CREATED)), 3)
    assert result.indexed == 2
    (letter,) = result.dead
    assert (letter.record.offset, letter.reason) == (1, "document_parsing_exception")
    assert letter.error.startswith("400 document_parsing_exception: [1:2] failed to parse field [price]")
    assert result.refused == ["crypto-prices-2026.10.01"]


def test_the_mapping_is_looked_at_afresh_before_a_document_is_called_poison() -> None:
    indices = EasyIndices()
    deliver(ScriptedSender(answers(POISON)), 1, indices=indices)
    assert indices.asked == [({"crypto-prices-2026.10.01"}, False), ({"crypto-prices-2026.10.01"}, True)]


def test_under_another_mapping_nothing_is_poison_and_all_waits_for_a_person() -> None:
    wrong = OperatorError("another mapping", remedy="Reindex it")
    indices = EasyIndices(None, wrong, None, wrong, None)
    sender = ScriptedSender(answers(CREATED, POISON), answers(POISON), every(CREATED))
    assert deliver(sender, 2, indices=indices) == Delivered(indexed=2)
    assert [ids(request) for request in sender.requests] == [[0, 1], [1], [1]]


def test_a_refusal_that_blames_a_field_of_somebody_elses_is_no_poison() -> None:
    foreign = Item(400, "document_parsing_exception", "[1:2] failed to parse field [extra] of type [long] in …")
    health = Health()
    seen: list[str] = []

    def look(lines: object) -> list[Item]:
        seen.append(health.reasons()[PART])
        return [CREATED]

    sender = ScriptedSender(answers(foreign), answers(foreign), look)  # type: ignore[arg-type]
    assert deliver(sender, 1, health=health) == Delivered(indexed=1)
    assert "maps extra, which the template does not" in seen[0]
    assert "0:0" in seen[0]


@pytest.mark.parametrize("name", ["price", "symbol.keyword", "_id", "_doc_count"])
def test_a_refusal_that_blames_a_field_of_ours_is_poison(name: str) -> None:
    ours = Item(400, "document_parsing_exception", f"[1:2] failed to parse field [{name}] of type [x] in …")
    assert len(deliver(ScriptedSender(answers(ours)), 1).dead) == 1


def test_a_request_that_is_too_large_is_halved_down_to_one() -> None:
    sender = ScriptedSender(*[TOO_LARGE] * 3)
    assert deliver(sender, 8).indexed == 8
    assert [len(request) for request in sender.requests] == [8, 4, 2] + [1] * 8


def test_a_single_record_that_is_too_large_waits_for_a_larger_limit() -> None:
    health = Health()
    seen: list[str] = []

    def look(lines: object) -> list[Item]:
        seen.append(health.reasons()[PART])
        return [CREATED]

    assert deliver(ScriptedSender(TOO_LARGE, TOO_LARGE, look), 1, health=health).indexed == 1  # type: ignore[arg-type]
    assert "http.max_content_length" in seen[0]
    assert health.reasons() == {}


def test_a_request_holds_no_more_bytes_than_allowed_and_always_one_line() -> None:
    sender = ScriptedSender()
    batch = batch_of(*(good(offset) for offset in range(6)))
    size = len(batch.lines[0])
    delivery_of(sender, max_bytes=2 * size + 10).deliver(batch, threading.Event())
    assert [len(request) for request in sender.requests] == [2, 2, 2]
    sender = ScriptedSender()
    delivery_of(sender, max_bytes=10).deliver(batch, threading.Event())
    assert [len(request) for request in sender.requests] == [1] * 6


def test_one_large_line_does_not_make_the_later_requests_small() -> None:
    sender = ScriptedSender()
    batch = batch_of(*(good(offset) for offset in range(8)))
    batch.lines[0] += b" " * 5000
    delivery_of(sender, max_bytes=5000).deliver(batch, threading.Event())
    assert [len(request) for request in sender.requests] == [1, 7]


def test_a_document_that_a_pipeline_drops_is_not_indexed_and_a_person_is_told() -> None:
    """Of `create` only 201 says that it is stored."""
    health = Health()
    said: list[str] = []

    def look(lines: list[bytes]) -> list[Item]:
        said.append(health.reasons()[PART])
        return [CREATED] * len(lines)

    dropped = Item(200)
    sender = ScriptedSender(answers(CREATED, dropped, CREATED), look)  # type: ignore[arg-type]
    delivered = deliver(sender, 3, health=health)
    assert [len(lines) for lines in sender.requests] == [3, 1]
    assert (delivered.indexed, delivered.dead) == (3, [])
    assert "200 without an error, though only 201 says that the document is stored" in said[0]
    assert "index.final_pipeline" in said[0]


def test_what_a_person_must_mend_is_said_and_goes_on_when_mended() -> None:
    health = Health()
    seen: list[dict[str, str]] = []

    def look(lines: object) -> list[Item]:
        seen.append(health.reasons())
        return [CREATED]

    sender = ScriptedSender(answers(CLOSED), answers(CLOSED), look)  # type: ignore[arg-type]
    assert deliver(sender, 1, health=health) == Delivered(indexed=1)
    assert "400 index_closed_exception" in seen[0][PART]
    assert "Open the index" in seen[0][PART]
    assert "record 0:0" in seen[0][PART]
    assert health.reasons() == {}


def test_of_several_troubles_the_one_that_needs_a_person_is_said() -> None:
    health = Health()
    seen: list[str] = []

    def look(lines: object) -> list[Item]:
        seen.append(health.reasons()[PART])
        return [CREATED] * 3

    deliver(ScriptedSender(answers(REJECTED, CLOSED, REJECTED), look), 3, health=health)  # type: ignore[arg-type]
    assert "index_closed_exception" in seen[0]


def test_one_refusal_that_the_next_attempt_mends_is_no_reason_to_be_not_ready() -> None:
    health = Health()
    held: list[str] = []
    health.hold = lambda part, reason: held.append(reason)  # type: ignore[method-assign]
    deliver(ScriptedSender(answers(CREATED, REJECTED)), 2, health=health)
    assert held == []
    deliver(ScriptedSender(DOWN, DOWN), 2, health=health)
    assert held == ["connection refused"]


def test_ready_again_only_when_no_batch_waits() -> None:
    health = Health()
    let_one_go, let_all_go = threading.Event(), threading.Event()

    def reply(lines: object) -> list[Item]:
        if let_all_go.is_set():
            return [CREATED]
        if let_one_go.is_set():
            let_one_go.clear()
            return [CREATED]
        raise TransientError("down")

    sender = ScriptedSender(*[reply] * 10_000)  # type: ignore[list-item]
    delivery = delivery_of(sender, health=health)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(delivery.deliver, batch_of(good(number)), threading.Event()) for number in range(2)]
        wait_until(lambda: PART in health.reasons())
        wait_until(lambda: len({ids(request)[0] for request in sender.requests[4:]}) == 2)
        let_one_go.set()
        wait_until(lambda: any(each.done() for each in both))
        assert PART in health.reasons()
        let_all_go.set()
        assert [each.result(180).indexed for each in both] == [1, 1]
    assert health.reasons() == {}


def test_a_batch_that_is_given_back_stops_and_no_longer_keeps_the_process_from_being_ready() -> None:
    health = Health()
    abandon = threading.Event()
    sender = ScriptedSender(*[DOWN] * 10_000)
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(delivery_of(sender, health=health).deliver, batch_of(good(0)), abandon)
        wait_until(lambda: PART in health.reasons())
        abandon.set()
        assert result.result(180).abandoned
    assert health.reasons() == {}


def test_a_batch_that_was_given_back_before_its_turn_is_not_sent() -> None:
    abandon = threading.Event()
    abandon.set()
    sender = ScriptedSender()
    assert delivery_of(sender).deliver(batch_of(good(0)), abandon).abandoned
    assert sender.requests == []


def test_a_missing_index_is_looked_for_again_before_the_next_attempt() -> None:
    indices = EasyIndices()
    missing = Item(404, "index_not_found_exception", "no such index")
    assert deliver(ScriptedSender(answers(missing)), 1, indices=indices).indexed == 1
    assert indices.forgotten == ["crypto-prices-2026.10.01"]


def test_without_the_template_nothing_is_sent() -> None:
    missing = OperatorError("the index template is missing", remedy="Run `cryptoproxy setup`")
    sender = ScriptedSender()
    assert deliver(sender, 1, indices=EasyIndices(missing, missing, None)).indexed == 1
    assert len(sender.requests) == 1


def test_a_batch_without_lines_asks_nothing() -> None:
    sender = ScriptedSender()
    assert deliver(sender, 0) == Delivered()
    assert sender.requests == []


def test_an_attempt_that_failed_is_counted_by_its_kind() -> None:
    measures = metrics()
    deliver(ScriptedSender(DOWN, TOO_LARGE, answers(CLOSED)), 2, measures=measures)
    counted = {kind: measures.bulk_retries.labels(kind)._value.get() for kind in ("transient", "size", "operator")}
    assert counted == {"transient": 1, "size": 1, "operator": 1}


def test_elasticsearch_is_verified_before_the_first_record() -> None:
    health = Health()
    missing = OperatorError("the index template is missing", remedy="Run `cryptoproxy setup`")
    indices = EasyIndices(DOWN, missing, None)
    delivery_of(ScriptedSender(), indices=indices, health=health).verify(threading.Event())
    assert indices.trouble == []
    assert health.reasons() == {}


def test_an_unforeseen_error_is_not_swallowed_and_leaves_no_reason_behind() -> None:
    health = Health()
    with pytest.raises(ZeroDivisionError):
        deliver(ScriptedSender(DOWN, DOWN, ZeroDivisionError()), 1, health=health)
    assert health.reasons() == {}


def test_a_batch_that_gets_through_proves_what_was_to_be_verified() -> None:
    health = Health()
    indices = EasyIndices(*[OperatorError("no template", remedy="Run `cryptoproxy setup`")] * 3)
    delivery = Delivery(
        ScriptedSender(),
        indices,
        health,
        metrics(),
        max_bytes=1_000_000,
        now_ms=lambda: NOW_MS,
        backoff=lambda: Backoff(first=60),
    )
    abandon = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        verified = pool.submit(delivery.verify, abandon)
        wait_until(lambda: PART in health.reasons())
        indices.trouble.clear()
        delivery.deliver(batch_of(good(0)), threading.Event())
        verified.result(180)
    assert health.reasons() == {}


def test_a_long_wait_that_is_asked_for_is_capped_and_said_from_the_first_time_on() -> None:
    health = Health()
    asked = TransientError("Elasticsearch asks to wait 600 s (Elasticsearch answers 503)", retry_after=600)
    waits: list[float] = []

    class Abandon(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            assert "asks to wait 600 s" in health.reasons()[PART]
            return False

    delivery = Delivery(
        ScriptedSender(asked), EasyIndices(), health, metrics(), max_bytes=1_000_000, now_ms=lambda: NOW_MS
    )
    assert delivery.deliver(batch_of(good(0)), Abandon()).indexed == 1
    assert waits == [60.0]
    assert health.reasons() == {}


AHEAD_MS = 10 * 60_000


class Clocks:
    """This machine's clock, as the test turns it, and Elasticsearch's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, ours: int, theirs: int | Exception) -> None:
        self.ours, self.theirs, self.asked = ours, theirs, 0
        monkeypatch.setattr(elastic, "now_ms", self._ask)

    def _ask(self, client: object) -> int:
        self.asked += 1
        if isinstance(self.theirs, Exception):
            raise self.theirs
        return self.theirs

    def batch(self, *slots: int) -> Batch:
        records = [
            consumed(offset, value(offset, timestamp=iso(slot), fetched_at=iso(slot)))
            for offset, slot in enumerate(slots)
        ]
        return read({partition(): records}, PLACE, now_ms=self.ours)


def test_a_slow_clock_of_ours_makes_no_poison_but_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch, ours=SLOT_MS - 11 * 60_000, theirs=SLOT_MS)
    health, sender = Health(), ScriptedSender()
    delivery = delivery_of(sender, health=health, now_ms=lambda: clocks.ours)
    with ThreadPoolExecutor(1) as pool:
        delivered = pool.submit(delivery.deliver, clocks.batch(SLOT_MS, SLOT_MS), threading.Event())
        said = wait_until(lambda: health.reasons().get(PART))
        assert iso(clocks.ours) in said
        assert "Set the clock" in said
        assert sender.requests == []
        clocks.ours = SLOT_MS
        assert delivered.result(180) == Delivered(indexed=2)
    assert health.reasons() == {}


def test_what_is_ahead_of_both_clocks_is_poison_and_costs_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch, ours=NOW_MS, theirs=NOW_MS + 1_000)
    batch = clocks.batch(SLOT_MS, NOW_MS + AHEAD_MS + 61_000, SLOT_MS)
    result = delivery_of(sender := ScriptedSender()).deliver(batch, threading.Event())
    assert result.indexed == 2
    (letter,) = result.dead
    assert (letter.record.offset, letter.reason) == (1, "contract")
    assert "ahead of this clock and of Elasticsearch's" in letter.error
    assert result.refused == [batch.indices[1]]
    assert [ids(request) for request in sender.requests] == [[0, 2]]


def test_a_batch_that_is_all_of_the_future_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch, ours=NOW_MS, theirs=NOW_MS)
    result = delivery_of(sender := ScriptedSender()).deliver(clocks.batch(NOW_MS + 10**12), threading.Event())
    assert len(result.dead) == 1
    assert sender.requests == []


def test_elasticsearchs_clock_is_waited_for_and_only_asked_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch, ours=NOW_MS, theirs=DOWN)
    health = Health()
    delivery = delivery_of(ScriptedSender(), health=health)
    assert delivery.deliver(clocks.batch(NOW_MS + AHEAD_MS), threading.Event()).indexed == 1
    assert clocks.asked == 0
    with ThreadPoolExecutor(1) as pool:
        delivered = pool.submit(delivery.deliver, clocks.batch(NOW_MS + AHEAD_MS + 60_000), threading.Event())
        wait_until(lambda: clocks.asked > 2)
        clocks.theirs = NOW_MS
        assert len(delivered.result(180).dead) == 1


def test_a_record_whose_index_may_not_be_made_now_is_set_aside_and_the_others_go_on() -> None:
    indices = EasyIndices()
    batch = batch_of(good(0), consumed(1, value(1, timestamp="2012-01-01T00:00:00.000Z")), good(2))
    indices.refused = {batch.indices[1]: "24 indices were made within the hour"}
    result = delivery_of(ScriptedSender(), indices=indices).deliver(batch, threading.Event())
    assert result.indexed == 2
    assert [(each.record.offset, each.reason, each.error) for each in result.dead] == [
        (1, "new_index", "24 indices were made within the hour")
    ]


def test_nobody_waits_for_a_verification_that_is_not_wanted_any_more() -> None:
    health = Health()
    delivery = delivery_of(ScriptedSender(), indices=EasyIndices(*[DOWN] * 100_000), health=health)
    abandon = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        verified = pool.submit(delivery.verify, abandon)
        wait_until(lambda: PART in health.reasons())
        abandon.set()
        verified.result(180)
