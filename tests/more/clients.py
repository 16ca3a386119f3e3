"""Run in the environment of tests/more/clients.txt: asks by clients that others wrote, unchanged but for their base URL.

Arguments: the base URLs of CoinGecko, Binance and Bybit, and the moment of "now" in ms. Prints JSON: by the call's name
its result, and where the answers to its requests came from (``X-Data-Source``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import requests

SEEN: list[str] = []
HOUR = 3_600_000
DAY = 24 * HOUR


def note(response: Any, *_: Any, **__: Any) -> None:
    SEEN.append(response.headers.get("X-Data-Source", ""))


_send = requests.Session.send


def send(self: requests.Session, *args: Any, **kwargs: Any) -> requests.Response:
    response = _send(self, *args, **kwargs)
    note(response)
    return response


requests.Session.send = send  # type: ignore[method-assign]


def coingecko(url: str, now: int) -> dict[str, Callable[[], Any]]:
    from pycoingecko import CoinGeckoAPI

    cg = CoinGeckoAPI()
    cg.api_base_url = f"{url}/"
    return {
        "ping": cg.ping,
        "price": lambda: cg.get_price(ids=["bitcoin", "ethereum"], vs_currencies="usd", include_last_updated_at=True),
        "price, change": lambda: cg.get_price(ids="bitcoin", vs_currencies="usd", include_24hr_change="true"),
        "markets": lambda: cg.get_coins_markets(vs_currency="usd", per_page=20, page=1),
        "markets, second page": lambda: cg.get_coins_markets(vs_currency="usd", per_page=20, page=2),
        "markets by ids": lambda: cg.get_coins_markets(
            vs_currency="usd", ids="bitcoin,ethereum", price_change_percentage="1h,24h,7d"
        ),
        "markets, missing currency": lambda: cg.get_coins_markets(vs_currency=""),
        "global": cg.get_global,
        "trending": cg.get_search_trending,
        "exchanges": lambda: cg.get_exchanges_list(per_page=10),
        "list": cg.get_coins_list,
        "coin": lambda: cg.get_coin_by_id("bitcoin", localization="false"),
        "no such coin": lambda: cg.get_coin_by_id("no-such-coin"),
        "ohlc": lambda: cg.get_coin_ohlc_by_id("bitcoin", vs_currency="usd", days=7),
        "chart": lambda: cg.get_coin_market_chart_by_id("bitcoin", vs_currency="usd", days=2),
        "chart of past days": lambda: cg.get_coin_market_chart_range_by_id(
            "bitcoin", vs_currency="usd", from_timestamp=(now - 120 * DAY) // 1000, to_timestamp=(now - 2 * DAY) // 1000
        ),
    }


def official(url: str, now: int) -> dict[str, Callable[[], Any]]:
    """CoinGecko's own SDK, which asks by httpx."""
    import httpx
    from coingecko_sdk import Coingecko

    def noting(client: Any, *args: Any, _send: Any = httpx.Client.send, **kwargs: Any) -> Any:
        response = _send(client, *args, **kwargs)
        note(response)
        return response

    httpx.Client.send = noting  # type: ignore[method-assign]
    cg = Coingecko(base_url=url, demo_api_key="any", environment="demo", max_retries=0)
    return {
        "ping": lambda: cg.ping.get().to_dict(),
        "price": lambda: str(
            cg.simple.price.get(ids="bitcoin,ethereum", vs_currencies="usd", include_last_updated_at=True)
        ),
        "markets": lambda: [each.to_dict() for each in cg.coins.markets.get(vs_currency="usd", per_page=20)],
        "markets by ids": lambda: [
            each.to_dict()
            for each in cg.coins.markets.get(
                vs_currency="usd", ids="bitcoin,ethereum", price_change_percentage="1h,24h,7d"
            )
        ],
        "global": lambda: cg.global_.get().to_dict(),
        "trending": lambda: cg.search.trending.get().to_dict(),
        "list": lambda: [each.to_dict() for each in cg.coins.list.get()],
        "ohlc": lambda: cg.coins.ohlc.get("bitcoin", vs_currency="usd", days="7"),
        "no such coin": lambda: cg.coins.get_id("no-such-coin").to_dict(),
    }


def of_ccxt(kind: str, url: str, now: int) -> dict[str, Callable[[], Any]]:
    import ccxt

    exchange = {
        "binance": lambda: ccxt.binance(
            {"urls": {"api": {"public": f"{url}/api/v3"}}, "options": {"fetchMarkets": {"types": ["spot"]}}}
        ),
        "bybit": lambda: ccxt.bybit(
            {"urls": {"api": {"public": url}}, "options": {"fetchMarkets": {"types": ["spot", "linear", "inverse"]}}}
        ),
    }[kind]()
    exchange.enableRateLimit = False
    hour = now - now % HOUR
    symbol = "BTC/USDT" if kind == "binance" else "BTC/USDT:USDT"
    some = [symbol, symbol.replace("BTC", "ETH")]
    more: dict[str, dict[str, Any]] = {"binance": {}, "bybit": {"category": "linear"}}
    return {
        "markets": exchange.load_markets,
        "time": exchange.fetch_time,
        "ticker": lambda: exchange.fetch_ticker(symbol),
        "tickers": lambda: exchange.fetch_tickers(params=more[kind]),
        "some tickers": lambda: exchange.fetch_tickers(some),
        "bars since": lambda: exchange.fetch_ohlcv(symbol, "1h", since=hour - 30 * HOUR, limit=20),
        "bars since, all": lambda: exchange.fetch_ohlcv(symbol, "1h", since=hour - 10 * HOUR, limit=10),
        "bars until": lambda: exchange.fetch_ohlcv(
            symbol, "1h", since=hour - 30 * HOUR, limit=20, params={"until": hour - 15 * HOUR}
        ),
        "bars by pages": lambda: exchange.fetch_ohlcv(
            symbol, "1h", since=hour - 30 * HOUR, params={"paginate": True, "until": hour - 1}
        ),
        "newest bars": lambda: exchange.fetch_ohlcv(symbol, "1h", limit=5),
        "trades": lambda: exchange.fetch_trades(symbol, limit=50),
        "book": lambda: exchange.fetch_order_book(symbol, limit=50),
        "no such symbol": lambda: exchange.fetch_ticker("NO/SUCH"),
        "no such interval": lambda: exchange.fetch_ohlcv(symbol, "7m"),
    }


def python_binance(url: str, now: int) -> dict[str, Callable[[], Any]]:
    from binance.client import Client

    Client.API_URL = f"{url}/api"
    client = Client()
    hour = now - now % HOUR
    return {
        "time": client.get_server_time,
        "ticker": lambda: client.get_ticker(symbol="BTCUSDT"),
        "tickers": client.get_ticker,
        "klines": lambda: client.get_klines(symbol="BTCUSDT", interval="1h", startTime=hour - 9 * HOUR, limit=5),
        "klines between": lambda: client.get_klines(
            symbol="BTCUSDT", interval="1h", startTime=hour - 29 * HOUR, endTime=hour - 20 * HOUR
        ),
        "klines before": lambda: client.get_klines(symbol="BTCUSDT", interval="1h", endTime=hour - 1, limit=7),
        "historical klines": lambda: client.get_historical_klines("BTCUSDT", "1h", hour - 20 * HOUR, hour - 10 * HOUR),
        "trades": lambda: client.get_aggregate_trades(symbol="BTCUSDT", limit=50),
        "book": lambda: client.get_order_book(symbol="BTCUSDT", limit=50),
        "symbol info": lambda: client.get_symbol_info("BTCUSDT"),
        "no such symbol": lambda: client.get_ticker(symbol="NOTHING"),
        "wrong interval": lambda: client.get_klines(symbol="BTCUSDT", interval="1x"),
    }


def of_pybit(url: str, now: int) -> dict[str, Callable[[], Any]]:
    from pybit.unified_trading import HTTP

    session = HTTP()
    session.endpoint = url
    hour = now - now % HOUR
    return {
        "time": session.get_server_time,
        "linear tickers": lambda: session.get_tickers(category="linear"),
        "inverse tickers": lambda: session.get_tickers(category="inverse"),
        "spot ticker": lambda: session.get_tickers(category="spot", symbol="BTCUSDT"),
        "kline": lambda: session.get_kline(
            category="linear", symbol="BTCUSDT", interval=60, start=hour - 20 * HOUR, limit=10
        ),
        "kline between": lambda: session.get_kline(
            category="linear", symbol="BTCUSDT", interval=60, start=hour - 20 * HOUR, end=hour - 11 * HOUR
        ),
        "trades": lambda: session.get_public_trade_history(category="linear", symbol="BTCUSDT", limit=50),
        "book": lambda: session.get_orderbook(category="linear", symbol="BTCUSDT", limit=50),
        "instruments": lambda: session.get_instruments_info(category="spot", symbol="BTCUSDT"),
        "no such symbol": lambda: session.get_tickers(category="linear", symbol="NOTHING"),
        "wrong interval": lambda: session.get_kline(category="linear", symbol="BTCUSDT", interval=7),
    }


def asked(call: Callable[[], Any]) -> dict[str, Any]:
    SEEN.clear()
    try:
        found: dict[str, Any] = {"result": call()}
    except Exception as error:
        found = {"error": type(error).__name__, "code": getattr(error, "code", getattr(error, "status_code", None))}
    return {**found, "from": list(SEEN)}


def main() -> None:
    gecko, binance, bybit, now = *sys.argv[1:4], int(sys.argv[4])
    every = {
        "pycoingecko": coingecko(gecko, now),
        "coingecko_sdk": official(gecko, now),
        "ccxt binance": of_ccxt("binance", binance, now),
        "ccxt bybit": of_ccxt("bybit", bybit, now),
        "python-binance": python_binance(binance, now),
        "pybit": of_pybit(bybit, now),
    }
    found = {f"{client}: {name}": asked(call) for client, calls in every.items() for name, call in calls.items()}
    json.dump(found, sys.stdout, default=str)


if __name__ == "__main__":
    main()
