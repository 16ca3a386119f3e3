"""What pybit's WebSocket understands of a Bybit at the given address. Prints JSON."""

import json
import sys
import threading

import pybit.unified_trading
from pybit.unified_trading import WebSocket

_, ws = sys.argv[1:]
pybit.unified_trading.PUBLIC_WSS = ws + "/v5/public/{CHANNEL_TYPE}"

found = {}
done = threading.Event()
WANTED = {"trades": 30, "bars": 2, "tickers": 3, "books": 20, "spot": 20}


def keep(name):
    def keeper(message):
        found.setdefault(name, []).append(json.loads(json.dumps(message)))
        if all(len(found.get(each, ())) >= count for each, count in WANTED.items()):
            done.set()

    return keeper


linear = WebSocket(testnet=False, channel_type="linear")
linear.trade_stream("BTCUSDT", keep("trades"))
linear.kline_stream(1, "BTCUSDT", keep("bars"))
linear.ticker_stream("BTCUSDT", keep("tickers"))
linear.orderbook_stream(50, "BTCUSDT", keep("books"))
spot = WebSocket(testnet=False, channel_type="spot")
spot.trade_stream(["BTCUSDT", "ETHUSDT"], keep("spot"))
assert done.wait(120), {name: len(messages) for name, messages in found.items()}
linear.exit()
spot.exit()
print(json.dumps(found))
