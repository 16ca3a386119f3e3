"""Candles: parts of their own, files of a day, a month or a year, and pages of history that reach beyond their hour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from cryptoproxy.datasets import CANDLE, Candle, from_iso, iso
from cryptoproxy.datasets.contracts.candle import STEPS, end_of
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS, Span
from cryptoproxy.errors import OperatorError
from cryptoproxy.lake.compact import Compacted, Compaction
from cryptoproxy.lake.form import Fault, refuse
from cryptoproxy.lake.objects import pack
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.table import Table
from cryptoproxy.lake.whole import whole_lake
from tests.unit.lake.conftest import Bucket

BEGIN, END = from_iso("2022-01-01T00:00:00.000Z"), from_iso("2025-01-01T00:00:00.000Z")
NOW_MS = from_iso("2026-11-20T12:00:00.000Z")


def bar(interval: str, at_ms: int, asset: str = "BTCUSDT", *, close: float = 2.5) -> Candle:
    return Candle(
        source="binance", asset_id=asset, symbol=asset, quote="USDT", interval=interval,  # type: ignore[arg-type]
        timestamp=iso(at_ms), fetched_at=iso(end_of(iso(at_ms), interval) + 3_000),
        open=2.0, high=3.0, low=1.0, close=close, trades=at_ms // MINUTE_MS,
    )  # fmt: skip


def bars(interval: str, span: Span, *assets: str) -> list[Candle]:
    return [bar(interval, at, each) for each in assets or ("BTCUSDT",) for at in span.begins(STEPS[interval])]


def put(store: Store, candles: Sequence[Candle]) -> str:
    """One object, as a page of history or a poll makes it."""
    first = min(from_iso(each.timestamp) for each in candles)
    lines = b"".join(CANDLE.codec.encode(each) + b"\n" for each in candles)
    made = pack(store.settings.prefix, "candle", "binance", first, (lines,), part=candles[0].interval)
    store.put(made.key, made.body)
    return made.key


def history(store: Store, interval: str, span: Span, *assets: str, page: int = 1000) -> dict[str, bytes]:
    """Pages that each lie within one file."""
    made = bars(interval, span, *assets)
    part = CANDLE.parts[interval]
    pages: dict[tuple[str, str], list[Candle]] = {}
    for each in made:
        pages.setdefault((each.asset_id, part.file_of(each.timestamp)), []).append(each)
    for each_page in pages.values():
        for at in range(0, len(each_page), page):
            put(store, each_page[at : at + page])
    return wanted(made)


def wanted(candles: Iterable[Candle]) -> dict[str, bytes]:
    return {CANDLE.id_of(each): CANDLE.codec.encode(each) for each in candles}


def read(store: Store, span: Span) -> dict[str, bytes]:
    found = list(whole_lake(store, CANDLE).records("binance", span, refuse))
    assert [each.slot_ms for each in found] == sorted(each.slot_ms for each in found)
    lines = {each.id: each.line for each in found}
    assert len(lines) == len(found)
    return lines


def within(lines: dict[str, bytes], span: Span) -> dict[str, bytes]:
    return {each: line for each, line in lines.items() if from_iso(CANDLE.codec.decode(line).timestamp) in span}


def compact(store: Store, interval: str, at_ms: int, **options: bool) -> Compacted:
    return Compaction(store, CANDLE, CANDLE.parts[interval], now_ms=lambda: NOW_MS).period("binance", at_ms, **options)


def compact_all(store: Store, interval: str, **options: bool) -> list[Compacted]:
    compaction = Compaction(store, CANDLE, CANDLE.parts[interval], now_ms=lambda: NOW_MS)
    return [compaction.period("binance", each.begin_ms, **options) for each in compaction.uncompacted("binance")]


def raw(bucket: Bucket) -> list[str]:
    return [key for key in bucket.objects if "/raw/" in key]


@pytest.mark.parametrize("compacted", [False, True])
def test_a_history_of_days_is_read_by_any_span_and_by_the_hour(store: Store, compacted: bool) -> None:
    lines = history(store, "1d", Span(BEGIN, END), "BTCUSDT", "ETHUSDT")
    if compacted:
        compact_all(store, "1d", delete_raw=True)
    lake = whole_lake(store, CANDLE)
    assert read(store, Span(BEGIN, END)) == lines
    for begin, days in ((BEGIN + 300 * DAY_MS, 100), (BEGIN + 17 * DAY_MS, 1), (END - DAY_MS, 30), (END, 5)):
        span = Span(begin, begin + days * DAY_MS)
        assert read(store, span) == within(lines, span)
        assert lake.hours("binance", span) == [each for each in span.begins(DAY_MS) if each < END]
    noon = BEGIN + 40 * DAY_MS + 12 * HOUR_MS
    assert lake.hours("binance", Span(noon, noon + HOUR_MS)) == []
    assert lake.sources() == ["binance"]


def test_a_year_of_days_is_one_file(store: Store, bucket: Bucket) -> None:
    lines = history(store, "1d", Span(BEGIN, END))
    done = compact_all(store, "1d", delete_raw=True)
    assert [(each.records, each.written) for each in done] == [(365, True), (365, True), (366, True)]
    files = Table(store, CANDLE).files()
    assert [file.key.rsplit("-", 1)[0] for file in files] == [
        f"crypto/v1/candle/table/1d/binance/binance-{year}" for year in (2022, 2023, 2024)
    ]
    assert {file.part for file in files} == {"1d"}
    assert raw(bucket) == []
    assert read(store, Span(BEGIN, END)) == lines


def test_minutes_over_a_day_s_border_lie_in_the_file_of_their_day(store: Store) -> None:
    span = Span(BEGIN + 20 * HOUR_MS, BEGIN + DAY_MS + 3 * HOUR_MS)
    lines = history(store, "1m", span, "BTCUSDT", "ETHUSDT", page=150)
    border = Span(BEGIN + DAY_MS - 2 * MINUTE_MS, BEGIN + DAY_MS + 2 * MINUTE_MS)
    assert read(store, border) == within(lines, border)
    first, second = compact_all(store, "1m", delete_raw=True)
    assert (first.records, second.records) == (2 * 240, 2 * 180)
    assert [file.begin_ms for file in Table(store, CANDLE).files()] == [span.begin_ms, BEGIN + DAY_MS]
    assert read(store, span) == lines
    assert read(store, border) == within(lines, border)


@pytest.mark.parametrize("delete_raw", [False, True])
def test_what_comes_late_is_merged_into_the_year(store: Store, bucket: Bucket, delete_raw: bool) -> None:
    lines = history(store, "1h", Span(BEGIN, BEGIN + 90 * DAY_MS))
    (first,) = compact_all(store, "1h", delete_raw=delete_raw)
    late = bars("1h", Span(BEGIN + 200 * DAY_MS, BEGIN + 201 * DAY_MS))
    put(store, late)
    put(store, [bar("1h", BEGIN + DAY_MS, close=2.9)])  # the same bar, of another poll; the one that was there stays
    lines |= wanted(late)
    whole_year = Span(BEGIN, BEGIN + 365 * DAY_MS)
    assert read(store, whole_year).keys() == lines.keys()
    (second,) = compact_all(store, "1h", delete_raw=delete_raw)
    assert (first.records, second.records, second.written) == (90 * 24, 91 * 24, True)
    assert [file.key for file in Table(store, CANDLE).files()] == [file.key for file in second.files]
    assert read(store, whole_year).keys() == lines.keys()
    assert (raw(bucket) == []) is delete_raw
    (third,) = compact_all(store, "1h", delete_raw=delete_raw) or [compact(store, "1h", BEGIN)]
    assert (third.written, third.files) == (False, second.files)


def test_a_year_that_is_not_over_is_refused(store: Store) -> None:
    history(store, "1d", Span(from_iso("2026-03-01T00:00:00.000Z"), from_iso("2026-04-01T00:00:00.000Z")))
    with pytest.raises(OperatorError, match="2026 is not over yet"):
        compact(store, "1d", NOW_MS)
    assert compact(store, "1d", NOW_MS, unfinished=True).records == 31


def test_parts_are_read_as_one_and_compacted_each_for_itself(store: Store) -> None:
    span = Span(BEGIN, BEGIN + 2 * DAY_MS)
    lines = {}
    for interval in ("15m", "1h", "1d"):
        lines |= history(store, interval, span)
    assert read(store, span) == lines
    compact(store, "1h", BEGIN, delete_raw=True)
    assert read(store, span) == lines
    compact(store, "15m", BEGIN)
    assert read(store, span) == lines
    assert {(file.part, file.rows) for file in Table(store, CANDLE).files()} == {("1h", 48), ("15m", 192)}
    assert whole_lake(store, CANDLE, "1d").sources() == ["binance"]
    assert len(list(whole_lake(store, CANDLE, "1d").records("binance", span, refuse))) == 2


def test_polls_of_a_year_become_one_file_and_not_a_file_an_hour(store: Store, bucket: Bucket) -> None:
    polls = bars("1h", Span(BEGIN, BEGIN + 3 * DAY_MS))
    for each in polls:
        put(store, [each])
    assert len(raw(bucket)) == 72
    (done,) = compact_all(store, "1h", delete_raw=True)
    assert (len(done.files), done.records, done.raw_objects) == (1, 72, 72)
    assert read(store, Span(BEGIN, END)) == wanted(polls)


def test_what_an_object_holds_of_another_year_is_misplaced(store: Store) -> None:
    border = BEGIN + 365 * DAY_MS
    key = put(store, bars("1d", Span(border - 2 * DAY_MS, border + DAY_MS)))
    faults: list[Fault] = []
    found = list(whole_lake(store, CANDLE).records("binance", Span(BEGIN, END), faults.append))
    assert len(found) == 2
    assert [(fault.key, fault.number, fault.reason) for fault in faults] == [(key, 3, "misplaced")]
    # And so it is kept.
    assert compact(store, "1d", border - DAY_MS, delete_raw=True).removed == 0


def test_a_page_s_name_tells_its_last_slot_only_beyond_its_hour(store: Store) -> None:
    assert "-20220101T000000Z-20220102T000000Z-" in put(store, bars("1d", Span(BEGIN, BEGIN + 2 * DAY_MS)))
    assert "/binance-20220101T000000Z-" in (key := put(store, bars("1m", Span(BEGIN, BEGIN + HOUR_MS))))
    assert key.count("T") == 1
