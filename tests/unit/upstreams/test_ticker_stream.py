"""Binance's tickers by stream, and which feeds SOURCES may name together."""

from __future__ import annotations

import json

import pytest

from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import TICKER, Feed, Ticker, iso
from cryptoproxy.errors import SettingsError
from cryptoproxy.upstreams import pollings_of, streams_of
from cryptoproxy.upstreams.binance.candles import whole_list
from cryptoproxy.upstreams.binance.streams.tickers import BinanceTickerStream
from cryptoproxy.upstreams.binance.streams.venue import BinanceVenue
from cryptoproxy.upstreams.streaming.stream import Left, Mark

URL = "http://exchange.example"
NOON = 1_795_262_400_000


def made(left: Left | None = None) -> BinanceTickerStream:
    stream = BinanceTickerStream(
        venue=BinanceVenue(base_url=URL), symbols=["BNBBTC"], symbol_list=whole_list(URL), interval_ms=1_000
    )
    stream.begin(left or Left(), now_ms=NOON)
    return stream


def frame(price: str = "0.0025") -> bytes:
    # The payload of Binance's documentation.
    data = {
        "e": "24hrTicker", "E": NOON, "s": "BNBBTC", "p": "0.0015", "P": "250.00", "w": "0.0018", "x": "0.0009",
        "c": price, "Q": "10", "b": "0.0024", "B": "10", "a": "0.0026", "A": "100", "o": "0.0010", "h": "0.0025",
        "l": "0.0010", "v": "10000", "q": "18", "O": 0, "C": NOON - 10, "F": 0, "L": 18150, "n": 18151,
    }  # fmt: skip
    return json.dumps({"stream": "bnbbtc@ticker", "data": data}).encode()


def hear(stream: BinanceTickerStream, *frames: bytes, now_ms: int) -> None:
    stream.take(stream.venue.hear(frames).data, now_ms=now_ms)


def test_the_first_frame_of_a_slot_is_its_record() -> None:
    stream = made()
    hear(stream, frame(), now_ms=NOON + 120)
    hear(stream, frame("0.0026"), now_ms=NOON + 900)
    hear(stream, frame("0.0027"), now_ms=NOON + 1_100)
    batch = stream.collect(now_ms=NOON + 1_200)
    first, second = batch.records
    assert TICKER.codec.decode(TICKER.codec.encode(first)) == Ticker(
        source="binance",
        asset_id="BNBBTC",
        symbol="BNBBTC",
        name="BNBBTC",
        quote="BTC",
        price=0.0025,
        timestamp=iso(NOON),
        fetched_at=iso(NOON + 120),
        fetch_delay_ms=120,
        last_updated=iso(NOON - 10),
        volume_24h=18.0,
        high_24h=0.0025,
        low_24h=0.001,
        change_24h=250.0,
        open_24h=0.001,
        base_volume_24h=10_000.0,
        trades_24h=18_151,
        price_change_24h=0.0015,
        bid_price=0.0024,
        ask_price=0.0026,
        interval_ms=1_000,
    )
    assert (second.timestamp, second.price) == (iso(NOON + 1_000), 0.0027)  # type: ignore[attr-defined]
    assert batch.marks == {"BNBBTC": Mark(str(NOON + 1_000), NOON + 1_000)}
    assert not stream.asks(now_ms=NOON + 60_000)


def test_a_slot_that_the_holder_before_has_kept_is_not_told_again() -> None:
    stream = made(Left(marks={"BNBBTC": Mark(str(NOON), NOON)}))
    hear(stream, frame(), now_ms=NOON + 500)
    assert not stream.collect(now_ms=NOON + 500).records


def settings(sources: str) -> Settings:
    return Settings.from_texts({"SOURCES": sources})


def test_what_is_streamed_is_not_polled() -> None:
    upstreams = settings("coingecko,binance.ticker@stream,binance.trade,binance.candle-1m@stream").upstreams
    assert list(pollings_of(upstreams)) == ["coingecko"]
    assert [stream.feed for stream in streams_of(upstreams)] == [
        Feed("binance"),
        Feed("binance", "trade"),
        Feed("binance", "candle", "1m"),
    ]


@pytest.mark.parametrize("sources", ["binance,binance.ticker@stream", "binance.candle-1m@stream,binance.candle-1m"])
def test_the_same_records_are_not_taken_twice(sources: str) -> None:
    with pytest.raises(SettingsError, match="take one of them"):
        pollings_of(settings(sources).upstreams)


def test_an_unknown_stream_is_told_what_there_is() -> None:
    with pytest.raises(SettingsError, match=r"binance.trade"):
        pollings_of(settings("binance.trades").upstreams)
