"""Rows of Binance's tickers as they came, in the answers to the poller's own calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec

from cryptoproxy.serve.houses.house import named
from cryptoproxy.serve.road.newest import Kept


class _Named(msgspec.Struct):
    symbol: str


class _Last(_Named, rename="camel"):
    last_price: str
    count: int = 0

    @property
    def body(self) -> Mapping[str, str]:
        """A row of ``ticker/price``."""
        return {"symbol": self.symbol, "price": self.last_price}


_rows = msgspec.json.Decoder(list[msgspec.Raw])
_last = msgspec.json.Decoder(_Last)
_one = msgspec.json.Decoder(_Named)


def by_symbol(kept: Kept) -> Mapping[str, bytes]:
    """Each row as it came; the answer about one pair is no array."""
    if "rows" not in kept.made:
        body = kept.body.strip()
        rows = [bytes(each) for each in _rows.decode(body if body[:1] == b"[" else b"[" + body + b"]")]
        kept.made["rows"] = named(rows, _one)
    rows_by: Mapping[str, bytes] = kept.made["rows"]
    return rows_by


def in_order(asked: Sequence[str], kept: Kept | None) -> Sequence[str]:
    """As an answer has them, which is the upstream's order whatever is asked for."""
    if kept is None or len(asked) < 2:
        return asked
    order = {name: place for place, name in enumerate(by_symbol(kept))}
    return sorted(asked, key=lambda name: order.get(name, len(order)))


def last_prices(kept: Kept) -> Mapping[str, _Last]:
    """Of all pairs of an answer, read once."""
    if "last" not in kept.made:
        kept.made["last"] = last = {}
        for name, row in by_symbol(kept).items():
            with suppress(msgspec.ValidationError):
                last[name] = _last.decode(row)
    found: Mapping[str, _Last] = kept.made["last"]
    return found


def cut(row: bytes, columns: Sequence[str]) -> bytes:
    values = msgspec.json.decode(row, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({name: values[name] for name in columns if name in values})
