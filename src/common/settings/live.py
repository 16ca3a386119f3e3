"""The settings of what is shown as it comes. They stand among those of Kafka."""

from __future__ import annotations

from dataclasses import dataclass

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.loading import setting

KEPT_SECONDS = 600
"""What is older on the topic is of no use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Frames of streams as they came, for the door."""

    live_symbols: tuple[str, ...] | None = setting(
        "LIVE_SYMBOLS",
        kinds.names(),
        "",
        "Symbols whose changes of books and open candles are sent as they come, where their feeds are streamed.",
        example="BTCUSDT,ETHUSDT",
    )
    live_topic: str = setting(
        "KAFKA_LIVE_TOPIC",
        kinds.matching(
            r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,200}",
            "topic name",
            "is not a topic name (1 to 200 of A-Z, a-z, 0-9, '.', '_', '-')",
        ),
        "crypto.live",
        "Where: kept for ten minutes, promises nothing. Made by `cryptoproxy setup` where LIVE_SYMBOLS is set.",
    )
