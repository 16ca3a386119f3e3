"""The same questions asked of Elasticsearch and of the lake, over the same records; and candles, stored in both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import talib
from click.testing import CliRunner
from elasticsearch import Elasticsearch
from numpy import array, isnan

from benchmarks.queries.synthetic import Year
from cryptoproxy.cli.main import cli
from cryptoproxy.common.clients import elastic
from cryptoproxy.datasets import (
    BOOK,
    CANDLE,
    TICKER,
    TRADE,
    Book,
    Candle,
    Trade,
    encode,
    from_iso,
    index_name,
    iso,
    slot_of,
)
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS, Span
from cryptoproxy.engines.stack import Endpoints
from cryptoproxy.lake.compact import Compaction
from cryptoproxy.lake.objects import pack
from cryptoproxy.lake.store import Store
from cryptoproxy.queries import Answer, NothingFound, Queries
from cryptoproxy.queries.lake.engine import Lake
from cryptoproxy.queries.lake.holdings import Holdings
from tests.integration.conftest import World, make_world, remove_indices
from tests.integration.queries.filled import Stopped, index, record

BEGIN = 1_788_220_800_000
"""2026-09-01: all that follows is in one month."""
YEAR = Year(BEGIN, BEGIN + 26 * HOUR_MS, coins=3)
LATE = record("coingecko", "late", BEGIN + 3 * HOUR_MS, symbol="LATE", quote="USD", interval_ms=MINUTE_MS)
"""Of the first day, archived after that day was compacted."""
WHOLE = Span(BEGIN, YEAR.end_ms)
HOLE = BEGIN + 5 * HOUR_MS + 7 * MINUTE_MS


@dataclass(frozen=True)
class Both:
    """Records of 26 hours in both engines: the first day is compacted, with a late record beside it."""

    world: World
    client: Elasticsearch
    store: Store
    bars: str

    def queries(self, engine: str, lake: Lake) -> Queries:
        alias = self.world.settings.elasticsearch.alias
        return Queries(
            self.client,
            index=alias,
            bars=self.bars,
            aliases={each.name: self.world.settings.elasticsearch.alias_of(each) for each in (TRADE, BOOK)},
            lake=lake,
            engine=engine,
            clock=Stopped(YEAR.end_ms),
        )


@pytest.fixture(scope="module")
def both(endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    world = make_world(endpoints, tmp_path_factory.mktemp("both"))
    world.set_up(TICKER, CANDLE, TRADE, BOOK)
    settings = world.settings
    client, store = elastic.client(settings.elasticsearch), Store(settings.s3)
    made = Both(world, client, store, settings.elasticsearch.alias_of(CANDLE))
    polls = list(YEAR.polls())
    client.options(ignore_status=400).indices.create(index=index_name(settings.elasticsearch.alias, iso(BEGIN)))
    documents = [each for _, poll in polls for each in poll] + [(TICKER.id_of(LATE), encode(LATE))]
    for begin in range(0, len(documents), 1000):
        index(client, settings.elasticsearch.alias, documents[begin : begin + 1000])
    for at in range(0, len(polls), 60):
        _archive(
            store, TICKER, "coingecko", polls[at][0], [line for _, poll in polls[at : at + 60] for _, line in poll]
        )
    Compaction(store, now_ms=lambda: YEAR.end_ms).period("coingecko", BEGIN)
    _archive(store, TICKER, "coingecko", BEGIN + 3 * HOUR_MS, [encode(LATE)])
    _candles(made)
    _flow(made)
    yield made
    remove_indices(settings.elasticsearch)
    client.close()


def _archive(store: Store, dataset: Any, source: str, slot_ms: int, lines: list[bytes], *, part: str = "") -> None:
    made = pack(store.settings.prefix, dataset.name, source, slot_ms, [line + b"\n" for line in lines], part=part)
    store.put(made.key, made.body)


def _minutes() -> list[Candle]:
    """A day and two hours of one pair, without one minute."""
    begins = [BEGIN + number * MINUTE_MS for number in range(26 * 60)]
    return [_bar("1m", begin, 100 + number % 97 / 7) for number, begin in enumerate(begins) if begin != HOLE]


def _bar(interval: str, begin_ms: int, price: float) -> Candle:
    return Candle(
        source="binance",
        asset_id="BTCUSDT",
        symbol="BTCUSDT",
        quote="USDT",
        interval=interval,  # type: ignore[arg-type]
        timestamp=iso(begin_ms),
        fetched_at=iso(begin_ms + 7 * DAY_MS),
        open=price,
        high=price + 1.1,
        low=price - 0.3,
        close=price + 0.4,
        base_volume=price / 9,
        quote_volume=price * 1.1,
        trades=int(price),
    )


def _candles(made: Both) -> None:
    part = CANDLE.parts["1m"]
    bars = _minutes()
    made.client.options(ignore_status=400).indices.create(
        index=index_name(made.bars, iso(BEGIN), part.period, part.shelf)
    )
    for begin in range(0, len(bars), 1000):
        operations: list[dict[str, Any]] = []
        for each in bars[begin : begin + 1000]:
            name = index_name(made.bars, each.timestamp, part.period, part.shelf)
            operations += [
                {"create": {"_index": name, "_id": CANDLE.id_of(each)}},
                json.loads(CANDLE.codec.encode(each)),
            ]
        assert not made.client.bulk(operations=operations, refresh=True)["errors"]
    hours: dict[int, list[bytes]] = {}
    for each in bars:
        hours.setdefault(slot_of(_slot(each), HOUR_MS), []).append(CANDLE.codec.encode(each))
    for begin, lines in hours.items():
        _archive(made.store, CANDLE, "binance", begin, lines, part=part.name)
    Compaction(made.store, CANDLE, part, now_ms=lambda: YEAR.end_ms).period("binance", BEGIN, delete_raw=True)


def _flow(made: Both) -> None:
    """Trades of two pairs and slots of their books, over the same time, the first day of them compacted."""
    for dataset, records in ((TRADE, list(_trades())), (BOOK, list(_books()))):
        alias = made.world.settings.elasticsearch.alias_of(dataset)
        part = dataset.parts[""]
        names = {index_name(alias, each.timestamp, part.period) for each in records}
        for name in names:
            made.client.options(ignore_status=400).indices.create(index=name)
        operations: list[dict[str, Any]] = []
        hours: dict[int, list[bytes]] = {}
        for each in records:
            line = dataset.codec.encode(each)
            name = index_name(alias, each.timestamp, part.period)
            operations += [{"create": {"_index": name, "_id": dataset.id_of(each)}}, json.loads(line)]
            hours.setdefault(slot_of(from_iso(each.timestamp), HOUR_MS), []).append(line)
        assert not made.client.bulk(operations=operations, refresh=True)["errors"]
        for begin, lines in hours.items():
            _archive(made.store, dataset, "binance", begin, lines)
        Compaction(made.store, dataset, part, now_ms=lambda: YEAR.end_ms).period("binance", BEGIN, delete_raw=True)


def _trades() -> Iterator[Trade]:
    for symbol, price in (("BTCUSDT", 60_000.0), ("ETHUSDT", 2_000.0)):
        for number in range(500):
            at = BEGIN + number * 26 * HOUR_MS // 500 + 17
            volume = (number % 7 + 1) / 1000
            yield Trade(
                source="binance",
                asset_id=symbol,
                symbol=symbol,
                quote="USDT",
                trade_id=f"{number}-{number * 2}",
                price=price + number % 11,
                base_volume=volume,
                quote_volume=(price + number % 11) * volume,
                side="buy" if number % 3 else "sell",
                timestamp=iso(at),
                fetched_at=iso(at + 50),
            )


def _books() -> Iterator[Book]:
    for number in range(26 * 30):
        mid = 60_000.0 + number % 13
        values = {name: getattr(BOOK.example, name) for name in BOOK.example.__struct_fields__}
        yield Book(
            **values
            | {
                "timestamp": iso(BEGIN + number * 2 * MINUTE_MS),
                "fetched_at": iso(BEGIN + number * 2 * MINUTE_MS + 40),
                "bid_price": mid - 1,
                "ask_price": mid + 1,
                "mid": mid,
                "spread": 2.0,
                "spread_bps": 20_000 / mid,
                "imbalance": (number % 5 - 2) / 2,
                "bid_depth_10bps": 1000.0 + number,
                "ask_depth_10bps": None if number % 4 == 0 else 900.0 + number,
                "bids": [(mid - 1, 1.0)],
                "asks": [(mid + 1, 1.0)],
                "interval_ms": 2 * MINUTE_MS,
            }
        )


def _slot(bar: Candle) -> int:
    return from_iso(bar.timestamp)


@pytest.fixture(scope="module")
def lake(both: Both) -> Iterator[Lake]:
    made = Lake(both.store)
    yield made
    made.close()


def test_a_day_is_read_as_a_file_only_where_nothing_came_since(both: Both) -> None:
    holdings = Holdings(both.store)
    holding = holdings.of(TICKER, ["coingecko"], WHOLE)
    assert holding.files == []  # the first day has a late record, the second is not compacted
    assert [each.span.begin_ms for each in holding.loose] == [BEGIN, BEGIN + DAY_MS]
    candles = holdings.of(CANDLE, ["binance"], WHOLE)
    assert len(candles.files) == 1
    assert [each.span.begin_ms for each in candles.loose] == [BEGIN + DAY_MS]


ASKED: dict[str, Callable[[Queries], Answer[Any]]] = {
    "average": lambda q: q.average(since="26h"),
    "average by steps": lambda q: q.average(interval="1h", since="26h", symbols="BTC,LATE"),
    "average, most traded": lambda q: q.average("volume_24h", top=2, since="26h"),
    "moves": lambda q: q.moves("1h", thresholds=(0.5, 1, 5), since="26h"),
    "volatility": lambda q: q.volatility("1h", since="26h"),
    "latest": lambda q: q.latest(since="1d"),
    "freshness": lambda q: q.freshness(since="26h", source="coingecko"),
    "sentiment": lambda q: q.sentiment(interval="1h", since="26h"),
    "candles": lambda q: q.candles("1h", source="binance", since="26h"),
    "candles of minutes": lambda q: q.candles("1m", source="binance", since="26h"),
    "candles of tickers": lambda q: q.candles("1h", source="coingecko", since="26h"),
    "trades": lambda q: q.trades("1h", since="26h"),
    "trades of a pair, by days": lambda q: q.trades("1d", symbols="ETHUSDT", since="26h"),
    "spread": lambda q: q.spread("1h", since="26h"),
    "depth": lambda q: q.depth("2h", since="26h", source="binance"),
    "indicators": lambda q: q.indicators("sma:3,rsi:5", interval="1h", source="binance", since="26h"),
}


@pytest.mark.parametrize("name", ASKED)
def test_both_engines_answer_in_the_same_words(both: Both, lake: Lake, name: str) -> None:
    answers = [ASKED[name](both.queries(engine, lake)) for engine in ("es", "lake")]
    rows = [[answer.cells(row) for row in answer] for answer in answers]
    assert rows[0]
    assert len(rows[0]) == len(rows[1])
    for ours, other in zip(*rows, strict=True):
        assert ours == {key: value if not isinstance(value, float) else pytest.approx(value, rel=1e-9, abs=1e-12)
                        for key, value in other.items()}  # fmt: skip
    assert answers[0].notes == answers[1].notes
    assert str(answers[0].covers) == str(answers[1].covers)
    assert [each.engine for each in answers] == ["es", "lake"]


def test_percentiles_are_near_and_exact(both: Both, lake: Lake) -> None:
    near, exact = (
        {
            row.asset.asset_id: row
            for row in both.queries(each, lake).percentiles("price", percents=[0, 50, 100], since="26h")
        }
        for each in ("es", "lake")
    )
    assert near.keys() == exact.keys()
    for asset, row in exact.items():
        assert (row.count, row.lowest, row.highest) == (near[asset].count, near[asset].lowest, near[asset].highest)
        assert row.values[50.0] == pytest.approx(near[asset].values[50.0], rel=1e-3)


def test_an_hour_is_put_together_of_its_minutes_and_one_that_lacks_one_is_left_out(both: Both, lake: Lake) -> None:
    answer = both.queries("es", lake).candles("1h", symbols="BTCUSDT", since="26h")
    rows = {row.bar.begin_ms: row for row in answer}
    assert len(rows) == 25
    assert HOLE - 7 * MINUTE_MS not in rows
    assert any("BTCUSDT: 1 bar is left out, as some of the 1m candles" in each for each in answer.notes)
    first = [each for each in _minutes() if _slot(each) < BEGIN + HOUR_MS]
    bar = rows[BEGIN].bar
    assert (bar.open, bar.close, bar.trades) == (
        first[0].open,
        first[-1].close,
        sum(each.trades or 0 for each in first),
    )
    assert (bar.high, bar.low) == (max(each.high for each in first), min(each.low for each in first))


def test_indicators_are_those_of_talib_over_the_bars(both: Both, lake: Lake) -> None:
    rows = both.queries("es", lake).indicators("ema:5", interval="1m", source="binance", since="26h").held()
    expected = talib.EMA(array([each.close for each in _minutes()]), 5)
    assert [row.values["ema_5"] for row in rows] == [None if isnan(each) else each for each in expected.tolist()]


def test_auto_asks_the_lake_where_elasticsearch_lacks_a_day(both: Both, lake: Lake) -> None:
    answer = both.queries("auto", lake).average(since="26h")
    assert (len(answer.held()), answer.engine) == (4, "es")
    assert any("which has every day that s3://" in each for each in answer.notes)
    lacking = Queries(
        both.client, index=both.bars, bars=both.bars, lake=lake, engine="auto", clock=Stopped(YEAR.end_ms)
    )
    answer = lacking.average(since="26h")
    assert (len(answer.held()), answer.engine) == (4, "lake")
    assert any("has no record of coingecko of 2026-09-01 and 1 more days" in each for each in answer.notes)


def test_frames_of_both_libraries(both: Both, lake: Lake) -> None:
    queries = both.queries("lake", lake)
    frame = queries.candles("1h", source="binance", since="26h").to_pandas()
    other = queries.candles("1h", source="binance", since="26h").to_polars()
    assert list(frame.columns) == other.columns
    assert frame["close"].tolist() == other["close"].to_list()
    assert str(frame["begin"].dt.tz) == "UTC"


def test_nothing_found_in_the_lake_is_said(both: Both, lake: Lake) -> None:
    with pytest.raises(NothingFound, match="no symbol ETHH at coingecko"):
        list(both.queries("lake", lake).latest(symbols="ETHH", since="1d"))


def test_the_command_asks_the_lake(both: Both, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("".join(f"{name}={value}\n" for name, value in both.world.texts.items()))
    line = ["query", "average", "--engine", "lake", "--since", "2026-09-01", "--until", "2026-09-02", "--json"]
    result = CliRunner().invoke(cli, ["--env-file", str(file), *line])
    assert result.exit_code == 0, result.output
    assert '"engine": "lake"' in result.stdout
    for line in ("trades", "spread", "depth --within 10"):
        drawn = tmp_path / f"{line[:5]}.svg"
        words = f"query {line} --symbols BTCUSDT --since 2026-09-01 --until 2026-09-02 --json --plot {drawn}".split()
        result = CliRunner().invoke(cli, ["--env-file", str(file), *words])
        assert result.exit_code == 0, result.output
        assert len(json.loads(result.stdout)["rows"]) == 24
        assert "BTCUSDT" in drawn.read_text()
        explained = CliRunner().invoke(cli, ["--env-file", str(file), *words[:-3], "--explain"])
        assert (
            f"GET {both.world.settings.elasticsearch.alias_of(TRADE if line == 'trades' else BOOK)}/"
            in explained.stdout
        )
    for engine in ("es", "lake"):
        line = f"query candles --engine {engine} --symbols BTCUSDT --since 2026-09-01 --until 2026-09-02 --json"
        told = json.loads(CliRunner().invoke(cli, ["--env-file", str(file), *line.split()]).stdout)
        assert {row["made_of"] for row in told["rows"]} == {"1m candles"}
        assert len(told["rows"]) == 23
    refused = CliRunner().invoke(cli, ["--env-file", str(file), "query", "latest", "--engine", "lake", "--explain"])
    assert refused.exit_code == 2
    assert "goes with --engine es alone" in refused.stderr
