"""Trades by cryptofeed, written to a topic and nothing more. In an environment of its own; it speaks only wss.

Arguments: REST and WebSocket addresses, broker, topic, and by what they are written: `own`, cryptofeed's own way to
Kafka, which waits for each, or `librdkafka`.
"""

import json
import sys

from cryptofeed import FeedHandler
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint
from cryptofeed.defines import TRADES
from cryptofeed.exchanges import Binance

rest, ws, broker, topic, way = sys.argv[1:]
SYMBOLS = ["BTC-USDT", "ETH-USDT", "BNB-USDT"]
Binance.websocket_endpoints = [WebsocketEndpoint(ws)]
Binance.rest_endpoints = [RestEndpoint(rest, routes=Routes("/api/v3/exchangeInfo"))]


def own():
    from cryptofeed.backends.kafka import TradeKafka

    class ToTopic(TradeKafka):
        def topic(self, data):
            return topic

    return ToTopic(bootstrap_servers=broker, acks="all")


def librdkafka():
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": broker, "acks": "all", "compression.type": "lz4", "linger.ms": 5})

    async def keep(trade, receipt):
        value = json.dumps(trade.to_dict(numeric_type=str)).encode()
        producer.produce(topic, value, f"binance:{trade.symbol}".encode())
        producer.poll(0)

    return keep


feeds = FeedHandler(config={"uvloop": False, "log": {"disabled": True}})
feeds.add_feed(
    Binance(symbols=SYMBOLS, channels=[TRADES], callbacks={TRADES: {"own": own, "librdkafka": librdkafka}[way]()})
)
feeds.run(install_signal_handlers=False)
