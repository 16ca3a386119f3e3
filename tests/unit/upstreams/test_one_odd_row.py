"""One row that is odd costs that row: in pages of history, in streams and what mends them, in figures and assets. What
polls of tickers do with such rows stands in ``test_rows``."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from cryptoproxy.datasets import from_iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS, Span
from cryptoproxy.errors import TransientError
from cryptoproxy.producer.feeds.history.walk import Cursor, Walk
from cryptoproxy.upstreams.base import Response
from cryptoproxy.upstreams.binance.candles import BinanceCandles
from cryptoproxy.upstreams.binance.streams.trades import PAGE
from cryptoproxy.upstreams.bybit.candles import BybitCandles
from cryptoproxy.upstreams.bybit.streams.candles import BybitCandleStream
from cryptoproxy.upstreams.bybit.streams.venue import BybitVenue
from cryptoproxy.upstreams.bybit.symbols import Category
from cryptoproxy.upstreams.coingecko.access import Access
from cryptoproxy.upstreams.coingecko.assets import CoinGeckoAssets
from cryptoproxy.upstreams.coingecko.charts import CoinGeckoCharts
from cryptoproxy.upstreams.coingecko.coins import Coins
from cryptoproxy.upstreams.coingecko.market import CoinGeckoMarket
from cryptoproxy.upstreams.coingecko.tickers import CoinGecko
from cryptoproxy.upstreams.history import Start
from cryptoproxy.upstreams.streaming.stream import Left
from tests.unit.upstreams.test_book_stream import BEGIN_MS as BEGIN
from tests.unit.upstreams.test_book_stream import Fed, slots
from tests.unit.upstreams.test_trades import NOW, binance, bybit, frame_of, numbers, recent, rows_of, tell

ODD = [b"NaN", b"-Infinity", b"1e400", b'"\\ud83d"', b'"\xff"', b"[" * 3000 + b"]" * 3000]
DAY = NOW - NOW % DAY_MS - 10 * DAY_MS
BROKEN = {
    "opened twice": (b"[?", b"[[?", 2),
    "closed twice": (b"!]", b"!]]", 1),
    "not closed": (b"!]", b"!", 2),
    "a bracket too many": (b"?,", b"?, [", 1),
    "a brace": (b"?,", b"?, {", 1),
    "a quote": (b"?,", b'?, "', 1),
    "a byte order mark": (b"", b"", 0),
}
"""What is wrong with the row whose first field is ``?`` and whose last one is ``!``, and how many rows that costs."""


def answer(body: bytes) -> Response:
    return Response(200, {}, body)


def put(odd: bytes, body: object) -> bytes:
    """With ``odd`` where the text ``?`` stands."""
    return json.dumps(body).encode().replace(b'"?"', odd)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("at", [0, 1])
def test_a_point_of_a_chart(odd: bytes, at: int) -> None:
    rows: list[list[object]] = [[DAY + day * DAY_MS, 1.5] for day in range(4)]
    rows[2][at] = "?"
    charts = CoinGeckoCharts(coins=Coins(Access()))
    body = put(odd, {"prices": rows, "market_caps": rows, "total_volumes": rows})
    page = charts.page("bitcoin", Start(0, symbol="BTC"), Span(DAY, NOW), answer(body), now_ms=NOW)
    assert len(page.records) == 3
    assert len(page.rejected) == 1


def broken(body: object, how: str) -> bytes:
    right, wrong, lost = BROKEN[how]
    text = json.dumps(body).encode().replace(b'"?"', b"?").replace(b'"!"', b"!").replace(right, wrong, 1)
    text = text.replace(b"?", str(DAY + 3 * MINUTE_MS).encode()).replace(b"!", b"1")
    return text if lost else b"\xef\xbb\xbf" + text


@pytest.mark.parametrize("how", BROKEN)
def test_a_row_with_a_quote_or_bracket_too_many_or_too_few(how: str) -> None:
    rows: list[list[object]] = [[DAY + minute * MINUTE_MS, *["1.5"] * 4, 1] for minute in range(7)]
    rows[3][0], rows[3][-1] = "?", "!"
    listed = {"retCode": 0, "result": {"category": "linear", "list": rows}, "retExtInfo": {}}
    for history, body in ((BinanceCandles("1m"), rows), (BybitCandles("linear", "1m"), listed)):
        page = history.page("BTCUSDT", Start(0), Span(DAY, NOW), answer(broken(body, how)), now_ms=NOW)
        assert len(page.records) == 7 - BROKEN[how][2]
        assert bool(page.rejected) == bool(BROKEN[how][2])


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("where", ["prices", "market_caps", "total_volumes"])
def test_a_point_with_a_quote_or_bracket_too_many_or_too_few(how: str, where: str) -> None:
    rows: list[list[object]] = [[DAY + day * DAY_MS, 1.5] for day in range(7)]
    body = dict.fromkeys(("prices", "market_caps", "total_volumes"), rows)
    body |= {where: [*rows[:3], ["?", "!"], *rows[4:]]}
    charts = CoinGeckoCharts(coins=Coins(Access()))
    page = charts.page("bitcoin", Start(0), Span(DAY, NOW), answer(broken(body, how)), now_ms=NOW)
    lost = max(1, BROKEN[how][2])  # the row itself is of no midnight
    whole = 7 - lost if where == "prices" else 7
    assert len(page.records) == whole
    for name in {"market_cap": "market_caps", "volume_24h": "total_volumes"}.items():
        there = sum(getattr(record, name[0]) is not None for record in page.records)
        assert there == (7 - lost if name[1] == where else whole)


def test_a_chart_without_caps_and_one_that_is_cut() -> None:
    charts = CoinGeckoCharts(coins=Coins(Access()))
    rows = [[DAY + day * DAY_MS, 1.5] for day in range(7)]
    body = json.dumps({"prices": rows, "market_caps": None, "total_volumes": rows}).encode()
    page = charts.page("bitcoin", Start(0), Span(DAY, NOW), answer(body), now_ms=NOW)
    assert [(each.market_cap, each.volume_24h) for each in page.records] == [(None, 1.5)] * 7
    for cut in (body[:-1], body[:-20], body[: body.index(b"null")]):
        with pytest.raises(TransientError, match="not what coingecko speaks"):
            charts.page("bitcoin", Start(0), Span(DAY, NOW), answer(cut), now_ms=NOW)


def test_bars_that_are_cut_behind_a_row_are_none() -> None:
    rows = json.dumps([[DAY + minute * MINUTE_MS, *["1.5"] * 4, 1] for minute in range(7)]).encode()
    with pytest.raises(TransientError, match="not what binance speaks"):
        BinanceCandles("1m").page("BTCUSDT", Start(0), Span(DAY, NOW), answer(rows[:-1]), now_ms=NOW)


@pytest.mark.parametrize("odd", ODD)
def test_the_row_that_tells_where_a_series_begins(odd: bytes) -> None:
    """It is told by nothing then; never that there is no such series."""
    names = put(odd, [{"id": "?", "symbol": "btc"}])
    assert CoinGeckoCharts(coins=Coins(Access())).start("bitcoin", answer(names)) == Start(0)
    assert BinanceCandles("1m").start("BTCUSDT", answer(put(odd, [["?", "1"]]))) == Start(0)
    listed = put(odd, {"retCode": 0, "result": {"list": [["?", "1"]]}})
    assert BybitCandles("linear", "1m").start("BTCUSDT", answer(listed)).begin_ms == 0


@pytest.mark.parametrize("stamp", [NOW * 1000, 2**63 - 1])
def test_a_series_that_begins_in_the_future_is_asked_for_again(stamp: int) -> None:
    walk = Walk(BinanceCandles("1m"), "BTCUSDT", Span(DAY, NOW), Cursor(), now_ms=lambda: NOW)
    with pytest.raises(TransientError, match="cannot begin at"):
        walk.step(lambda _: (answer(json.dumps([[stamp, "1", "1", "1", "1"]]).encode()), NOW))


@pytest.mark.parametrize("odd", ODD)
def test_a_row_of_a_page_of_trades(odd: bytes) -> None:
    stream = binance()
    tell(stream, rows_of(1, 5))
    (ask,) = stream.asks(now_ms=NOW + MINUTE_MS)
    rows = [*rows_of(2), {**rows_of(3)[0], "p": "?"}, *rows_of(4, 5)]
    assert len(rows) < PAGE
    stream.answered(ask, answer(put(odd, rows)), now_ms=NOW + MINUTE_MS)
    assert numbers(stream.collect(now_ms=NOW)) == [1, 5, 2]


def test_a_trade_of_the_future_gives_no_other_its_time() -> None:
    stream = binance()
    ahead, behind = rows_of(1, 2)
    tell(stream, [{**ahead, "T": NOW + DAY_MS // 2}, behind])
    first, second = stream.collect(now_ms=NOW).records
    assert first.fetched_at > second.fetched_at


ODD_TIMES = [NOW + 6 * HOUR_MS, NOW - 1_000 * DAY_MS, 0, -NOW]


@pytest.mark.parametrize("at_ms", ODD_TIMES)
@pytest.mark.parametrize("odd", [2, 3])
def test_a_time_of_a_trade_of_binance_begins_no_new_ids(odd: int, at_ms: int) -> None:
    """Two connections bring the same: the third with an odd time by the first, or the second by the other."""
    stream = binance()
    for first, rows in ((1, rows_of(1, 2, 3)), (2, rows_of(2, 3, 4, 5))):
        tell(stream, [{**row, "T": at_ms} if row["a"] == odd and odd != first + 1 else row for row in rows])
    batch = stream.collect(now_ms=NOW)
    assert sorted(numbers(batch)) == [1, 2, 3, 4, 5]
    assert not batch.gaps
    assert not stream.asks(now_ms=NOW + MINUTE_MS)
    assert NOW - MINUTE_MS < batch.marks["BTCUSDT"].at_ms <= NOW


@pytest.mark.parametrize("at_ms", ODD_TIMES)
@pytest.mark.parametrize("odd", ["b", "y", "z"])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_time_of_a_trade_of_bybit_hides_nothing_of_what_lacks(odd: str, at_ms: int, restarts: bool) -> None:
    """Of those before the break, behind it, and since then."""
    stream = bybit()

    def hear(trade_id: str, ago_ms: int) -> None:
        frame = frame_of(trade_id, at_ms=at_ms if trade_id == odd else NOW - ago_ms)
        stream.take(stream.venue.hear([frame]).data, now_ms=NOW)

    hear("a", 5_000)
    hear("b", 4_999)
    batch = stream.collect(now_ms=NOW)
    records = list(batch.records)
    if restarts:
        stream = bybit(left=Left(records=records))
    stream.cut(stream.topics, now_ms=NOW)
    hear("y", 4_000)
    hear("z", 3_999)
    (ask,) = stream.asks(now_ms=NOW + 1_000)
    body = recent("p", "q", "a", "b", "c", "d", "y", "z", at_ms=NOW - 5_002)
    stream.answered(ask, answer(json.dumps(body).encode()), now_ms=NOW + 1_000)
    batch = stream.collect(now_ms=NOW + 1_000)
    told = sorted(each.trade_id for each in [*records, *batch.records])  # type: ignore[attr-defined]
    assert told == ["a", "b", "c", "d", "y", "z"]
    assert all(
        NOW - MINUTE_MS < from_iso(gap.timestamp) <= from_iso(gap.until) <= NOW + MINUTE_MS for gap in batch.gaps
    )


@pytest.mark.parametrize("behind_ms", [0, 8_000, 25_000])
def test_what_lacks_is_found_while_our_clock_is_behind(behind_ms: int) -> None:
    """As after a step back, until it is measured again."""
    now_ms = NOW - behind_ms
    theirs = bybit()

    def hear(trade_id: str, ago_ms: int) -> None:
        theirs.take(theirs.venue.hear([frame_of(trade_id, at_ms=NOW - ago_ms)]).data, now_ms=now_ms)

    hear("a", 5_000)
    hear("b", 4_000)
    theirs.cut(theirs.topics, now_ms=now_ms)
    hear("e", 1_000)
    (ask,) = theirs.asks(now_ms=now_ms + 1_000)
    body = recent("a", "b", "c", "d", "e", at_ms=NOW - 4_001)
    theirs.answered(ask, answer(json.dumps(body).encode()), now_ms=now_ms + 1_000)
    batch = theirs.collect(now_ms=now_ms + 1_000)
    assert sorted(each.trade_id for each in batch.records) == ["a", "b", "c", "d", "e"]  # type: ignore[attr-defined]

    others = binance()
    tell(others, rows_of(1001, 1002), now_ms=now_ms)
    later = [{**row, "T": NOW + 120_000 + row["a"]} for row in rows_of(1, 2, 3)]  # ids begin anew
    tell(others, later, now_ms=now_ms + 120_000)
    batch = others.collect(now_ms=now_ms + 120_000)
    assert numbers(batch) == [1001, 1002, 1, 2, 3]
    assert [gap.why for gap in batch.gaps] == ["ids begin anew"]


@pytest.mark.parametrize("odd", [*ODD, b'["1"', b'"1"]', b'""1"'])
def test_a_row_of_bybits_newest_trades(odd: bytes) -> None:
    stream = bybit()
    stream.take(stream.venue.hear([frame_of("a", "b")]).data, now_ms=NOW)
    stream.cut(stream.topics, now_ms=NOW)
    stream.take(stream.venue.hear([frame_of("f", at_ms=NOW - 4_000)]).data, now_ms=NOW)
    (ask,) = stream.asks(now_ms=NOW + MINUTE_MS)
    body = recent("a", "b", "c", "d", "e", "f", at_ms=NOW - 5_000)
    body["result"]["list"][2]["price"] = "?"
    stream.answered(ask, answer(put(odd, body)), now_ms=NOW + MINUTE_MS)
    batch = stream.collect(now_ms=NOW)
    assert [each.trade_id for each in batch.records] == ["a", "b", "f", "c", "e"]  # type: ignore[attr-defined]
    assert len(batch.rejected) == 1


@pytest.mark.parametrize("odd", ODD)
def test_a_row_of_bybits_frame_costs_itself_and_is_looked_for(odd: bytes) -> None:
    stream = bybit()
    rows = json.loads(frame_of("a", "b", "c", "d"))
    rows["data"][1]["v"] = "?"
    stream.take(stream.venue.hear([put(odd, rows), frame_of("e", at_ms=NOW - 4_000)]).data, now_ms=NOW)
    batch = stream.collect(now_ms=NOW)
    assert [each.trade_id for each in batch.records] == ["a", "c", "d", "e"]  # type: ignore[attr-defined]
    assert len(stream.asks(now_ms=NOW + MINUTE_MS)) == 1


def test_a_frame_that_is_nested_too_deeply_ends_no_stream() -> None:
    venue = BybitVenue(Category.LINEAR, base_url="http://bybit")
    stream = BybitCandleStream(venue, BybitCandles("linear", "1m", symbols=["BTCUSDT"]))
    stream.begin(Left(), now_ms=NOW)
    row = {"start": NOW, "end": NOW + MINUTE_MS - 1, "confirm": True, "timestamp": NOW + MINUTE_MS}
    prices = dict.fromkeys(("open", "high", "low", "close", "volume", "turnover"), "1")
    frames = [
        put(odd, {"topic": "kline.1.BTCUSDT", "data": [{**row, **prices, "more": "?"}]}) for odd in (ODD[-1], b"1")
    ]
    stream.take(venue.hear(frames).data, now_ms=NOW + MINUTE_MS)
    batch = stream.collect(now_ms=NOW + MINUTE_MS)
    assert (len(batch.records), [row.reason for row in batch.rejected]) == (1, ["bad_row"])


@pytest.mark.parametrize("numbers", [(11, 10**13), (10**13, 10**13), (10**13, 11)], ids=str)
def test_a_frame_of_a_book_with_numbers_that_lie(numbers: tuple[int, int]) -> None:
    """The book begins anew by what comes after it."""
    fed = Fed().started()
    fed.frame(500, *numbers)
    for at in range(100):
        fed.frame(600 + at * 200, 11 + at, 11 + at)
    asks = fed.stream.asks(now_ms=BEGIN + 21_000)
    if asks:
        fed.snapshot(21_000, 110)
    for at in range(20):
        fed.frame(21_100 + at * 100, 111 + at, 111 + at)
    assert slots(fed.collect(23_500))[-1:] == [23]


@pytest.mark.parametrize("odd", ODD)
def test_a_figure_of_the_whole_market(odd: bytes) -> None:
    told: Mapping[str, object] = {"total_market_cap": {"usd": 7, "aed": "?"}, "total_volume": "?", "markets": 3}
    trending = {"coins": [{"item": {"id": "a", "thumb": "?"}}, {"item": {"id": "b"}}]}
    exchanges = [{"id": "x", "trade_volume_24h_btc": 1}, {"id": "y", "url": "?"}]
    bodies = [put(odd, each) for each in ({"data": told}, trending, exchanges)]
    poll = CoinGeckoMarket(Access()).read(bodies, slot_ms=NOW, fetched_at_ms=NOW)
    found = {(record.asset_id, record.metric) for record in poll.records}  # type: ignore[attr-defined]
    wanted = {("global", "total-market-cap"), ("global", "markets"), ("exchange-x", "volume-24h")}
    assert found in (wanted | {("b", "trending-rank")}, wanted | {("a", "trending-rank"), ("b", "trending-rank")})


@pytest.mark.parametrize("odd", ODD)
def test_a_field_of_an_asset(odd: bytes) -> None:
    source = CoinGeckoAssets(Access(), tickers=CoinGecko(ids=["bitcoin"]), ids=["bitcoin"])
    body = put(
        odd, {"id": "bitcoin", "symbol": "?", "name": "Bitcoin", "links": {"homepage": ["?"], "whitepaper": "w"}}
    )
    (record,) = source.read([body], slot_ms=NOW, fetched_at_ms=NOW).records
    assert (record.name, record.whitepaper) == ("Bitcoin", "w")  # type: ignore[attr-defined]
