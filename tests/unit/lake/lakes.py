"""What the tests of the daily form share: a day of records in a bucket in memory."""

from __future__ import annotations

from typing import Any

from cryptoproxy.datasets import Ticker, document_id, encode, from_iso, iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, Span
from cryptoproxy.lake.compact import Compacted, Compaction
from cryptoproxy.lake.form import Fault
from cryptoproxy.lake.objects import make
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.whole import whole_lake
from tests.unit.consumer.backfill.lake import record as any_record

DAY = from_iso("2026-11-18T00:00:00.000Z")
NOW_MS = DAY + 2 * DAY_MS
WHOLE_DAY = Span(DAY, DAY + DAY_MS)
MINUTE = 60_000


def record(asset: str, at_ms: int, **fields: Any) -> Ticker:
    """``at_ms`` after midnight."""
    return any_record(asset, slot_ms=DAY + at_ms, **fields)


def put(store: Store, *records: Ticker, lines: bytes | None = None, slot_ms: int | None = None) -> str:
    """One object of one poll."""
    first = min(from_iso(each.timestamp) for each in records) if slot_ms is None else slot_ms
    content = b"".join(encode(each) + b"\n" for each in records) if lines is None else lines
    made = make(store.settings.prefix, "ticker", records[0].source if records else "coingecko", first, content)
    store.put(made.key, made.body)
    return made.key


def fill(store: Store, *, hours: tuple[int, ...] = (0, 7, 23), assets: int = 5, source: str = "coingecko") -> list[str]:
    """Three polls in each of these hours; the keys of their objects."""
    return [
        put(
            store,
            *(
                record(
                    f"coin-{asset}", hour * HOUR_MS + poll * MINUTE, source=source, price=1.1 + poll * hour + asset / 7,
                    market_cap=None if asset else 3.3e12, last_updated=iso(DAY + asset) if asset % 2 else None,
                )
                for asset in range(assets)
            ),
        )
        for hour in hours
        for poll in range(3)
    ]  # fmt: skip


def read(store: Store, span: Span = WHOLE_DAY, source: str = "coingecko") -> tuple[dict[str, bytes], list[Fault]]:
    """id → line, as replay and reconcile read it."""
    faults: list[Fault] = []
    found = list(whole_lake(store).records(source, span, faults.append))
    assert [each.slot_ms for each in found] == sorted(each.slot_ms for each in found)
    lines = {each.id: each.line for each in found}
    assert len(lines) == len(found)
    return lines, faults


def compact(store: Store, source: str = "coingecko", **options: bool) -> Compacted:
    return Compaction(store, now_ms=lambda: NOW_MS).period(source, DAY, **options)


def expected(*records: Ticker) -> dict[str, bytes]:
    return {document_id(each): encode(each) for each in records}
