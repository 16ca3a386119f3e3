"""The settings of streams, and of order books, which come by stream. They stand among those of the upstreams."""

from __future__ import annotations

from dataclasses import dataclass

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.loading import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """What is streamed: addresses, symbols, and how it is put into batches."""

    binance_ws_url: str = setting(
        "BINANCE_WS_URL",
        kinds.url("wss", "ws"),
        "wss://stream.binance.com:9443",
        "Address of Binance's streams.",
        example="wss://data-stream.binance.vision",
    )
    binance_stream_symbols: tuple[str, ...] | None = setting(
        "BINANCE_STREAM_SYMBOLS",
        kinds.names(),
        "",
        "Pairs to stream; by default those of BINANCE_SYMBOLS, where they are named.",
        example="BTCUSDT,ETHUSDT",
    )
    bybit_ws_url: str = setting(
        "BYBIT_WS_URL",
        kinds.url("wss", "ws"),
        "wss://stream.bybit.com",
        "Address of Bybit's streams.",
        example="wss://stream.bytick.com",
    )
    bybit_stream_symbols: tuple[str, ...] | None = setting(
        "BYBIT_STREAM_SYMBOLS",
        kinds.names(),
        "",
        "Symbols to stream; by default those of BYBIT_SYMBOLS, where they are named.",
        example="BTCUSDT",
    )
    stream_batch_seconds: float = setting(
        "STREAM_BATCH_SECONDS",
        kinds.seconds(0.05, 60),
        "1",
        "So long what a stream brings is gathered before it is kept as one batch.",
    )
    stream_batch_records: int = setting(
        "STREAM_BATCH_RECORDS",
        kinds.whole(1, 1_000_000),
        "10000",
        "So many records are kept at once, however short they were gathered.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Books(Streams):
    """How often an order book is told, and how much of it is known."""

    book_interval: float = setting(
        "BOOK_INTERVAL", kinds.interval(), "1", "Seconds between the slots at which each order book is told."
    )
    binance_book_levels: str = setting(
        "BINANCE_BOOK_LEVELS",
        kinds.choice("100", "500", "1000", "5000"),
        "1000",
        "Levels a side of the snapshot that a book begins with; more reach further, and weigh 5, 25, 50, 250.",
    )
    bybit_book_levels: str = setting(
        "BYBIT_BOOK_LEVELS",
        kinds.choice("50", "200", "1000"),
        "200",
        "Levels a side that are streamed; more reach further, and come less often.",
    )
