"""The settings of order books, which come by stream. They stand among those of the upstreams."""

from __future__ import annotations

from dataclasses import dataclass

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.loading import setting
from cryptoproxy.common.settings.streams import Streams


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
