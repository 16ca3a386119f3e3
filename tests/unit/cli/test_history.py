"""`cryptoproxy history`: what it refuses, what a dry run says, and how it shows a run."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from cryptoproxy.cli.main import cli
from cryptoproxy.cli.upkeep.history import Display
from cryptoproxy.datasets import from_iso
from cryptoproxy.producer.feeds.history.runs import Run
from cryptoproxy.producer.feeds.history.walk import Cursor

BEGIN, END = from_iso("2026-01-01T00:00:00.000Z"), from_iso("2026-01-11T00:00:00.000Z")


@pytest.fixture
def ask(tmp_path: Path):
    env_file = tmp_path / ".env"
    env_file.write_text(f"OUTBOX_DIR={tmp_path / 'outbox'}\n", encoding="utf-8")

    def run(*words: str) -> Result:
        return CliRunner().invoke(cli, ["--env-file", str(env_file), "history", *words])

    return run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["binance.candle-1d"], "Give --from or --days."),
        (["binance.candle-1d", "--days", "3", "--from", "2026-01-01"], "Give --from or --days."),
        (["binance.candle-1D", "--days", "3"], "There is no history of binance.candle-1D"),
        (["--days", "3"], "There is no history of nothing; there is of coingecko,"),
        (["binance.candle-1d", "--from", "2026-01-02", "--to", "2026-01-01"], "is no time"),
        (["binance.candle-1d", "--from", "soon"], "'soon' is neither a date"),
        (["bybit-linear.candle-1d", "--days", "3", "--dry-run"], "Give --symbols or --quote"),
        (["binance.candle-1d", "--days", "3", "--quote", "USDT", "--dry-run"], "Name them by --symbols"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(ask, words, said):
    result = ask(*words)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


def test_a_dry_run_says_what_it_will_be_at_most_and_what_is_out_of_reach(ask):
    result = ask("binance.candle-1d", "--from", "2026-01-01", "--to", "2026-01-11", "--symbols", "btcusdt", "--dry-run")
    assert result.exit_code == 0, result.output
    assert result.output == (
        "binance.candle-1d, 1 symbols, 2026-01-01 to 2026-01-11: at most 2 calls (4 weight) and 10 records; "
        "0 s of the whole budget. Nothing was asked.\n"
    )
    result = ask("coingecko", "--days", "900", "--symbols", "bitcoin", "--dry-run")
    assert "coingecko gives nothing that begins before" in result.output


def test_without_a_terminal_it_shows_a_plain_line_now_and_then():
    out, now = io.StringIO(), [0.0]
    half = BEGIN + (END - BEGIN) // 2
    run = Run(id="a", feed="binance.candle-1d", begin_ms=BEGIN, end_ms=END, said_ms=END, seconds=4.0)
    run.walks["BTCUSDT"] = Cursor(at_ms=half, rows=5, calls=2)
    with Display(run.feed, Console(file=out), monotonic=lambda: now[0]) as display:
        display.show(run)
        display.show(run)
        now[0] = 11.0
        run.held = "binance asks to be left alone"
        display.show(run)
    assert out.getvalue().splitlines() == [
        "binance.candle-1d: 50%, 5 records, 2 calls, BTCUSDT 2026-01-06, 4 s left",
        "binance.candle-1d: 50%, 5 records, 2 calls, BTCUSDT 2026-01-06; waits: binance asks to be left alone, 4 s left",
    ]
