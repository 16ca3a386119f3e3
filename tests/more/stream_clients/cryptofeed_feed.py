"""What cryptofeed, which speaks only wss, understands of a Binance at the given addresses. Prints JSON."""

import json
import os
import sys

from cryptofeed import FeedHandler
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint
from cryptofeed.defines import L2_BOOK, TRADES
from cryptofeed.exchanges import Binance

http, ws = sys.argv[1:]
Binance.websocket_endpoints = [WebsocketEndpoint(ws)]
Binance.rest_endpoints = [
    RestEndpoint(http, routes=Routes("/api/v3/exchangeInfo", l2book="/api/v3/depth?symbol={}&limit={}"))
]
trades, books = [], []


async def keep_trade(trade, receipt):
    trades.append({"id": trade.id, "price": str(trade.price)})
    end()


async def keep_book(book, receipt):
    sides = book.book.to_dict()
    books.append({side: [float(price) for price in list(sides[side])[:20]] for side in ("bid", "ask")})
    end()


def end():
    if len(trades) >= 100 and len(books) >= 20:
        print(json.dumps({"trades": trades, "book": books[-1]}), flush=True)
        os._exit(0)


feeds = FeedHandler(config={"uvloop": False, "log": {"disabled": True}})
callbacks = {TRADES: keep_trade, L2_BOOK: keep_book}
feeds.add_feed(Binance(symbols=["BTC-USDT"], channels=[TRADES, L2_BOOK], callbacks=callbacks))
feeds.run(install_signal_handlers=False)
