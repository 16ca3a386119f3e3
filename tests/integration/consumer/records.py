"""Good records for tests."""

from __future__ import annotations

from typing import Any

from cryptoproxy.datasets import Ticker, iso


def record(number: int, *, slot_ms: int, **fields: Any) -> Ticker:
    """A good record; ``number`` tells it from the others of its slot."""
    return Ticker(
        **{
            "source": "coingecko",
            "asset_id": f"coin-{number}",
            "symbol": f"C{number}",
            "name": f"Coin {number}",
            "quote": "USD",
            "price": 1.5 + number,
            "timestamp": iso(slot_ms),
            "fetched_at": iso(slot_ms + 310),
            "fetch_delay_ms": 310,
        }
        | fields
    )
