"""What rules would have said of the past."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from cryptoproxy.cli.services.watch import watch
from cryptoproxy.datasets import CANDLE, TICKER, from_iso, iso
from cryptoproxy.lake.form import Fault, Stored
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


def test_a_damaged_line_of_the_lake_is_said_and_ends_no_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Damaged:
        def sources(self) -> list[str]:
            return ["binance"]

        def records(self, source: str, span: Any, report: Callable[[Fault], None]) -> Iterator[Stored]:
            report(Fault("a/key", 3, "not_json", "cut\nshort"))
            record = msgspec.structs.replace(TICKER.example, symbol="B\x1b[31m")
            yield Stored("id", from_iso(record.timestamp), record.fetched_at, TICKER.codec.encode(record), "a/key", 4)

    monkeypatch.setattr("cryptoproxy.lake.whole.whole_lake", lambda *_: Damaged())
    (tmp_path / "rules.yaml").write_text("rules: {r: {when: {above: 1}}}")
    (tmp_path / ".env").write_text(f"AWS_S3_BUCKET=a-lake\nWATCH_RULES={tmp_path / 'rules.yaml'}\n")
    done = CliRunner().invoke(watch, ["test"], obj=tmp_path / ".env")
    assert "1 records, " in done.output
    assert "\x1b" not in done.output
    assert (
        "1 objects or lines of the lake cannot be used, the first: a/key line 3: not_json: cut\\nshort" in done.output
    )
    assert done.exit_code == 0
