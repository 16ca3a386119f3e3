"""docs/lake.md's commands, one after the other as they stand there, over days of a lake that nobody has looked after."""

from __future__ import annotations

import shlex

import pytest
from click.testing import CliRunner

from cryptoproxy.cli.main import cli
from cryptoproxy.cli.reading import quality
from cryptoproxy.cli.upkeep import lake
from cryptoproxy.common.start import load_settings
from cryptoproxy.datasets import TICKER, document_id
from cryptoproxy.lake.table import Table
from tests.integration.backfill.conftest import Bench
from tests.integration.consuming.snippets import snippets


def commands() -> list[list[str]]:
    lines = [line for line in snippets()["upkeep"].code.splitlines() if line]
    words = [shlex.split(line, comments=True) for line in lines]
    assert all(each[:2] == ["$", "cryptoproxy"] for each in words)
    return [each[2:] for each in words]


def test_the_page_s_commands_bring_the_lake_in_order(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (lake, quality):  # of replay, reconcile and retention the bench has done it
        monkeypatch.setattr(module, "start", load_settings)
    wanted = {document_id(each) for each in bench.fill()}
    said = {}
    for words in commands():
        done = CliRunner(env={"COLUMNS": "200"}).invoke(cli, ["--env-file", str(bench.env_file), *words])
        assert done.exit_code == 0, f"{words}\n{done.output}\n{done.exception!r}"
        said[words[0]] = done.output
    assert bench.documents().keys() == wanted
    assert sum(file.rows for file in Table(bench.store, TICKER).files()) == len(wanted)
    assert not list(bench.store.keys(f"{bench.settings.s3.prefix}/v1/ticker/raw/"))
    assert f"{len(wanted):,}" in said["reconcile"]
    assert "COIN-7" in said["query"]
