from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cryptoproxy.cli.upkeep import backfill, lacking
from cryptoproxy.common.start import load_settings
from cryptoproxy.consumer.backfill import wiring
from cryptoproxy.consumer.backfill.reconcile import Difference, Reconciled, Some, UnknownSourceError
from cryptoproxy.datasets import CANDLE, TICKER
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, Span
from tests.unit.consumer.backfill.lake import TEN


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setattr(backfill, "start", load_settings)  # logging stays as pytest has it
    monkeypatch.setattr(wiring, "set_up_datasets", lambda settings: [TICKER])
    monkeypatch.setattr(lacking, "gaps_of", lambda *_: [])
    monkeypatch.chdir(tmp_path)
    return CliRunner()


def replay(runner: CliRunner, *arguments: str) -> Result:
    return runner.invoke(backfill.replay, arguments, obj=Path(".env"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--from and --to must be told: --from yesterday --to today"),
        (("--from", "2026-11-02"), "Error: --to must be told"),
        (("--from", "2026-11-02", "--to", "2026-11-02"), "--to must be later than --from"),
        (("--from", "last week", "--to", "2026-11-02"), "neither a date like"),
        (("--from", "2026-11-01", "--to", "2026-11-02", "--topic", "crypto-data"), "--to-live-topic allows it"),
        (("--from", "2026-11-01", "--to", "2026-11-02", "--to-live-topic"), "goes with --topic"),
        (("--from", "2026-11-01", "--to", "2026-11-02", "--rate", "0"), "--rate"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_asked(
    runner: CliRunner, arguments: tuple[str, ...], words: str
) -> None:
    result = replay(runner, *arguments)
    assert result.exit_code == 2
    assert words in result.output


@pytest.mark.parametrize("name", ["crypto-data.dlq", "crypto-data.lease", "crypto-data.state"])
def test_a_topic_that_is_not_for_records_is_refused(runner: CliRunner, name: str) -> None:
    result = replay(runner, "--from", "2026-11-01", "--to", "2026-11-02", "--topic", name)
    assert "is not for records" in str(result.exception)


def test_a_time_span_without_a_unit_is_refused(runner: CliRunner) -> None:
    result = runner.invoke(backfill.retention, ["--keep", "731"], obj=Path(".env"))
    assert result.exit_code == 2
    assert "731" in result.output


def test_the_table_is_not_cut_where_there_is_no_terminal(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the mail that a timer sends: 80 columns are no bound there."""
    monkeypatch.setenv("COLUMNS", "80")
    span = Span(TEN, TEN + 300 * HOUR_MS)
    hours = {("bybit-linear", TEN + at * HOUR_MS): Difference(lake=72, missing=Some(72)) for at in range(300)}
    monkeypatch.setattr(wiring, "reconciled", lambda *_, **__: Reconciled(span, hours))
    result = runner.invoke(backfill.reconcile, ["--from", "2026-11-20", "--to", "2026-12-10"], obj=Path(".env"))
    assert result.exit_code == 1
    assert "│ bybit-linear │ 2026-11-20T10:00Z to 2026-12-02T22:00Z (300) │" in result.output
    assert "…" not in result.output


def test_yesterday_is_a_day(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Span, bool]] = []

    def reconciled(settings: object, dataset: object, span: Span, *, quick: bool, **_: object) -> Reconciled:
        asked.append((span, quick))
        return Reconciled(span, quick=quick)

    monkeypatch.setattr(wiring, "reconciled", reconciled)
    yesterday = ["--from", "yesterday", "--to", "today"]
    assert runner.invoke(backfill.reconcile, yesterday, obj=Path(".env")).exit_code == 0
    result = runner.invoke(backfill.reconcile, [*yesterday, "--quick"], obj=Path(".env"))
    assert "this is no proof" in result.output
    assert [quick for _, quick in asked] == [False, True]
    assert {span.begin_ms % DAY_MS for span, _ in asked} == {0}
    assert {span.end_ms - span.begin_ms for span, _ in asked} <= {DAY_MS}


def test_a_source_need_not_be_in_each_dataset_that_is_set_up(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reconciled(settings: object, dataset: object, span: Span, **_: object) -> Reconciled:
        if dataset is CANDLE:
            raise UnknownSourceError("neither lake nor index has anything of coingecko", remedy="Name another")
        return Reconciled(span)

    monkeypatch.setattr(wiring, "set_up_datasets", lambda settings: [TICKER, CANDLE])
    monkeypatch.setattr(wiring, "reconciled", reconciled)
    words = ["--from", "yesterday", "--to", "today", "--source", "coingecko"]
    assert runner.invoke(backfill.reconcile, words, obj=Path(".env")).exit_code == 0
    named = runner.invoke(backfill.reconcile, [*words, "--dataset", "candle"], obj=Path(".env"))
    assert (named.exit_code, "anything of coingecko" in named.output) == (3, True)
