"""Values out of the nodes of a YAML file: what is none is a fault with its line, and reading goes on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

import yaml

from cryptoproxy.watch.rulebook.conditions import Form

_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_NUMBER = r"[+-]?\d+(?:_?\d+)*(?:\.\d+)?(?:[eE][+-]?\d+)?"
FORMS: Mapping[Form, tuple[re.Pattern[str], str]] = {
    "number": (re.compile(rf"({_NUMBER})"), "a number like 100000"),
    "percent": (re.compile(r"(\d+(?:\.\d+)?) ?%"), "a percentage like 5%"),
    "times": (re.compile(r"(\d+(?:\.\d+)?) ?x"), "a multiple like 3x"),
    "bps": (re.compile(r"(\d+(?:\.\d+)?) ?bps"), "basis points like 50bps"),
    "sigma": (re.compile(r"(\d+(?:\.\d+)?)"), "a number of sigmas like 6"),
    "span": (re.compile(r"(\d+)([smhd])"), "a time span like 90s, 5m, 1h or 7d"),
    "bars": (re.compile(r"(\d+)"), "a whole number from 2 to 1000"),
}


class Item(NamedTuple):
    """One entry of a mapping of the file."""

    key: str
    line: int
    node: yaml.Node


class Wrong(Exception):  # noqa: N818 - never leaves this room
    """This value is of no use; why is noted already."""


class Nodes:
    """
    Args:
        name: of the file, as faults have it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.faults: list[tuple[int, str]] = []
        """Line, and what is wrong there."""

    def _items(self, node: yaml.Node, where: str, allowed: Collection[str] = ()) -> Iterator[Item]:
        if not isinstance(node, yaml.MappingNode):
            raise self._wrong(node, f"{where}: here stand names with values, like `{next(iter(allowed), 'name')}: …`")
        items: dict[str, Item] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            line = key.start_mark.line + 1
            if name in items:
                self._fault(line, f"{where}: {name} is there twice; first in line {items[name].line}")
            items.setdefault(name, Item(name, line, value))
        if allowed:
            self._refuse_unknown(items.values(), where, allowed)
        yield from items.values()

    def _refuse_unknown(self, items: Collection[Item], where: str, allowed: Collection[str]) -> None:
        for item in items:
            if item.key not in allowed:
                self._fault(item.line, f"{where}: there is no {item.key!r}; {there_are(item.key, allowed)}")

    def _value(self, node: yaml.Node, where: str, key: str, form: Form, *, least: int = 2) -> float:
        text = self._text(node, where, key)
        pattern, like = FORMS[form]
        found = pattern.fullmatch(text)
        if found is None:
            raise self._wrong(node, f"{where}: {key}: {text!r} is not {like}")
        value = float(found[1].replace("_", "")) * (_UNITS[found[2]] if form == "span" else 1)
        if (
            not math.isfinite(value)
            or (form == "bars" and not least <= value <= 1000)
            or (form not in ("bars", "number") and value <= 0)
        ):
            like = like.replace("from 2", f"from {least}")
            raise self._wrong(node, f"{where}: {key}: {text} is out of range; it must be {like}")
        if form == "span" and value > 31 * _UNITS["d"]:
            raise self._wrong(node, f"{where}: {key}: {text} is more than 31 days")
        return value

    def _one_of(self, node: yaml.Node, where: str, key: str, words: Collection[str]) -> Any:
        text = self._text(node, where, key)
        if text not in words:
            raise self._wrong(node, f"{where}: {key}: {text!r} is none; {there_are(text, words)}")
        return text

    def _text(self, node: yaml.Node, where: str, key: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value:
            raise self._wrong(node, f"{where}: {key}: here stands one value")
        return str(node.value).strip()

    def _list(self, node: yaml.Node, where: str, key: str) -> list[tuple[str, yaml.Node]]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise self._wrong(node, f"{where}: {key}: here stands a list like [one, two]")
        return [(self._text(each, where, key), each) for each in node.value]

    def _or(self, otherwise: Any, read: Callable[..., Any], *given: Any, **more: Any) -> Any:
        """What ``read`` gives. Where that is wrong, which is noted by then, ``otherwise``: so what is beside it is
        read, too, and a person has all mistakes at once."""
        try:
            return read(*given, **more)
        except Wrong:
            return otherwise

    def _fault(self, at: yaml.Node | int, words: str) -> None:
        line = at if isinstance(at, int) else at.start_mark.line + 1
        self.faults.append((line, f"{self._name}:{line}: {words}"))

    def _wrong(self, at: yaml.Node | int, words: str) -> Wrong:
        self._fault(at, words)
        return Wrong()


def there_are(wrong: str, names: Collection[str]) -> str:
    close = get_close_matches(wrong, names, n=1)
    listed = f"there are {', '.join(names)}" if names else "there are none"
    return f"did you mean {close[0]}? {listed}" if close else listed
