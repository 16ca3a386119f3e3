"""Who may import whom: the table of docs/architecture.md holds for the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def allowed() -> dict[str, set[str]]:
    table = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `src/(\w+)` \|.*\| ([^|]+) \|$", table, re.MULTILINE)
    rooms = {room for room, _ in rows}
    words = {"nothing of ours": set(), "all": rooms}
    return {room: words.get(may, set(may.split(", "))) for room, may in rows}


def imported(file: Path) -> Iterator[str]:
    """The rooms that a module imports from."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.ImportFrom):
            modules = [f"{node.module}.{each.name}" for each in node.names]
        elif isinstance(node, ast.Import):
            modules = [each.name for each in node.names]
        else:
            continue
        ours = (module.split(".")[1] for module in modules if module.startswith("cryptoproxy."))
        yield from (room for room in ours if room != "errors")  # the kinds of error belong to no room


def test_every_room_is_in_the_table():
    assert set(allowed()) == {path.parent.name for path in (ROOT / "src").glob("*/__init__.py")}


def test_no_room_imports_from_another_than_the_table_allows():
    strange = [
        f"{file.relative_to(ROOT)} imports from {room}"
        for name, may in allowed().items()
        for file in (ROOT / "src" / name).rglob("*.py")
        for room in imported(file)
        if room not in may | {name}
    ]
    assert strange == []
    assert any(room == "common" for room in imported(ROOT / "src" / "producer" / "wiring.py")), "imports are seen"
