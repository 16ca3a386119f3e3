"""The fenced blocks of docs/consuming.md and docs/lake.md, by name: ```` ```python duckdb ````."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGES = (_DOCS / "consuming.md", _DOCS / "lake.md")
_BLOCK = re.compile(r"^```(?P<language>\w*)(?: (?P<name>[\w-]+))?\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


class Snippet(NamedTuple):
    language: str
    name: str
    code: str


def snippets(page: str | None = None) -> dict[str, Snippet]:
    """All of them; one without a name would be one that no test runs."""
    found: dict[str, Snippet] = {}
    text = "\n".join(each.read_text(encoding="utf-8") for each in PAGES) if page is None else page
    for block in _BLOCK.finditer(text):
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
