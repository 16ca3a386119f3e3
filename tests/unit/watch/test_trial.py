"""What rules would have said of the past."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptoproxy.datasets import CANDLE, TICKER, from_iso, iso
from cryptoproxy.watch.rulebook.reading import parse
from cryptoproxy.watch.trial import Past, plot, trial
from tests.unit.watch.test_judge import BEGIN_MS, MINUTE_MS, candle, ticker

DAY_MINUTES = 1440
RULES = parse(
    "rules: {high: {when: {above: 100}}, falls: {when: {falls: 5%, within: 1h, of: candle-1h.close}}, never: {when: {above: 1000}}}"
)


def past(record: Any) -> Past:
    dataset = TICKER if isinstance(record, TICKER.record) else CANDLE
    return Past(from_iso(record.timestamp), dataset.called(dataset.part(record)), dataset.codec.encode(record))


def test_the_past_is_tried_in_the_order_of_its_times_however_late_it_was_fetched(tmp_path: Path):
    fetched = {"fetched_at": iso(BEGIN_MS + 90 * DAY_MINUTES * MINUTE_MS)}
    tickers = [ticker(price, minute, **fetched) for minute, price in ((0, 99), (10, 101), (70, 99), (DAY_MINUTES, 101))]
    bars = [candle(close, bar, **fetched) for bar, close in ((0, 100), (1, 90), (2, 90))]
    tried = trial(RULES, [map(past, tickers), map(past, bars)])
    assert tried.records == 7
    assert [(name, each.opened, sorted(each.by_day.values())) for name, each in tried.rules.items()] == [
        ("high", 2, [1, 1]),
        ("falls", 1, [1]),
        ("never", 0, []),
    ]
    assert tried.rules["high"].open_ms == 60 * MINUTE_MS
    plot(tried, BEGIN_MS, BEGIN_MS + 2 * DAY_MINUTES * MINUTE_MS, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
