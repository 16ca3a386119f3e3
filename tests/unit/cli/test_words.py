"""A slip in a command's words is said, and neither a trace nor an answer about nothing."""

from __future__ import annotations

import os

import pytest
from click.testing import CliRunner

from cryptoproxy.cli.main import cli


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("dead-letters list -n -1", "-1 is not in the range x>=1"),
        ("watch test --since 2026-11-02 --until 2026-11-01", "--until must be later than --since"),
        ("watch test --plot alerts.xyz", "alerts.xyz must end in .png or .svg"),
        ("watch test --show -1", "-1 is not in the range x>=0"),
        ("gaps --since 2026-11-02 --until 2026-11-01", "--until must be later than --since"),
        ("gaps --source bianance", "there is no source bianance; there are coingecko, binance"),
        ("history binance.candle-1d --days 99999999999", "99999999999 is not in the range"),
        ("history binance.candle-1x --stop", "There is no history of binance.candle-1x; there is of binance.candle-1"),
        ("query average --until 9999-12-31T23:59:59.9999Z --explain", "is neither a span like"),
        ("reconcile --from 2026-11-01 --to 9999-12-31", "is neither a date like 2026-11-01"),
    ],
)
def test_a_slip_is_said(words: str, said: str) -> None:
    done = CliRunner().invoke(cli, ["--env-file", os.devnull, *words.split()])
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())
