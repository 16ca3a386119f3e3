"""Rows of ``/api/v3/ticker/24hr`` and of ``/api/v3/exchangeInfo``, as bytes."""

from __future__ import annotations

from collections.abc import Sequence

from cryptoproxy.sandbox.upstream import Rows
from cryptoproxy.sandbox.world.intervals import DAY
from cryptoproxy.sandbox.world.market import SeededMarket
from cryptoproxy.sandbox.world.pairs import Pair, Tapes, price_at

DAY_MS = DAY * 1000


class Tickers:
    """The row of each pair; that of a halted one stays as it was."""

    def __init__(self, market: SeededMarket, pairs: Sequence[Pair], tapes: Tapes) -> None:
        self._market = market
        self._pairs = pairs
        self._tapes = tapes
        self._closed = {
            pair.symbol: _halted(market, pair, pair.delisted * 1000) for pair in pairs if pair.delisted is not None
        }
        self._rows = Rows()

    def all(self, now_ms: int) -> bytes:
        """The whole market as a JSON array."""
        return b"[" + b",".join([self.row(pair, now_ms) for pair in self._pairs]) + b"]"

    def row(self, pair: Pair, now_ms: int) -> bytes:
        if closed := self._closed.get(pair.symbol):
            return closed
        updated_ms = pair.beat.last(now_ms)
        return self._rows.row(pair.place, updated_ms, _trading, self._market, self._tapes, pair, updated_ms)


def best(market: SeededMarket, pair: Pair, last: float, second: int) -> tuple[float, float]:
    """The best bid and ask of that second."""
    bid = max(pair.tick, last - pair.tick * (market.draw(pair.place, second) < 0.5))
    return bid, bid + pair.tick


def _trading(market: SeededMarket, tapes: Tapes, pair: Pair, updated_ms: int) -> bytes:
    second = updated_ms // 1000
    quote = tapes.quote(pair, second)
    last, opened = quote.last, quote.open
    bid, ask = best(market, pair, last, second)
    average = quote.turnover / quote.volume if quote.volume else last
    sizes = [
        round(market.draw(pair.place, second + n) * quote.volume / (50_000 if n == 1 else 2_000), pair.size_decimals)
        for n in (1, 2, 3)
    ]
    return (
        f'{{"symbol":"{pair.symbol}","priceChange":"{last - opened:.8f}"'
        f',"priceChangePercent":"{(last / opened - 1) * 100:.3f}"'
        f',"weightedAvgPrice":"{max(1e-8, average):.8f}","prevClosePrice":"{opened:.8f}","lastPrice":"{last:.8f}"'
        f',"lastQty":"{sizes[0]:.8f}","bidPrice":"{bid:.8f}","bidQty":"{sizes[1]:.8f}"'
        f',"askPrice":"{ask:.8f}","askQty":"{sizes[2]:.8f}","openPrice":"{opened:.8f}"'
        f',"highPrice":"{quote.high:.8f}","lowPrice":"{quote.low:.8f}"'
        f',"volume":"{quote.volume:.8f}","quoteVolume":"{quote.turnover:.8f}"'
        f',"openTime":{updated_ms - DAY_MS},"closeTime":{updated_ms}'
        f',"firstId":{quote.next_trade - quote.trades},"lastId":{quote.next_trade - 1},"count":{quote.trades}}}'
    ).encode()


def _halted(market: SeededMarket, pair: Pair, closed_ms: int) -> bytes:
    """All zero but the price of long ago; prices have two decimals where the quote is worth little."""
    p = 2 if pair.quote == "BIDR" else 8
    price, size = f"{0:.{p}f}", f"{0:.8f}"
    before = price_at(market, pair, closed_ms // 1000)
    return (
        f'{{"symbol":"{pair.symbol}","priceChange":"{price}","priceChangePercent":"0.000"'
        f',"weightedAvgPrice":"{price}","prevClosePrice":"{before:.{p}f}","lastPrice":"{price}"'
        f',"lastQty":"{size}","bidPrice":"{price}","bidQty":"{size}","askPrice":"{price}","askQty":"{size}"'
        f',"openPrice":"{price}","highPrice":"{price}","lowPrice":"{price}","volume":"{size}","quoteVolume":"{price}"'
        f',"openTime":{closed_ms - DAY_MS},"closeTime":{closed_ms},"firstId":-1,"lastId":-1,"count":0}}'
    ).encode()


def listing(pair: Pair, *, halted: bool) -> dict[str, object]:
    """One symbol of ``exchangeInfo``; permission groups cut short."""
    tick, step = f"{pair.tick:.8f}", f"{10.0**-pair.size_decimals:.8f}"
    return {
        "symbol": pair.symbol,
        "status": "BREAK" if halted else "TRADING",
        "baseAsset": pair.base,
        "baseAssetPrecision": 8,
        "quoteAsset": pair.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": [
            "LIMIT",
            "LIMIT_MAKER",
            "MARKET",
            "STOP_LOSS",
            "STOP_LOSS_LIMIT",
            "TAKE_PROFIT",
            "TAKE_PROFIT_LIMIT",
        ],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "isSpotTradingAllowed": not halted,
        "isMarginTradingAllowed": not halted,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "922327.00000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "100000.00000000", "stepSize": step},
        ],
        "permissions": [],
        "permissionSets": [["SPOT", "MARGIN", "TRD_GRP_004", "TRD_GRP_005"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"],
    }
