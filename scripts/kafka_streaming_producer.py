"""Streams closed candles of Binance to Kafka: `cryptoproxy produce` under a name that some know.

    python scripts/kafka_streaming_producer.py --symbols BTC,ETH,BNB --interval 1m
    python scripts/kafka_streaming_producer.py --symbols BTC --interval 1m --trades

A coin is its pair with --quote. All other settings are those of the environment.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from cryptoproxy.cli import main
from cryptoproxy.upstreams.binance.candles import BinanceCandles


def settings_of(arguments: Sequence[str]) -> dict[str, str]:
    """The settings that these arguments stand for."""
    parser = argparse.ArgumentParser(description="Streams closed candles of Binance to Kafka")
    parser.add_argument("--symbols", default="BTC,ETH,BNB", help="coins or pairs, with commas between them")
    parser.add_argument("--quote", default="USDT", help="of a coin's pair (USDT)")
    parser.add_argument("--interval", default="1m", choices=list(BinanceCandles.intervals), help="of the candles (1m)")
    parser.add_argument("--trades", action="store_true", help="every trade, too")
    asked = parser.parse_args(arguments)
    names = [each.strip().upper() for each in asked.symbols.split(",") if each.strip()]
    pairs = [each if each.endswith(asked.quote) and each != asked.quote else each + asked.quote for each in names]
    sources = [f"binance.candle-{asked.interval}@stream", *(["binance.trade"] if asked.trades else [])]
    return {"SOURCES": ",".join(sources), "BINANCE_STREAM_SYMBOLS": ",".join(pairs)}


if __name__ == "__main__":
    os.environ.update(settings_of(sys.argv[1:]))
    sys.argv[1:] = ["produce"]
    main.main()
