"""A contract that grows, and kinds of columns that tickers and candles do not have."""

from __future__ import annotations

from typing import Annotated

import msgspec
import pyarrow as pa
from deltalake import DeltaTable, Field, Schema

from cryptoproxy.datasets import TICKER, Dataset, iso
from cryptoproxy.datasets.fields import KEPT, AssetId, Quote, Source, Time
from cryptoproxy.lake.compact import Compaction
from cryptoproxy.lake.form import refuse
from cryptoproxy.lake.objects import make
from cryptoproxy.lake.parquet import Columns
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.table import Table
from cryptoproxy.lake.whole import whole_lake
from tests.unit.lake.lakes import DAY, MINUTE, NOW_MS, WHOLE_DAY, compact, fill, read


class Listing(msgspec.Struct, kw_only=True, omit_defaults=True):
    source: Source
    asset_id: AssetId
    symbol: str
    quote: Quote
    timestamp: Time
    fetched_at: Time
    active: bool
    margin: bool | None = None
    tags: list[str] | None = None
    sizes: list[float] = []
    levels: Annotated[list[list[float]], KEPT] = []


LISTING = Dataset(
    name="listing",
    says="one listing",
    record=Listing,
    serial=lambda record: record.timestamp[14:16],
    check=lambda record: None,
    topic="crypto.listings",
    alias=None,
    example=Listing(
        source="binance", asset_id="A", symbol="A", quote="USD", timestamp=iso(DAY), fetched_at=iso(DAY), active=True
    ),
)


def test_a_column_that_the_contract_has_got_since_is_added_to_the_table(store: Store) -> None:
    newer = {"market_cap", "last_updated"}
    older = [each for each in Schema.from_arrow(Columns(TICKER).schema).fields if each.name not in newer]
    address, _ = store.delta(Table(store, TICKER).root)
    DeltaTable.create(address, Schema(older))
    keys = fill(store, hours=(3,))
    before, _ = read(store)
    assert compact(store, delete_raw=True).removed == len(keys)
    names = [each.name for each in DeltaTable(address).schema().fields]
    assert newer <= set(names)
    assert sorted(names) == sorted(Columns(TICKER).schema.names)
    assert read(store) == (before, [])
    assert compact(store).written is False


def test_a_file_without_an_added_column_is_read_on(store: Store) -> None:
    columns = Columns(TICKER)
    fill(store, hours=(3,))
    lines = [line for line in read(store)[0].values() if b"market_cap" not in line]
    table = pa.Table.from_batches([columns.batch([columns.row(line) for line in lines])])
    found = [line for *_, line in columns.lines(table.drop_columns(["market_cap"]))]
    assert found == lines


def test_lists_flags_and_what_is_only_kept_come_back_as_they_were(store: Store) -> None:
    listings = [
        Listing(
            source="binance", asset_id=asset, symbol=asset, quote="USD", timestamp=iso(DAY + at * MINUTE),
            fetched_at=iso(DAY + at * MINUTE + 1), active=bool(at % 2), margin=[None, True, False][at % 3],
            tags=[None, [], ["new", "ü"]][at % 3], sizes=[1.5] * (at % 3), levels=[[1.0, 2.5]] * (at % 2),
        )
        for asset in ("A", "B")
        for at in range(6)
    ]  # fmt: skip
    for at in range(0, len(listings), 6):
        lines = b"".join(LISTING.codec.encode(each) + b"\n" for each in listings[at : at + 6])
        made = make(store.settings.prefix, "listing", "binance", DAY, lines)
        store.put(made.key, made.body)
    lake = whole_lake(store, LISTING)
    before = {each.line for each in lake.records("binance", WHOLE_DAY, refuse)}
    assert before == {LISTING.codec.encode(each) for each in listings}
    done = Compaction(store, LISTING, now_ms=lambda: NOW_MS).period("binance", DAY, delete_raw=True)
    assert (done.records, done.faults) == (12, [])
    assert {each.line for each in lake.records("binance", WHOLE_DAY, refuse)} == before
    (file,) = Table(store, LISTING).files()
    assert (file.rows, file.begin_ms) == (12, DAY)
    address, _ = store.delta(Table(store, LISTING).root)
    kinds = {each.name: each.type for each in DeltaTable(address).schema().fields}
    assert str(kinds["active"]) == str(Field("x", "boolean").type)
