"""Numbers as upstreams write them, for those who are answered in an upstream's words: the reverse of ``values``.

A double has 15 digits that are its own; an upstream's number of up to so many comes out as it came in. No digit is made
up, and none is lost: what has more decimals than usual keeps them.
"""

from __future__ import annotations

from decimal import Decimal


def plain(value: float) -> str:
    """Without an exponent and without zeros at the end: ``25838``, ``0.0104``."""
    text = repr(value)
    if "e" in text:
        text = f"{Decimal(text):f}"
    return text.removesuffix(".0")


def eight(value: float) -> str:
    """With at least eight decimals: ``25838.00000000``."""
    whole, _, decimals = plain(value).partition(".")
    return f"{whole}.{decimals:0<8}"
