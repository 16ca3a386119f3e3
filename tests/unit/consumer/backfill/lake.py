"""A lake in memory, and records for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cryptoproxy.common.retry import at_once
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import Ticker, encode, from_iso, iso
from cryptoproxy.errors import TransientError
from cryptoproxy.lake import objects

NOW_MS = from_iso("2026-11-20T12:00:00.000Z")
HOUR_MS = 3_600_000
TEN = from_iso("2026-11-20T10:00:00.000Z")


def record(asset: str = "bitcoin", *, slot_ms: int = TEN, **fields: Any) -> Ticker:
    return Ticker(
        **{
            "source": "coingecko",
            "asset_id": asset,
            "symbol": asset.upper(),
            "name": asset,
            "quote": "USD",
            "price": 1.5,
            "timestamp": iso(slot_ms),
            "fetched_at": iso(slot_ms + 310),
            "fetch_delay_ms": 310,
        }
        | fields
    )


class MemoryStore:
    """As `lake.store.Store`; ``failures`` of its next requests fail."""

    def __init__(self) -> None:
        self.settings = Settings.from_texts({"AWS_S3_FILENAME_PREFIX": "crypto"}).s3
        self.patiently = at_once
        self.content: dict[str, bytes] = {}
        self.failures = 0
        self.gets: list[str] = []

    def put_records(self, *records: Ticker, slot_ms: int | None = None, lines: bytes | None = None) -> str:
        first = min(from_iso(each.timestamp) for each in records) if slot_ms is None else slot_ms
        made = objects.make(
            "crypto",
            "ticker",
            records[0].source if records else "coingecko",
            first,
            b"".join(encode(each) + b"\n" for each in records) if lines is None else lines,
        )
        self.content[made.key] = made.body
        return made.key

    def get(self, key: str) -> bytes:
        self._fail()
        self.gets.append(key)
        return self.content[key]

    def keys(self, prefix: str) -> Iterator[str]:
        self._fail()
        yield from sorted(key for key in self.content if key.startswith(prefix))

    def holds(self, prefix: str) -> bool:
        return next(self.keys(prefix), None) is not None

    def folders(self, prefix: str) -> Iterator[str]:
        self._fail()
        below = (key[len(prefix) :] for key in self.content if key.startswith(prefix))
        yield from sorted({key.partition("/")[0] for key in below if "/" in key})

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise TransientError("S3 is away")
