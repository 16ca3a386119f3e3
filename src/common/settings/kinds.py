"""How a setting's text becomes a value and back. A kind's ``parse`` raises ``ValueError`` with the fault alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A type as a person reads it, its parser, and a value as a person would write it: ``parse(show(x)) == x``."""

    label: str
    parse: Callable[[str], T]
    show: Callable[[T], str] = str


def text() -> Kind[str]:
    return Kind("text", str)


def matching(pattern: str, label: str, rule: str) -> Kind[str]:
    """Text of one form; ``rule`` is what is said when it has another."""
    form = re.compile(pattern)

    def parse(raw: str) -> str:
        if not form.fullmatch(raw):
            raise ValueError(rule)
        return raw

    return Kind(label, parse)


def whole(minimum: int, maximum: int) -> Kind[int]:
    def parse(raw: str) -> int:
        if not re.fullmatch(r"-?\d+", raw):
            raise ValueError("is not a whole number")
        return _within(int(raw), minimum, maximum)

    return Kind(f"whole number, {minimum} to {maximum}", parse)


def port() -> Kind[int]:
    """0 is a free one."""
    return whole(0, 65_535)


def seconds(minimum: float, maximum: float) -> Kind[float]:
    def parse(raw: str) -> float:
        if not re.fullmatch(r"\d+(\.\d+)?", raw):
            raise ValueError("is not a number of seconds")
        return _within(float(raw), minimum, maximum)

    return Kind(f"seconds, {minimum:g} to {maximum:g}", parse, _number)


def interval() -> Kind[float]:
    """Seconds between polls. Slots are multiples of it since 1970, so it must divide a day."""
    day = 86_400

    def parse(raw: str) -> float:
        value = seconds(0.1, day).parse(raw)
        milliseconds = round(value * 1000)
        if milliseconds != value * 1000 or (day * 1000) % milliseconds:
            raise ValueError("does not divide a day, so slots would shift from day to day")
        return value

    return Kind("seconds; must divide a day", parse, _number)


def part_of_an_hour() -> Kind[int]:
    """Seconds that divide an hour, so that no object of the lake reaches into the next hour's folder."""

    def parse(raw: str) -> int:
        value = whole(1, 3600).parse(raw)
        if 3600 % value:
            raise ValueError("does not divide an hour")
        return value

    return Kind("seconds; must divide an hour", parse)


def _within(value: T, minimum: Any, maximum: Any) -> T:
    if not minimum <= value <= maximum:
        raise ValueError(f"must be between {minimum} and {maximum}")
    return value


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SIZES = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}


def duration() -> Kind[float]:
    """A time span with its unit, in seconds: ``90s``, ``12h``, ``7d``."""
    return _measured("time span: 90s, 12h, 7d", _UNITS, float, "is not a time span with its unit (s, m, h or d)")


def size() -> Kind[int]:
    """In bytes; a blank may stand before the unit."""
    fault = "is not a size with its unit (KiB, MiB, GiB or TiB)"
    return _measured("size: 512MiB, 4GiB", _SIZES, int, fault, blank=" ?")


def _measured(
    label: str, units: Mapping[str, int], number: Callable[[int], T], fault: str, *, blank: str = ""
) -> Kind[T]:
    form = re.compile(rf"(\d+){blank}({'|'.join(units)})")

    def parse(raw: str) -> T:
        if not (found := form.fullmatch(raw)):
            raise ValueError(fault)
        if not (value := int(found[1]) * units[found[2]]):
            raise ValueError("must be more than nothing")
        return number(value)

    def show(value: Any) -> str:
        """``604800`` → ``7d``: in the largest unit that gives a whole number; ``units`` from small to large."""
        unit = [name for name, size in units.items() if value % size == 0][-1]
        return f"{int(value // units[unit])}{unit}"

    return Kind(label, parse, show)


def boolean() -> Kind[bool]:
    words = dict.fromkeys(("true", "yes", "1", "on"), True) | dict.fromkeys(("false", "no", "0", "off"), False)

    def parse(raw: str) -> bool:
        try:
            return words[raw.lower()]
        except KeyError:
            raise ValueError("is neither true nor false") from None

    return Kind("true or false", parse, lambda value: "true" if value else "false")


def choice(*words: str) -> Kind[str]:
    """One of these. What is written in capital letters (INFO, SASL_SSL) may be given in small ones."""

    def parse(raw: str) -> str:
        for word in (raw, raw.upper()):
            if word in words:
                return word
        raise ValueError(f"is none of {', '.join(words)}")

    return Kind("one of " + ", ".join(f"`{word}`" for word in words), parse)


def names(
    of: Callable[[], Sequence[str]] | None = None, *, label: str = "list, separated by commas"
) -> Kind[tuple[str, ...]]:
    """A list. Blanks around its items are dropped: some upstreams lose what stands behind one.

    Args:
        of: what an item may be, or what of it stands before a dot.
    """

    def parse(raw: str) -> tuple[str, ...]:
        items = tuple(item.strip() for item in raw.split(","))
        if any(not item or re.search(r"\s", item) for item in items):
            raise ValueError("has an empty item or one with a blank in it")
        if len(set(items)) != len(items):
            raise ValueError("names something twice")
        known = of() if of is not None else ()
        if of is not None and (strange := [item for item in items if item.partition(".")[0] not in known]):
            raise ValueError(f"knows no {', '.join(strange)}; there are {', '.join(known)}")
        return items

    return Kind(label, parse, ",".join)


def mapping(of: Callable[[], Sequence[str]], each: Kind[T]) -> Kind[Mapping[str, T]]:
    """``name=value,name=value``, each value of the kind ``each``; all that is wrong is said at once.

    Args:
        of: the names that there are, when it is read.
    """

    def parse(raw: str) -> Mapping[str, T]:
        found: dict[str, T] = {}
        faults: list[str] = []
        for item in raw.split(","):
            name, equals, value = (part.strip() for part in item.partition("="))
            if not equals:
                faults.append(f"has {item.strip()!r}, which is not NAME=VALUE")
            elif name not in of():
                faults.append(f"knows no {name}; there are {', '.join(of())}")
            elif name in found:
                faults.append(f"names {name} twice")
            else:
                try:
                    found[name] = each.parse(value)
                except ValueError as fault:
                    faults.append(f"has {name}={value}, which {fault}")
        if faults:
            raise ValueError("; ".join(faults))
        return found

    def show(value: Mapping[str, T]) -> str:
        return ",".join(f"{name}={each.show(one)}" for name, one in value.items())

    return Kind(f"list of dataset={each.label}", parse, show)


def host_ports() -> Kind[tuple[str, ...]]:
    def parse(raw: str) -> tuple[str, ...]:
        items = tuple(item.strip() for item in raw.split(","))
        for item in items:
            if not re.fullmatch(r"[A-Za-z0-9_.\-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", item):
                raise ValueError(f"{item!r} is not host:port")
            if not 0 < int(item.rsplit(":", 1)[1]) < 65_536:
                raise ValueError(f"{item!r} has a port outside 1 to 65535")
        return items

    return Kind("list of host:port", parse, ",".join)


def url(*schemes: str) -> Kind[str]:
    """Of ``http`` and ``https`` where no others are named."""
    schemes = schemes or ("http", "https")

    def parse(raw: str) -> str:
        try:
            parts = urlsplit(raw)
            port_is_number = parts.port is None or parts.port > 0
        except ValueError:
            port_is_number = False
        if not port_is_number or parts.scheme not in schemes or not parts.hostname:
            words = " or ".join(f"{each}://" for each in schemes)
            raise ValueError(f"is not {'an' if schemes[0] == 'http' else 'a'} {words} address")
        if "@" in raw:  # also behind a / or ?, which a password may hold
            raise ValueError("holds a user or password, which would be printed; use the settings made for them")
        if "?" in raw or "#" in raw:
            raise ValueError("holds a ? or #: give the address alone; a key in it would be printed, and has a setting")
        return raw.rstrip("/")

    return Kind("address", parse)


def path() -> Kind[Path]:
    def parse(raw: str) -> Path:
        try:
            return Path(raw).expanduser()
        except RuntimeError:
            raise ValueError("begins with a home folder that cannot be found") from None

    return Kind("path", parse)
