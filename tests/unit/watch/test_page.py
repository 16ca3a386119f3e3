"""What docs/watch.md shows is a file of rules, and tells every condition."""

from __future__ import annotations

import re
from pathlib import Path

from cryptoproxy.watch.rulebook.conditions import KINDS
from cryptoproxy.watch.rulebook.reading import parse

PAGE = (Path(__file__).parents[3] / "docs" / "watch.md").read_text(encoding="utf-8")


def test_its_examples_are_files_of_rules():
    shown = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(shown) >= 2
    for each in shown:
        made = parse(each)
        assert made.rules or made.stats


def test_it_tells_every_condition():
    (table,) = re.findall(r"\| condition \|.*?\n\n", PAGE, re.DOTALL)
    assert {name for name in KINDS if f"`{name}: " not in table} == set()
