"""A slip in a command's words is said, and neither a trace nor an answer about nothing."""

from __future__ import annotations

import os
import shlex

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
        ("query average --interval ''", "'' is no interval"),
        ("query freshness --interval ''", "'' is no interval"),
    ],
)
def test_a_slip_is_said(words: str, said: str) -> None:
    done = CliRunner().invoke(cli, ["--env-file", os.devnull, *shlex.split(words)])
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())


@pytest.mark.parametrize("empty", ["''", "' '", ",", "', ,'"])
@pytest.mark.parametrize(
    "words",
    [
        "query indicators --with",
        "query latest --symbols",
        "query latest --base",
        "query latest --assets",
        "query latest --quote",
        "query latest --source",
        "query market --dominance",
        "query market --source",
        "query freshness --dataset",
        "query freshness --source",
        "gaps --source",
        "report --date 2026-11-01 --to nowhere --source",
        "history binance.candle-1d --days 3 --dry-run --symbols",
        "crawl coingecko --symbols",
    ],
)
def test_a_list_that_names_nothing_does_not_mean_all(words: str, empty: str) -> None:
    """As of a variable of a script that is not set."""
    test_a_slip_is_said(f"{words} {empty}", "names nothing: leave it out, or say which")


@pytest.mark.parametrize(
    "words",
    [
        "query market --quote",
        "query usage --team",
        "history binance.candle-1d --days 3 --dry-run --quote",
        "tail --topic",
        "replay --from 2026-11-01 --to 2026-11-02 --topic",
        "lake ls --source",
        "kibana install --url http://127.0.0.1:9 --space",
    ],
)
def test_an_empty_word_does_not_mean_all(words: str) -> None:
    test_a_slip_is_said(f"{words} ''", "names nothing: leave it out, or say which")
