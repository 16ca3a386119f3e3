"""One world: bars of all lengths, trades, tickers and points agree, and what is over stays as it was."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cryptoproxy.sandbox.binance.pairs import BEGIN, DOWN, LAST_HALT, trading_pairs
from cryptoproxy.sandbox.bybit.instruments import list_instruments
from cryptoproxy.sandbox.world.book import Book
from cryptoproxy.sandbox.world.coins import make_coins
from cryptoproxy.sandbox.world.intervals import BINANCE, BYBIT, DAY, BarGrid
from cryptoproxy.sandbox.world.market import QUIET_EVERY, QUIET_FROM, SeededMarket
from cryptoproxy.sandbox.world.pages import newest, oldest
from cryptoproxy.sandbox.world.pairs import Tapes
from cryptoproxy.sandbox.world.tape import CandleArrays, Tape
from cryptoproxy.sandbox.world.trades import between, from_number
from cryptoproxy.sandbox.world.trades import newest as newest_trades

NOW = 1_795_253_400
MARKET = SeededMarket(make_coins(150, 1), 1)
PAIRS = {pair.symbol: pair for pair in trading_pairs(MARKET) if pair.delisted is None}
TAPES = Tapes(MARKET, "binance")
SUMS = ("volume", "bought", "quote", "quote_bought", "aggregates", "trades")
symbols = st.sampled_from(["BTCUSDT", "ETHBTC", *list(PAIRS)[::17]])
seconds = st.integers(NOW - 300 * DAY, NOW - 2 * DAY)
FINER = {"1m": "1s", "3m": "1m", "30m": "1m", "1h": "1m", "4h": "30m", "1d": "1h", "3d": "1d", "1w": "4h", "1M": "1d"}

MAINTENANCE = 1_788_058_800
"""In an hour in which nothing was traded anywhere at Binance."""


def tape_of(symbol: str) -> Tape:
    return TAPES.of(PAIRS[symbol])


def quiet() -> Tape:
    """One with minutes in which nothing is traded."""
    return next(
        TAPES.of(pair)
        for pair in PAIRS.values()
        if pair.coin >= QUIET_FROM and pair.coin % QUIET_EVERY == 0 and pair.listed < NOW - 400 * DAY
    )


def one(candles: CandleArrays) -> dict[str, int]:
    """The bar that these put together are."""
    ends = {"open": candles.open[0], "close": candles.close[-1], "high": candles.high.max(), "low": candles.low.min()}
    return {name: int(value) for name, value in ends.items()} | {
        name: int(getattr(candles, name).sum()) for name in SUMS
    }


@settings(max_examples=60, deadline=None)
@given(symbols, seconds, st.sampled_from(list(FINER)))
@example("BTCUSDT", MAINTENANCE, "1m")
def test_a_bar_is_exactly_what_its_shorter_bars_give(symbol, second, name):
    tape, grid = tape_of(symbol), BINANCE[name]
    opened = grid.floor(max(second, tape.listed + 40 * DAY))
    whole = tape.candles(grid, opened, opened, NOW)
    parts = tape.candles(BINANCE[FINER[name]], opened, grid.end(opened) - 1, NOW)
    if not len(whole.start):  # in maintenance there are no bars
        assert not len(parts.start)
        return
    assert len(whole.start) == 1
    assert one(whole) == one(parts)
    assert np.array_equal(parts.number[1:], (parts.number + parts.aggregates)[:-1])


@settings(max_examples=40, deadline=None)
@given(symbols, seconds, st.sampled_from(["1s", "1m", "1h"]))
def test_every_bar_is_plausible(symbol, second, name):
    tape, grid = tape_of(symbol), BINANCE[name]
    bars = tape.candles(grid, second, second + 200 * grid.seconds, NOW)
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert ((bars.bought >= 0) & (bars.bought <= bars.volume)).all()
    assert ((bars.quote_bought >= 0) & (bars.quote_bought <= bars.quote)).all()
    empty = bars.aggregates == 0
    assert (bars.volume[empty] == 0).all()
    assert (bars.high[empty] == bars.low[empty]).all()


@settings(max_examples=25, deadline=None)
@given(symbols, seconds)
@example("BTCUSDT", MAINTENANCE)
def test_a_minute_is_exactly_its_trades(symbol, second):
    tape = tape_of(symbol)
    minute = max(second, tape.listed + DAY) // 60 * 60
    bar = tape.candles(BarGrid(60), minute, minute, NOW)
    trades = list(between(tape, minute * 1000, minute * 1000 + 60_000))
    if not len(bar.start):
        assert not trades
        return
    assert len(trades) == bar.aggregates[0]
    if trades:
        prices = [trade.price for trade in trades]
        assert (prices[0], max(prices), min(prices), prices[-1]) == (bar.open[0], bar.high[0], bar.low[0], bar.close[0])
    assert sum(trade.size for trade in trades) == bar.volume[0]
    assert sum(trade.size for trade in trades if not trade.buyer_is_maker) == bar.bought[0]
    assert sum(trade.trades for trade in trades) == bar.trades[0]
    singles = [(number, size) for trade in trades for number, size in trade.split()]
    assert (
        [number for number, _ in singles] == list(range(singles[0][0], singles[0][0] + len(singles)))
        if singles
        else True
    )
    assert all(size > 0 for _, size in singles)
    assert [trade.ms for trade in trades] == sorted(trade.ms for trade in trades)


def test_trades_are_found_by_number_by_time_and_from_the_end():
    for tape in (tape_of("BTCUSDT"), quiet()):
        known = list(between(tape, (NOW - 600) * 1000, NOW * 1000))
        assert newest_trades(tape, NOW, 100) == known[-100:]
        assert list(islice(from_number(tape, known[50].number, NOW), 100)) == known[50:150]
        first = next(from_number(tape, 0, NOW))
        assert (first.number, first.first, first.ms // 3_600_000) == (0, 0, tape.listed // 3600)
        assert tape.next_trade(NOW) == known[-1].first + known[-1].trades
        assert list(from_number(tape, known[-1].number + 1, NOW)) == []


def test_a_price_is_the_same_alone_and_in_a_page():
    for symbol in ("BTCUSDT", "ETHBTC", *list(PAIRS)[::40]):
        path = MARKET.path(PAIRS[symbol].coin, PAIRS[symbol].against)
        bars = path.bars(BarGrid(60), NOW - 7200, NOW - 60)
        assert [path.price(int(second)) for second in bars.start] == bars.open.tolist()
        assert [path.price(int(second) + 60) for second in bars.start] == bars.close.tolist()


def test_a_tickers_day_is_the_bars_of_that_day():
    for symbol in ("BTCUSDT", *list(PAIRS)[::50]):
        tape, pair = tape_of(symbol), PAIRS[symbol]
        quote = TAPES.quote(pair, NOW + 17)
        bars = one(tape.candles(BarGrid(60), NOW - DAY, NOW + 17, NOW + 17))
        tick, size, worth = 10**pair.price_decimals, 10**pair.size_decimals, 10**tape.quote_decimals
        assert (quote.last, quote.open) == (bars["close"] / tick, bars["open"] / tick)
        assert (quote.high, quote.low) == (bars["high"] / tick, bars["low"] / tick)
        assert (quote.volume, quote.turnover) == (bars["volume"] / size, bars["quote"] / worth)
        assert quote.trades == bars["trades"]


def test_closed_bars_are_the_same_at_any_later_time_and_in_another_sandbox():
    pair = PAIRS["BTCUSDT"]
    other = Tapes(SeededMarket(make_coins(150, 1), 1), "binance").of(pair)
    for grid in BINANCE.values():
        bars = [
            tape.candles(grid, NOW - 90 * grid.typical, NOW, now)
            for tape, now in ((other, NOW), (tape_of("BTCUSDT"), NOW + DAY))
        ]
        rows = [candles.rows() for candles in bars]
        closed = [row for row in rows[0] if grid.end(row[0]) <= NOW]
        assert len(closed) >= 88
        assert rows[1][: len(closed)] == closed


def test_the_open_bar_grows_into_the_closed_one():
    tape, hour = tape_of("BTCUSDT"), NOW // 3600 * 3600
    seen = [tape.candles(BarGrid(3600), hour, hour, hour + passed) for passed in (1, 59, 61, 1800, 3599, 3600, 9000)]
    volumes = [int(bar.volume[0]) for bar in seen]
    assert volumes == sorted(volumes)
    assert len(set(volumes)) == 6
    assert volumes[-1] == volumes[-2]
    assert len({int(bar.open[0]) for bar in seen}) == 1
    assert len(tape.candles(BarGrid(3600), hour, hour, hour).start) == 0, "nothing has happened yet"


def test_while_the_exchange_is_down_there_are_no_bars_and_numbers_go_on():
    tape = tape_of("BTCUSDT")
    for start, end in DOWN:
        bars = tape.candles(BarGrid(3600), start - 7200, end + 3600, NOW)
        assert bars.start.tolist() == [start - 7200, start - 3600, end, end + 3600]
        assert bars.number[2] == bars.number[1] + bars.aggregates[1]
        minutes = tape.candles(BarGrid(60), start - 60, end, NOW)
        assert minutes.start.tolist() == [start - 60, end]
        day = tape.candles(BarGrid(DAY), start // DAY * DAY, start, NOW)
        assert one(day) == one(tape.candles(BarGrid(3600), start // DAY * DAY, start // DAY * DAY + DAY - 1, NOW))
        assert len(oldest(tape, BarGrid(60), start - 600, NOW, limit=1000, now=NOW)) == 1000
        assert len(newest(tape, BarGrid(60), 0, end + 599, limit=1000, now=NOW)) == 1000


def test_a_quiet_pair_has_empty_bars_at_the_last_price():
    bars = quiet().candles(BarGrid(60), NOW - DAY, NOW - 1, NOW)
    assert np.array_equal(np.diff(bars.start), np.full(1439, 60))
    empty = np.flatnonzero(bars.aggregates == 0)
    assert 100 < len(empty) < 500
    assert np.array_equal(bars.close[empty], bars.close[empty - 1])
    assert np.array_equal(bars.open[empty], bars.close[empty])


def test_nothing_is_traded_before_the_listing_or_after_a_halt():
    for pair in trading_pairs(MARKET)[::20]:
        tape = TAPES.of(pair)
        first = oldest(tape, BarGrid(3600), 0, NOW, limit=1, now=NOW)
        assert [row[0] for row in first] == [tape.listed]
        last = newest(tape, BarGrid(3600), 0, NOW, limit=1, now=NOW)[0][0]
        assert last == (NOW // 3600 * 3600 if tape.delisted is None else tape.delisted - 3600)


def test_all_exchanges_see_the_same_ups_and_downs():
    contracts = {i.symbol: i for i in list_instruments(MARKET, NOW * 1000)["linear"]}
    binance = tape_of("BTCUSDT").candles(BarGrid(300), NOW - DAY, NOW - 1, NOW)
    bybit = Tapes(MARKET, "bybit").of(contracts["BTCUSDT"].pair).candles(BarGrid(300), NOW - DAY, NOW - 1, NOW)
    assert np.abs(binance.close / bybit.close - 1).max() < 0.005
    assert np.corrcoef(np.diff(binance.close), np.diff(bybit.close))[0, 1] > 0.95
    assert binance.volume.tolist() != bybit.volume.tolist()


@pytest.mark.parametrize("grid", [*BINANCE.values(), *BYBIT.values()])
def test_bars_open_where_the_one_before_ends(grid):
    opens = grid.opens(NOW - 5 * grid.typical, NOW)
    assert len(opens) >= 4
    for opened, later in zip(opens.tolist(), opens.tolist()[1:], strict=False):
        assert grid.end(opened) == later
        assert grid.floor(later - 1) == grid.floor(opened) == opened
    assert grid.opens(int(opens[0]), int(opens[0])).tolist() == [opens[0]]


@pytest.mark.parametrize("now", [DOWN[1][0] + 1800, DOWN[1][0], BEGIN - DAY, BEGIN, LAST_HALT, NOW // 3600 * 3600])
def test_there_is_an_answer_at_any_moment(now):
    """While it is down, before anything was listed, at the turn of an hour."""
    for tape in (tape_of("BTCUSDT"), quiet()):
        for grid in BINANCE.values():
            rows = newest(tape, grid, 0, now, limit=5, now=now)
            assert len(rows) == (5 if now > tape.listed + 40 * 5 * DAY else len(rows))
        assert len(newest_trades(tape, now, 20)) == (20 if now > tape.listed else 0)
    quote = TAPES.quote(PAIRS["BTCUSDT"], now)
    assert quote.low <= quote.last <= quote.high
    assert (quote.volume > 0) == (now > BEGIN)


def test_a_book_that_is_told_by_changes_is_the_book_however_far_the_price_jumps():
    """Whoever has a snapshot deeper than changes are told has the best levels right all the same."""
    bests = [50_000, 50_010, 44_000, 44_000, 49_000, 60_000, 59_990]
    book = Book(7, 1000, lambda second: (bests[second], bests[second] + 1))
    sides = [dict(side) for side in book.top(9, 2000)]
    for tenth in range(10, 70):
        for side, changes in zip(sides, book.changes(tenth - 1, tenth), strict=True):
            side.update(changes)
        there = [sorted((price, size) for price, size in side.items() if size) for side in sides]
        bids, asks = book.top(tenth, 300)
        assert there[0][-300:][::-1] == bids
        assert there[1][:300] == asks
