"""The synthetic year as columns, a day at a time: what `lake compact` would have made of its records, without the
records. So 26 million rows take minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.queries import synthetic
from benchmarks.queries.synthetic import Year
from cryptoproxy.datasets import TICKER
from cryptoproxy.lake.parquet import Columns

SOURCE = "coingecko"


def days(year: Year) -> Iterator[tuple[int, Callable[[], pa.RecordBatch]]]:
    """(begin of a day, what makes its rows)."""
    prices = year.prices()
    per_day = synthetic.DAY_MS // year.step_ms
    for begin in range(0, year.slots, per_day):
        end = min(begin + per_day, year.slots)
        yield year.begin_ms + begin * year.step_ms, partial(_rows, year, prices, begin, end)


def _rows(year: Year, prices: synthetic.Prices, begin: int, end: int) -> pa.RecordBatch:
    schema = Columns(TICKER).schema
    made = synthetic.columns_of(prices, begin, end, np.linspace(30e9, 1e6, year.coins))
    price, hour, day, week, cap, volume, high, low, moved = (column.ravel() for column in made)
    slots = np.tile(year.begin_ms + np.arange(begin, end) * year.step_ms, year.coins)
    row, coin = np.tile(np.arange(begin, end), year.coins), np.repeat(np.arange(year.coins), end - begin)
    delay = 200 + row * 7919 % 400
    told: dict[str, Any] = {
        "source": _same([SOURCE] * year.coins, coin),
        "asset_id": _same([year.asset(each) for each in range(year.coins)], coin),
        "symbol": _same([year.symbol(each) for each in range(year.coins)], coin),
        "name": _same([f"Coin {each}" for each in range(year.coins)], coin),
        "quote": _same(["USD"] * year.coins, coin),
        "price": price,
        "timestamp": slots * 1000,
        "fetched_at": (slots + delay) * 1000,
        "fetch_delay_ms": delay,
        "last_updated": (slots - 5_000 - ((row - begin) * 31 + coin * 977) % 40_000) * 1000,
        "market_cap": cap,
        "market_cap_rank": coin + 1,
        "volume_24h": volume,
        "high_24h": high,
        "low_24h": low,
        "change_1h": hour,
        "change_24h": day,
        "change_7d": week,
        "price_change_24h": moved,
        "interval_ms": np.full(len(row), year.step_ms),
    }
    arrays = [_column(told.get(field.name), field.type, len(row)) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _same(words: list[str], places: Any) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), pa.array(words)).cast(pa.string())


def _column(values: Any, kind: Any, count: int) -> Any:
    if values is None:
        return pa.nulls(count, kind)
    return values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values).cast(kind)
