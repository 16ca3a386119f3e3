"""The lake's answers by DuckDB, over records that are read one by one: no S3 needed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec
import numpy as np
import pytest
from elasticsearch import Elasticsearch

from benchmarks.queries.synthetic import Year
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import TICKER, Ticker, encode, iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS, Span
from cryptoproxy.errors import OperatorError, PoisonError
from cryptoproxy.lake.store import Store
from cryptoproxy.queries import Answer, NothingFound, Queries
from cryptoproxy.queries.lake.engine import Lake
from cryptoproxy.queries.lake.holdings import Loose, ReadPlan

BEGIN = 1_793_491_200_000  # 2026-11-01
YEAR = Year(BEGIN, BEGIN + 2 * DAY_MS, coins=3)
SLOTS = YEAR.slots
EVER = Span(0, 2**47)


class InMemory:
    """The lake's holdings, all of them records."""

    def __init__(self, records: dict[str, list[bytes]]) -> None:
        self.records = records
        self._slotted = {source: [(_slot(line), line) for line in lines] for source, lines in records.items()}

    def sources(self, dataset: Any) -> list[str]:
        return sorted(self.records) if dataset is TICKER else []

    def parts(self, dataset: Any) -> list[str]:
        return []

    def days(self, dataset: Any, source: str, span: Span = EVER) -> set[int]:
        slots = (slot for slot, _ in self._slots(source))
        return {slot - slot % DAY_MS for slot in slots if not span.cut(slot - slot % DAY_MS, DAY_MS).empty}

    def of(self, dataset: Any, sources: list[str], span: Span) -> ReadPlan:
        return ReadPlan([], [Loose(source, "", span) for source in sources])

    def lines(self, dataset: Any, loose: Loose) -> Iterator[bytes]:
        return (line for slot, line in self._slots(loose.source) if slot in loose.span)

    def _slots(self, source: str) -> list[tuple[int, bytes]]:
        return self._slotted.get(source, [])


def _slot(line: bytes) -> int:
    return TICKER.serial(TICKER.codec.decode(line))  # type: ignore[return-value]


class Stopped:
    def now_ms(self) -> int:
        return YEAR.end_ms

    def monotonic(self) -> float:
        return 0.0


def bybit(number: int, symbol: str, fraction: float | None) -> bytes:
    slot = BEGIN + number * HOUR_MS
    return encode(
        Ticker(
            source="bybit-linear",
            asset_id=symbol,
            symbol=symbol,
            name=symbol,
            quote="USDT",
            price=10.0 + number,
            timestamp=iso(slot),
            fetched_at=iso(slot + 200),
            fetch_delay_ms=200,
            price_24h_pcnt=fraction,
        )
    )


@pytest.fixture(scope="module")
def held() -> InMemory:
    lines = [line for _, poll in YEAR.polls() for _, line in poll]
    return InMemory(
        {
            "coingecko": lines,
            "bybit-linear": [bybit(at, symbol, (at - 24) / 1000 if symbol == "BTCUSDT" else None)
                             for at in range(48) for symbol in ("BTCUSDT", "NEWUSDT")],
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def queries(held: InMemory) -> Iterator[Queries]:
    lake = Lake(Store(Settings.from_texts({}).s3), held)  # type: ignore[arg-type]
    client = Elasticsearch("http://127.0.0.1:9")  # never asked
    yield Queries(client, lake=lake, engine="lake", clock=Stopped())
    lake.close()
    client.close()


@pytest.fixture(scope="module")
def exact(held: InMemory) -> dict[str, dict[str, Any]]:
    """By asset: arrays of its fields, in the order of time."""
    found: dict[str, dict[str, list[float]]] = {}
    for line in held.records["coingecko"]:
        record = json.loads(line)
        for name in ("price", "change_24h", "change_1h"):
            found.setdefault(record["asset_id"], {}).setdefault(name, []).append(record[name])
    return {asset: {name: np.array(each) for name, each in columns.items()} for asset, columns in found.items()}


def by_asset(answer: Answer[Any]) -> dict[str, Any]:
    assert answer.engine == "lake"
    return {row.asset.asset_id: row for row in answer}


def test_percentiles_are_exact(queries: Queries, exact: dict[str, Any]) -> None:
    percents = [0.0, 1.0, 33.3, 50.0, 99.9, 100.0]
    rows = by_asset(queries.percentiles("change_24h", percents=percents, since="2d"))
    assert rows.keys() == exact.keys()
    for asset, row in rows.items():
        values = exact[asset]["change_24h"]
        assert row.count == SLOTS
        assert (row.lowest, row.highest) == (values.min(), values.max())
        assert list(row.values.values()) == pytest.approx(np.percentile(values, percents).tolist(), rel=1e-12)
        assert row.seen.planned_ms == 2 * DAY_MS


def test_averages_whole_and_by_steps(queries: Queries, exact: dict[str, Any]) -> None:
    for asset, row in by_asset(queries.average(since="2d")).items():
        assert row.average == pytest.approx(exact[asset]["price"].mean(), rel=1e-12)
        assert (row.over_time, row.begin_ms) == (True, BEGIN)
    hours: dict[str, list[float]] = {}
    for row in queries.average(interval="1h", since="2d"):
        hours.setdefault(row.asset.asset_id, []).append(row.average)
    for asset, averages in hours.items():
        prices = exact[asset]["price"].reshape(-1, 60).mean(axis=1)
        assert averages == pytest.approx(prices.tolist(), rel=1e-12)
    (month,) = queries.average(interval="1mo", since="2d", assets="bitcoin")
    assert month.begin_ms == BEGIN
    assert {row.begin_ms for row in queries.average(interval="1w", since="2d")} == {
        BEGIN - 6 * DAY_MS, BEGIN + DAY_MS
    }  # fmt: skip


def test_moves_count_percents_and_fractions(queries: Queries, exact: dict[str, Any]) -> None:
    for asset, row in by_asset(queries.moves("1h", thresholds=(0.5, 1.1), since="2d")).items():
        changes = exact[asset]["change_1h"]
        for threshold, beyond in row.beyond.items():
            assert (beyond.up, beyond.down) == ((changes >= threshold).sum(), (changes <= -threshold).sum())
    for row in queries.moves("1h", thresholds=(1e6,), since="2d"):
        assert (row.beyond[1e6].up, row.beyond[1e6].down) == (0, 0)
    answer = queries.moves("24h", thresholds=(1.1,), source="bybit-linear", since="2d")
    row = by_asset(answer)["BTCUSDT"]
    assert (row.samples, row.beyond[1.1].up, row.beyond[1.1].down) == (48, 13, 14)
    assert "bybit-linear sends no change over 24h for NEWUSDT" in answer.notes


def test_volatility_is_that_of_the_last_prices(queries: Queries, exact: dict[str, Any]) -> None:
    rows = queries.volatility("1h", since="2d").held()
    assert len(rows) == len(exact)
    for row in rows:
        last = exact[row.asset.asset_id]["price"][59::60]
        returns = (last[1:] / last[:-1] - 1) * 100
        assert row.deviation == pytest.approx(returns.std(ddof=1), rel=1e-9)
        assert (row.returns, row.missing) == (47, 0)


def test_latest_and_most_traded(queries: Queries) -> None:
    rows = queries.latest(top=2, since="2h").held()
    assert [row.asset.symbol for row in rows] == ["BTC", "ETH"]
    assert {row.age_ms for row in rows} == {MINUTE_MS}
    (row,) = queries.latest(source="bybit-linear", symbols="BTCUSDT", since="2h")
    assert row.change_24h == pytest.approx(2.3)
    assert {row.asset.source for row in queries.latest(base="BTC", source="all", since="2h")} == {
        "coingecko", "bybit-linear"
    }  # fmt: skip


def test_freshness_counts_slots_that_are_missing(held: InMemory, queries: Queries) -> None:
    rows = {row.source: row for row in queries.freshness(since="1d")}
    row = rows["coingecko"]
    assert (row.interval_ms, row.interval_is, row.assets, row.missing, row.duplicates) == (
        MINUTE_MS, "recorded", 3, 0, 0
    )  # fmt: skip
    assert row.records == 1440 * 3
    assert rows["bybit-linear"].interval_is == "inferred"


def test_sentiment_is_that_of_the_newest_poll_of_each_step(queries: Queries, exact: dict[str, Any]) -> None:
    rows = queries.sentiment(interval="6h", since="2d").held()
    assert len(rows) == 8
    for number, row in enumerate(rows):
        at = (number + 1) * 360 - 1
        changes = np.array([columns["change_24h"][at] for columns in exact.values()])
        assert (row.slot_ms, row.assets) == (BEGIN + at * MINUTE_MS, 3)
        assert (row.gainers, row.losers) == ((changes > 0).sum(), (changes < 0).sum())
        assert row.mean == pytest.approx(changes.mean())
        assert row.median == pytest.approx(np.median(changes))


def test_candles_of_tickers(queries: Queries, exact: dict[str, Any]) -> None:
    answer = queries.candles("1h", source="coingecko", assets="bitcoin", since="1d")
    rows = answer.held()
    prices = exact["bitcoin"]["price"][1440:].reshape(-1, 60)
    assert [row.bar[1:5] for row in rows] == [(each[0], each.max(), each.min(), each[-1]) for each in prices]
    assert any("no candles" in each for each in answer.notes)


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ({"symbols": "BTCC"}, r"no symbol BTCC at coingecko \(near it: BTC\)"),
        ({"source": "kraken"}, "no record of kraken; there are records of bybit-linear, coingecko"),
        ({"assets": "Bitcoin"}, r"no asset Bitcoin at coingecko \(near it: bitcoin\)"),
        ({"quote": "EUR"}, r"no quote EUR at coingecko \(there are: USD"),
        ({"since": "2020-01-01", "until": "2020-02-01"}, "its records run from 2026-11-01 to 2026-11-02 23:59"),
        ({"symbols": "'; DROP TABLE x --"}, "no symbol"),
    ],
)
def test_why_nothing_was_found_is_said(queries: Queries, which: dict[str, str], words: str) -> None:
    with pytest.raises(NothingFound, match=words):
        list(queries.latest(**which))


@pytest.mark.parametrize(
    ("which", "found"),
    [
        ({"symbols": "$x$"}, ["$x$"]),
        ({"symbols": "btcusdt,$x$"}, ["$x$", "BTCUSDT"]),
        ({"quote": "uSd"}, ["$x$"]),
        ({"quote": "usdt"}, ["BTCUSDT"]),
        ({"base": "$x$"}, ["$x$"]),
        ({"base": "btc"}, ["BTCUSDT"]),
    ],
)
def test_a_name_in_small_letters_is_found_as_it_is_typed_and_in_capitals(
    which: dict[str, str], found: list[str]
) -> None:
    odd = msgspec.structs.replace(TICKER.codec.decode(bybit(0, "o00", None)), symbol="$x$", quote="uSd")
    lake = Lake(Store(Settings.from_texts({}).s3), InMemory({"bybit-linear": [bybit(0, "BTCUSDT", None), encode(odd)]}))  # type: ignore[arg-type]
    with closing(Elasticsearch("http://127.0.0.1:9")) as client, closing(lake):
        answer = Queries(client, lake=lake, engine="lake", clock=Stopped()).latest(source="all", since="2d", **which)
        assert sorted(row.asset.symbol for row in answer) == found
        assert answer.notes == []


@pytest.mark.parametrize("which", [{"symbols": ""}, {"base": ","}, {"quote": [" "]}, {"source": ""}])
def test_words_that_name_nothing_do_not_mean_all(queries: Queries, which: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="names nothing: leave it out, or say which"):
        queries.latest(**which)
    assert queries.scope(symbols=[], source=()).query() == queries.scope(source="all").query()


def test_frames_have_the_columns_of_csv(queries: Queries) -> None:
    frame = queries.average(interval="1d", since="2d", assets="bitcoin").to_pandas()
    assert list(frame["begin"].dt.strftime("%Y-%m-%d %Z")) == ["2026-11-01 UTC", "2026-11-02 UTC"]
    assert frame["count"].dtype == "int64"
    polars = queries.average(interval="1d", since="2d", assets="bitcoin").to_polars()
    assert polars.columns == list(frame.columns)
    assert polars["average"].to_list() == frame["average"].to_list()


def test_a_damaged_line_ends_the_question_and_is_named(held: InMemory) -> None:
    class Damaged(InMemory):
        def lines(self, dataset: Any, loose: Loose) -> Iterator[bytes]:
            raise PoisonError("damaged_object", "x.jsonl.gz holds other lines than its name says")

    lake = Lake(Store(Settings.from_texts({}).s3), Damaged(held.records))  # type: ignore[arg-type]
    client = Elasticsearch("http://127.0.0.1:9")
    with pytest.raises(OperatorError, match=r"cannot be read as a whole: x\.jsonl\.gz holds other lines"):
        list(Queries(client, lake=lake, engine="lake", clock=Stopped()).latest())
    lake.close()
    client.close()


def test_without_duckdb_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb_extension_httpfs", None)
    with pytest.raises(OperatorError) as told:
        Lake(Store(Settings.from_texts({}).s3))
    assert "cryptoproxy[lake]" in str(told.value)
