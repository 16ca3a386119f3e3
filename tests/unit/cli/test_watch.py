"""`watch silence` says so where it would silence nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cryptoproxy.cli.main import cli
from cryptoproxy.watch.telling import silences


@pytest.fixture
def silenced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(silences, "silence", lambda _, what, __: said.append(what))
    return said


def silence(rules: Path, what: str, span: str = "2h") -> Result:
    words = ["--env-file", os.devnull, "watch", "silence", what, "--for", span]
    return CliRunner().invoke(cli, words, env={"WATCH_RULES": str(rules)})


def test_a_name_that_no_rule_has_is_refused_and_those_that_there_are_are_told(
    tmp_path: Path, silenced: list[str]
) -> None:
    rules = tmp_path / "watch.yaml"
    rules.write_text("rules:\n  level: {when: {above: 1}}\n  falls: {when: {falls: 5%, within: 1h}}\n")
    done = silence(rules, "levle")
    assert done.exit_code == 2
    assert "no rule 'levle', and no source; there are level, falls" in done.output
    assert silenced == []
    for what in ("level", "binance", "binance:BTCUSDT", "*:BTC*"):
        assert silence(rules, what).exit_code == 0
    assert silence(rules, "gone", "0").exit_code == 0, "a silence ends though its rule is not there any more"
    assert silenced == ["level", "binance", "binance:BTCUSDT", "*:BTC*", "gone"]


@pytest.mark.parametrize("text", [None, "rules: ["])
def test_without_rules_that_can_be_read_any_word_may_be_one(
    tmp_path: Path, silenced: list[str], text: str | None
) -> None:
    rules = tmp_path / "watch.yaml"
    if text is not None:
        rules.write_text(text)
    assert silence(rules, "level").exit_code == 0
    assert silenced == ["level"]
