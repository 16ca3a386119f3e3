"""`cryptoproxy quality` over real engines: each fault of a day is in its own column."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families

from cryptoproxy.cli.reading import quality as command
from cryptoproxy.common.start import load_settings
from cryptoproxy.datasets import iso
from cryptoproxy.datasets.times import DAY_MS, MINUTE_MS
from tests.conftest import wait_until
from tests.integration.backfill import conftest
from tests.integration.backfill.conftest import Bench, record

bench = conftest.bench


def asked(bench: Bench, line: str) -> Result:
    result = CliRunner().invoke(command.quality, line.split(), obj=bench.env_file)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_what_is_wrong_with_a_day_is_told(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "start", load_settings)
    begin = bench.today - DAY_MS
    date, now = iso(begin)[:10], bench.today
    every = 10 * MINUTE_MS
    polls = [begin + number * every for number in range(144) if number not in (7, 8, 100)]
    for slot_ms in (begin - every, *polls):
        bench.archive(*(record(asset, slot_ms, interval_ms=every) for asset in ("bitcoin", "ethereum")))
    # A second poller's copy of one poll, and a poll of another source that breaks the contract.
    bench.archive(record("bitcoin", begin, interval_ms=every, fetched_at=iso(begin + 900)))
    bench.archive_lines("binance", begin, b'{"source":"binance"}\n')

    found = asked(bench, f"--date {date} --json")
    assert found.exit_code == 1
    told = json.loads(found.stdout)
    assert (told["date"], told["until"]) == (date, iso(now))
    binance, coingecko = told["feeds"]
    assert (binance["feed"], binance["records"], binance["unreadable"]) == ("binance", 0, 1)
    assert "contract" in found.stderr
    assert {name: coingecko[name] for name in ("records", "assets", "expected", "missing", "gaps", "duplicates")} == {
        "records": 282, "assets": 2, "expected": 144, "missing": 3, "gaps": 2, "duplicates": 1,
    }  # fmt: skip
    assert coingecko["longest_gap_ms"] == 2 * every
    assert coingecko["age_ms"] == every
    assert told["index"] == [{"dataset": "ticker", "source": "coingecko", "records": 282, "documents": 0}]

    # The table says how to find what the index lacks; once it is there, nothing.
    table = asked(bench, f"--date {date} --source coingecko")
    assert table.exit_code == 0
    (mend,) = [line for line in table.stdout.splitlines() if "cryptoproxy reconcile" in line]
    assert f"282 records in the lake, 0 documents: cryptoproxy reconcile --dataset ticker --source coingecko --from {date}" in mend  # fmt: skip
    assert bench.run(f"replay --from {date} --to {iso(now)[:10]} --source coingecko").exit_code == 0
    assert "reconcile" not in asked(bench, f"--date {date} --source coingecko").stdout

    # What may be missing is a choice.
    assert asked(bench, f"--date {date} --source coingecko --missing-at-most 3").exit_code == 0
    assert asked(bench, f"--date {date} --source coingecko --missing-at-most 2").exit_code == 1

    # Of a slip, and of a source that was away for two days, no share is missing.
    slip = asked(bench, f"--date {date} --source coingeko --missing-at-most 2")
    assert (slip.exit_code, "nothing of coingeko is in the lake" in slip.stderr) == (1, True)

    # A dead letter counts on the day on which it was set aside.
    bench.producer.send(bench.settings.kafka.topic, key=b"bybit-spot:BTCUSDT:USDT", value=b"no record").get(180)
    with bench.indexer():
        wait_until(lambda: bench.on_topic(bench.settings.kafka.dead_letter_topic), what="a dead letter")
    file = tmp_path / "quality.prom"
    today = asked(bench, f"--date today --metrics {file}")
    assert "bybit-spot: 1 dead letters: not_json" in today.stdout
    samples = {
        (each.name, *each.labels.values()): each.value
        for family in text_string_to_metric_families(file.read_text())
        for each in family.samples
    }
    assert samples["cryptoproxy_quality_violations", "bybit-spot", "not_json"] == 1
    # Nothing of today is there yet of what was polled until midnight.
    assert samples["cryptoproxy_quality_records", "coingecko"] == 0


def test_a_day_that_has_not_begun_is_refused(bench: Bench) -> None:
    refused = asked(bench, f"--date {iso(bench.today + DAY_MS)[:10]}")
    assert refused.exit_code == 2
    assert "has not begun" in refused.stderr
