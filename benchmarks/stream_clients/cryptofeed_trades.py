"""Trades by cryptofeed, written to a topic and nothing more. In an environment of its own; it speaks only wss.

Arguments: REST and WebSocket addresses, broker, topic.
"""

import json
import sys

from confluent_kafka import Producer
from cryptofeed import FeedHandler
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint
from cryptofeed.defines import TRADES
from cryptofeed.exchanges import Binance

rest, ws, broker, topic = sys.argv[1:]
SYMBOLS = ["BTC-USDT", "ETH-USDT", "BNB-USDT"]
Binance.websocket_endpoints = [WebsocketEndpoint(ws)]
Binance.rest_endpoints = [RestEndpoint(rest, routes=Routes("/api/v3/exchangeInfo"))]
producer = Producer({"bootstrap.servers": broker, "acks": "all", "compression.type": "lz4", "linger.ms": 5})


async def keep(trade, receipt):
    producer.produce(topic, json.dumps(trade.to_dict(numeric_type=str)).encode(), f"binance:{trade.symbol}".encode())
    producer.poll(0)


feeds = FeedHandler(config={"uvloop": False, "log": {"disabled": True}})
feeds.add_feed(Binance(symbols=SYMBOLS, channels=[TRADES], callbacks={TRADES: keep}))
feeds.run(install_signal_handlers=False)
