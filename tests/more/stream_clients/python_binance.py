"""What python-binance's sockets understand of a Binance at the given address. Prints JSON.

``TRADES`` is the kind of trades that is listened to beside others.
"""

import asyncio
import json
import os
import sys

from binance import AsyncClient, BinanceSocketManager, DepthCacheManager

http, ws = sys.argv[1:]
AsyncClient.API_URL = f"{http}/api"
BOTH = {f"btcusdt@{os.environ.get('TRADES', 'trade')}", "ethusdt@depth5@100ms"}
BinanceSocketManager.STREAM_URL = f"{ws}/"


async def receive(socket, count):
    async with socket as stream:
        return [await stream.recv() for _ in range(count)]


async def receive_each(socket, topics):
    """Until each has come: of how many messages, how busy they are decides."""
    found = set()
    async with socket as stream:
        while not found >= topics:
            found.add((await stream.recv())["stream"])
    return sorted(found)


async def main():
    client = await AsyncClient.create()
    sockets = BinanceSocketManager(client)
    trades, bars, topics, ticker, minis, book = await asyncio.gather(
        receive(sockets.aggtrade_socket("BTCUSDT"), 50),
        receive(sockets.kline_socket("ETHUSDT", interval="1m"), 2),
        receive_each(sockets.multiplex_socket([*BOTH]), BOTH),
        receive(sockets.symbol_ticker_socket("BTCUSDT"), 1),
        receive(sockets.miniticker_socket(), 1),
        receive(DepthCacheManager(client, "ETHUSDT", refresh_interval=0), 20),
    )
    last = book[-1]
    print(
        json.dumps(
            {
                "trades": trades,
                "bars": [message["k"] for message in bars],
                "topics": topics,
                "ticker": ticker[0]["c"],
                "minis": len(minis[0]),
                "bids": [price for price, _ in last.get_bids()[:20]],
                "asks": [price for price, _ in last.get_asks()[:20]],
            }
        )
    )
    await client.close_connection()


asyncio.run(main())
