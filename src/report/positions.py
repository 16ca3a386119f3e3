"""The file of positions: what somebody holds, as YAML.

positions:
  coingecko:bitcoin: 0.5
  coingecko:ethereum: {amount: 10, paid: 2150.0}    # paid: for one, in its quote
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple


class Position(NamedTuple):
    """``paid`` is the price of one, where it was told; in the asset's quote."""

    source: str
    asset_id: str
    quote: str
    """Empty: whichever the asset has."""
    amount: float
    paid: float | None = None

    @property
    def name(self) -> str:
        """As it stands in the file."""
        return ":".join(filter(None, (self.source, self.asset_id, self.quote)))


def read(path: Path) -> list[Position]:
    """
    Raises:
        ValueError: it cannot be read, or something in it is no position; in words for a person.
    """
    try:
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def parse(text: str) -> list[Position]:
    """The same of a text."""
    try:
        import yaml
    except ImportError as error:
        raise ValueError("to read it PyYAML is needed: pip install 'cryptoproxy[watch]'") from error
    try:
        root = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"this is not YAML: {error}") from error
    held = root.get("positions") if isinstance(root, dict) else None
    if not isinstance(held, dict) or not held:
        raise ValueError("there must be `positions:`, and below it lines like `coingecko:bitcoin: 0.5`")
    return [_position(str(name), value) for name, value in held.items()]


def _position(name: str, value: Any) -> Position:
    parts = name.split(":")
    if len(parts) not in (2, 3) or not all(parts):
        raise ValueError(f"{name!r} is not SOURCE:ASSET or SOURCE:ASSET:QUOTE, like coingecko:bitcoin")
    if not isinstance(value, dict):
        value = {"amount": value}
    if odd := [str(each) for each in value if each not in ("amount", "paid")]:
        raise ValueError(f"{name}: there is no {', '.join(odd)}; a position has `amount` and perhaps `paid`")
    amount, paid = _number(name, "amount", value.get("amount")), value.get("paid")
    quote = parts[2] if len(parts) == 3 else ""
    return Position(parts[0], parts[1], quote, amount, None if paid is None else _number(name, "paid", paid))


def _number(name: str, what: str, value: Any) -> float:
    # A whole number may have more digits than a double reaches, or than can be shown.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= sys.float_info.max:
        raise ValueError(f"{name}: {what} must be a number above 0, not {value!r}")
    return float(value)
