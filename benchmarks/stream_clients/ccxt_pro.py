"""Trades by ccxt.pro, written to a topic and nothing more. In an environment of its own.

Arguments: REST and WebSocket addresses, broker, topic.
"""

import asyncio
import json
import sys

import ccxt.pro
from confluent_kafka import Producer

rest, ws, broker, topic = sys.argv[1:]
SYMBOLS = ["BTC/USDT", "ETH/USDT", "BNB/USDT"]


async def main():
    exchange = ccxt.pro.binance({"options": {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False}})
    exchange.urls["api"] |= {"public": f"{rest}/api/v3", "v1": f"{rest}/api/v1"}
    exchange.urls["api"]["ws"]["spot"] = f"{ws}/ws"
    producer = Producer({"bootstrap.servers": broker, "acks": "all", "compression.type": "lz4", "linger.ms": 5})
    while True:
        for trade in await exchange.watch_trades_for_symbols(SYMBOLS, params={"name": "aggTrade"}):
            trade.pop("info")
            producer.produce(topic, json.dumps(trade).encode(), f"binance:{trade['symbol']}".encode())
        producer.poll(0)


asyncio.run(main())
