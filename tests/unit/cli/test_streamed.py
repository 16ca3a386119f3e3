"""`cryptoproxy status` of streams: a line for each, and what is wrong with it."""

from __future__ import annotations

from concurrent.futures import Future

import msgspec

from cryptoproxy.cli.status import engines, processes, streamed
from cryptoproxy.errors import TransientError
from cryptoproxy.producer.feeds.stream.marks import StreamNote
from cryptoproxy.producer.lease.note import Note
from cryptoproxy.upstreams.streaming.stream import Mark

NOW = 1_000_000_000_000
MARKS = {"BTCUSDT": Mark("7-70", NOW - 2_000), "ETHUSDT": Mark("9-90", NOW - 5_000)}


def lines(state: StreamNote | None, gaps: dict[str, int] | None) -> list[tuple[bool, str]]:
    states = {} if state is None else {"binance.trade": state}
    return list(streamed.said(["binance.trade"], states, gaps, now_ms=NOW))


def test_what_is_told_of_a_stream_that_goes_well() -> None:
    [(fault, words)] = lines(StreamNote(NOW - 1_000, MARKS, connected=True, frame_ms=NOW - 1_000), {})
    assert not fault
    assert words == (
        "binance.trade: connected; last frame 2001-09-09T01:46:39Z, 1 s ago; "
        "published up to BTCUSDT 7-70 of 2001-09-09T01:46:38Z; no gap open"
    )


def test_a_stream_that_is_not_connected_or_silent_is_a_fault_and_gaps_are_none() -> None:
    assert lines(None, {}) == [(True, "binance.trade: nothing has come yet")]
    [(fault, words)] = lines(StreamNote(NOW, MARKS, connected=False, frame_ms=NOW), {"binance.trade": 2})
    assert fault
    assert "not connected" in words
    assert "2 gaps of the last day open (cryptoproxy gaps --open)" in words
    [(fault, words)] = lines(StreamNote(NOW, MARKS, connected=True, frame_ms=NOW - 700_000), {"binance.trade": 1})
    assert fault
    assert "700 s ago" in words
    assert "1 gap of" in words
    [(fault, words)] = lines(StreamNote(NOW, MARKS, connected=True, frame_ms=NOW), None)
    assert not fault
    assert "gap" not in words


def test_what_stands_on_the_state_topic() -> None:
    told = StreamNote(NOW, MARKS, connected=True, frame_ms=NOW)
    assert streamed.found({"stream:binance.trade": msgspec.json.encode(told), "slot:coingecko": b"7"}) == {
        "binance.trade": told
    }


def test_the_part_says_what_cannot_be_told() -> None:
    failed: Future[object] = Future()
    failed.set_exception(TransientError("Elasticsearch does not answer"))
    note = Note(process="p", name="host-1:42", term=3, since=NOW)
    told = {"binance.trade": StreamNote(NOW, MARKS, connected=True, frame_ms=NOW)}
    kafka = engines.OnKafka(note=note, alive=(), slots={}, lag=0, indexers=1, streams=told)
    part = processes.streams_part(kafka, failed, ["binance.trade"], now_ms=NOW)  # type: ignore[arg-type]
    assert part.faults == ["nobody streams", "gaps cannot be told: Elasticsearch does not answer"]
    assert len(part.words) == 1
    assert processes.streams_part(None, failed, [], now_ms=NOW).faults  # type: ignore[arg-type]
