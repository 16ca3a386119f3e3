"""What a contract says of a field beside its type: its unit, and whether questions filter by it.

``columns`` reads it back from a Struct's annotations. Mapping, Arrow columns and units of queries are made from that.
"""

from __future__ import annotations

import enum
import types
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

# Patterns and lengths stand in the JSON Schema; the codec checks them itself, through caches, because a
# regular expression per field and record would cost more than decoding the record.
SOURCE_PATTERN = r"^[a-z0-9][a-z0-9-]{0,31}$"
ASSET_ID_PATTERN = r"^[^:/\s]{1,128}$"
QUOTE_PATTERN = r"^[^:/\s]{1,32}$"
TIME_PATTERN = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"


class Unit(enum.StrEnum):
    """``QUOTE`` is the asset's own quote currency, so that two assets compare only where their quotes agree."""

    QUOTE = "quote"
    BASE = "base"
    PERCENT = "percent"
    FRACTION = "fraction"
    BASIS_POINTS = "bps"
    MILLISECONDS = "ms"
    COUNT = "count"


def text(pattern: str, description: str) -> Meta:
    """Of a text that the codec holds to ``pattern``: whole in the index, however long."""
    return Meta(description=description, extra_json_schema={"pattern": pattern}, extra={"whole": True})


def number(
    unit: Unit, description: str | None = None, *, searched: bool = False, bits: int = 64, gt: float | None = None
) -> Meta:
    """Of a number.

    Args:
        searched: whether questions filter by it; all others have doc values alone (docs/decisions/0004).
        bits: of a whole number in the index.
    """
    return Meta(gt=gt, description=description, extra={"unit": unit, "searched": searched, "bits": bits})


KEPT = Meta(extra={"kept": True})
"""Of a value that the index keeps and nobody can ask for: the levels of a book."""

Source = Annotated[
    str,
    text(
        SOURCE_PATTERN,
        "One per market: coingecko, binance, bybit-linear, bybit-inverse, bybit-spot; BTCUSDT differs in each.",
    ),
]
AssetId = Annotated[
    str,
    text(ASSET_ID_PATTERN, "The upstream's own id: bitcoin, BTCUSDT. Only this is unique; symbols repeat."),
]
Quote = Annotated[str, text(QUOTE_PATTERN, "Quote currency: USD, USDT; UNKNOWN where no rule tells it.")]
Time = Annotated[
    str,
    Meta(
        description="UTC, ISO 8601, milliseconds, Z.",
        extra_json_schema={"pattern": TIME_PATTERN},
        extra={"time": True},
    ),
]

Kind = Literal["text", "time", "double", "long", "flag", "kept"]


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a contract, as everything that is made from it needs it."""

    name: str
    kind: Kind
    optional: bool
    many: bool = False
    """A list of these."""
    unit: Unit | None = None
    searched: bool = False
    whole: bool = False
    bits: int = 64
    says: str = ""


@cache
def columns(record: type[msgspec.Struct]) -> tuple[Column, ...]:
    """The fields of a contract, in its order."""
    hints = get_type_hints(record, include_extras=True)
    required = {field.name for field in msgspec.structs.fields(record) if field.required}
    return tuple(_column(name, hints[name], name not in required) for name in record.__struct_fields__)


def _column(name: str, hint: Any, optional: bool) -> Column:
    said: dict[str, Any] = {}
    many = False
    while True:
        origin = get_origin(hint)
        if origin is Annotated:
            hint, *metas = get_args(hint)
            for meta in reversed(metas):  # the outermost comes last, and counts
                said = {**(meta.extra or {}), **({"says": meta.description} if meta.description else {}), **said}
        elif origin in (Union, types.UnionType):
            (hint,) = [each for each in get_args(hint) if each is not type(None)]
        elif origin is list and not said.get("kept"):
            many, hint = True, get_args(hint)[0]
        else:
            break
    kind: Kind
    if said.get("kept"):
        kind = "kept"
    elif said.get("time"):
        kind = "time"
    elif origin is None and hint in _KINDS:
        kind = _KINDS[hint]
    else:
        kind = "text" if origin is Literal else "kept"
    return Column(
        name,
        kind,
        optional,
        many,
        said.get("unit"),
        said.get("searched", False),
        said.get("whole", False) or origin is Literal,
        said.get("bits", 64),
        said.get("says", ""),
    )


_KINDS: dict[Any, Kind] = {str: "text", float: "double", int: "long", bool: "flag"}
