"""Records as the lines that are kept: none of an entry's reaches beyond one file of the lake."""

from __future__ import annotations

from msgspec.structs import replace

from cryptoproxy.datasets import CANDLE, TICKER, Candle, Feed, from_iso
from cryptoproxy.producer.feeds.lines import lines_of


def bar(interval: str, timestamp: str, **more: float) -> Candle:
    return replace(
        CANDLE.example, interval=interval, timestamp=timestamp, fetched_at="2026-12-01T00:00:00.000Z", **more
    )


def test_the_records_of_a_poll_of_tickers_are_one_entry_in_their_order() -> None:
    records = [replace(TICKER.example, asset_id=name) for name in ("c", "a", "b")]
    (lines,), refused = lines_of(Feed("coingecko"), records)
    assert lines.content == b"".join(TICKER.codec.encode(record) + b"\n" for record in records)
    assert (lines.records, lines.begin_ms, refused) == (3, from_iso(TICKER.example.timestamp), [])


def test_bars_of_two_days_are_two_entries_of_minutes_and_one_of_hours() -> None:
    times = ["2026-11-21T00:00:00.000Z", "2026-11-20T23:00:00.000Z", "2026-11-20T22:00:00.000Z"]
    minutes, _ = lines_of(Feed("binance", "candle", "1m"), [bar("1m", each) for each in times])
    assert [(lines.records, lines.begin_ms) for lines in minutes] == [(2, from_iso(times[2])), (1, from_iso(times[0]))]
    hours, _ = lines_of(Feed("binance", "candle", "1h"), [bar("1h", each) for each in times])
    assert [(lines.records, lines.begin_ms) for lines in hours] == [(3, from_iso(times[2]))]


def test_a_record_that_breaks_the_contract_is_told_and_the_rest_goes_on() -> None:
    lines, refused = lines_of(
        Feed("binance", "candle", "1m"),
        [bar("1m", "2026-11-20T22:00:00.000Z", low=10.0, high=5.0), bar("1m", "2026-11-20T22:00:00.000Z")],
    )
    assert [each.records for each in lines] == [1]
    assert [row.reason for row in refused] == ["contract"]


def test_nothing_is_no_entry() -> None:
    assert lines_of(Feed("binance", "candle", "1m"), []) == ([], [])
