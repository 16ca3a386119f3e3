"""What ccxt.pro understands of a Binance and a Bybit at the given addresses. Prints JSON.

``TRADES`` is the kind of Binance's trades that is watched.
"""

import asyncio
import json
import os
import sys

import ccxt.pro

binance_http, binance_ws, bybit_http, bybit_ws = sys.argv[1:]


def binance():
    exchange = ccxt.pro.binance({"options": {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False}})
    exchange.urls["api"] |= {"public": f"{binance_http}/api/v3", "v1": f"{binance_http}/api/v1"}
    exchange.urls["api"]["ws"]["spot"] = f"{binance_ws}/ws"
    exchange.options["watchTrades"]["name"] = os.environ.get("TRADES", "trade")
    return exchange


def bybit():
    exchange = ccxt.pro.bybit({"options": {"fetchMarkets": {"types": ["spot", "linear"]}, "defaultType": "swap"}})
    exchange.urls["api"] |= dict.fromkeys(("spot", "futures", "v2", "public"), bybit_http)
    for product in ("spot", "linear"):
        exchange.urls["api"]["ws"]["public"][product] = f"{bybit_ws}/v5/public/{product}"
    return exchange


async def trades(exchange, symbol, count):
    found = []
    while len(found) < count:
        found += await exchange.watch_trades(symbol)
    return [{name: each[name] for name in ("id", "timestamp", "price")} for each in found]


async def watched(exchange, symbol):
    found, bars, ticker = await asyncio.gather(
        trades(exchange, symbol, 40), exchange.watch_ohlcv(symbol, "1m"), exchange.watch_ticker(symbol)
    )
    for _ in range(15):
        book = await exchange.watch_order_book(symbol)
    result = {
        "trades": found,
        "bars": bars,
        "last": ticker["last"],
        "at": ticker["timestamp"],
        "bids": book["bids"][:20],
        "asks": book["asks"][:20],
    }
    await exchange.close()
    return result


async def main():
    exchanges = {"binance": (binance(), "BTC/USDT"), "bybit": (bybit(), "BTC/USDT:USDT")}
    print(json.dumps({name: await watched(*each) for name, each in exchanges.items()}))


asyncio.run(main())
