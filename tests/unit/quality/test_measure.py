"""What the letters of a day tell of a source."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cryptoproxy.consumer.letters.reader import Letter
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.quality.measure import violations

DAY = Span(20_000 * DAY_MS, 20_001 * DAY_MS)


def letter(key: bytes | None) -> Letter:
    original: Any = SimpleNamespace(key=key)
    return Letter(original, "contract", "why", "2024-10-04T10:00:00.000Z", 0, 0)


@pytest.mark.parametrize(
    "key", [None, b"", b"k" * 9000, b"k\x00\x01\xff/../x", b"\xff" * 4000, b"a b:c", b"coingecko\n:x"]
)
def test_a_key_that_names_no_source_is_of_an_unknown_one(key: bytes | None) -> None:
    assert [source for source, *_ in violations([letter(key)], DAY)] == ["unknown"]


def test_a_source_is_told_by_the_key() -> None:
    assert [source for source, *_ in violations([letter(b"binance:BTCUSDT:USDT")], DAY)] == ["binance"]
