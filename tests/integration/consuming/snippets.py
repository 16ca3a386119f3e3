"""The fenced blocks of docs/consuming.md, by name: ```` ```python duckdb ````."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).resolve().parents[3] / "docs" / "consuming.md"
_BLOCK = re.compile(r"^```(?P<language>\w*)(?: (?P<name>[\w-]+))?\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


class Snippet(NamedTuple):
    language: str
    name: str
    code: str


def snippets(page: str | None = None) -> dict[str, Snippet]:
    """All of them; one without a name would be one that no test runs."""
    found: dict[str, Snippet] = {}
    for block in _BLOCK.finditer(PAGE.read_text(encoding="utf-8") if page is None else page):
        language, name = block["language"], block["name"]
        assert name, f"a block without a name: {block['code'][:80]}"
        assert name not in found, f"two blocks are called {name}"
        found[name] = Snippet(language, name, block["code"])
    return found


def adapted(name: str, changes: dict[str, str]) -> str:
    """The code with a test's own addresses and names; each must be there to be changed."""
    code = snippets()[name].code
    for theirs, ours in changes.items():
        assert theirs in code, f"{name} does not mention {theirs}"
        code = code.replace(theirs, ours)
    return code
