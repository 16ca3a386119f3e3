"""Bybit's instruments: perpetuals in USDT and USDC, dated futures, inverse contracts, spot pairs.

Below them the rows of ``/v5/market/instruments-info`` and its pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib import parse

from cryptoproxy.sandbox.world.market import SeededMarket
from cryptoproxy.sandbox.world.pairs import Pair, listable, make_pair, sensible, stable, tradable

CATEGORIES = ("linear", "inverse", "spot")
PERPETUALS, USDC_PERPETUALS, INVERSE, SPOT, SPOT_OTHER = 600, 40, 14, 480, 40
TINY = 0.0005
"""A contract on a cheaper coin is on a thousand of them: ``1000BONKUSDT``."""
FUTURES_ON = ("BTC", "ETH")
LAUNCHED_MS = 1_585_526_400_000
DOWN = ((1_788_681_600, 1_788_685_200),)
"""2026-09-06 08:00 to 09:00 UTC, made up."""
MONTH_CODES = {3: "H", 6: "M", 9: "U", 12: "Z"}


@dataclass(frozen=True, slots=True)
class Instrument:
    """A pair with what is a contract's own."""

    pair: Pair
    category: str
    kind: str
    """``LinearPerpetual``, ``LinearFutures``, ``InversePerpetual``, ``InverseFutures``, ``Spot``."""
    settle: str
    delivery_ms: int = 0
    """0: never."""
    funding_hours: int = 8

    @property
    def symbol(self) -> str:
        return self.pair.symbol


def list_instruments(market: SeededMarket, now_ms: int) -> dict[str, list[Instrument]]:
    """Per category, by symbol. The dated futures are those of the next two quarters."""
    lister = _Lister(market)
    found = [*lister.perpetuals(), *lister.inverse(), *lister.spot()]
    for delivery in next_quarters(now_ms, 2):
        found += lister.futures(delivery)
    return {name: sorted((i for i in found if i.category == name), key=lambda i: i.symbol) for name in CATEGORIES}


def next_quarters(now_ms: int, count: int) -> list[datetime]:
    """The last Fridays of March, June, September and December to come, 08:00 UTC."""
    day = datetime.fromtimestamp(now_ms / 1000, tz=UTC).replace(hour=8, minute=0, second=0, microsecond=0)
    found: list[datetime] = []
    while len(found) < count:
        day += timedelta(days=1)
        if day.month in MONTH_CODES and day.weekday() == 4 and (day + timedelta(days=7)).month != day.month:
            found.append(day)
    return found


class _Lister:
    def __init__(self, market: SeededMarket) -> None:
        self._market = market
        self._assets = tradable(market)

    def perpetuals(self) -> Iterator[Instrument]:
        listed = [(base, coin) for base, coin in self._assets.items() if sensible(self._market, coin, None)]
        for n, (base, coin) in enumerate(listed[:PERPETUALS]):
            if base == "USDT":
                continue
            tiny = self._market.coins[coin].price < TINY
            name, factor = (f"1000{base}", 1000) if tiny else (base, 1)
            pair = self._pair(f"{name}USDT", name, "USDT", coin, share=0.4, factor=factor)
            hours = 8 if n < 30 else (8, 4, 4, 1)[n % 4]
            yield Instrument(pair, "linear", "LinearPerpetual", "USDT", funding_hours=hours)
            if n < USDC_PERPETUALS and not tiny:
                pair = self._pair(f"{name}PERP", name, "USDC", coin, share=0.01)
                yield Instrument(pair, "linear", "LinearPerpetual", "USDC")

    def inverse(self) -> Iterator[Instrument]:
        moving = [(base, coin) for base, coin in self._assets.items() if not stable(self._market.coins[coin])]
        for base, coin in moving[:INVERSE]:
            pair = self._pair(f"{base}USD", base, "USD", coin, share=0.02, inverse=True)
            yield Instrument(pair, "inverse", "InversePerpetual", base)

    def futures(self, delivery: datetime) -> Iterator[Instrument]:
        at_ms = int(delivery.timestamp() * 1000)
        date = f"{delivery.day}{delivery:%b%y}".upper()
        for base in FUTURES_ON:
            coin = self._assets.get(base)
            if coin is None:
                continue
            for symbol, quote in ((f"{base}-{date}", "USDC"), (f"{base}USDT-{date}", "USDT")):
                pair = self._pair(symbol, base, quote, coin, share=0.0001)
                yield Instrument(pair, "linear", "LinearFutures", quote, at_ms)
            pair = self._pair(
                f"{base}USD{MONTH_CODES[delivery.month]}{delivery:%y}", base, "USD", coin, share=0.0002, inverse=True
            )
            yield Instrument(pair, "inverse", "InverseFutures", base, at_ms)

    def spot(self) -> Iterator[Instrument]:
        for quote, count, share in (("USDT", SPOT, 0.1), ("USDC", SPOT_OTHER, 0.01), ("BTC", SPOT_OTHER, 0.005)):
            against = self._assets.get(quote)
            if against is None:
                continue
            fit = [(base, i) for base, i in self._assets.items() if listable(self._market, i, quote, against)]
            for base, coin in fit[:count]:
                pair = self._pair(base + quote, base, quote, coin, share=share, against=against)
                yield Instrument(pair, "spot", "Spot", quote)

    def _pair(
        self,
        symbol: str,
        base: str,
        quote: str,
        coin: int,
        *,
        share: float,
        against: int | None = None,
        factor: int = 1,
        inverse: bool = False,
    ) -> Pair:
        """An inverse contract counts whole dollars."""
        market = self._market
        seconds = 1 if coin < 12 else 1 + int(market.unit(f"bybit/{symbol}/beat") * 14)
        beat = market.beat(f"bybit/{symbol}", seconds * 1000)
        decimals = 10, 8 if inverse else 3 if against is None else 6
        return make_pair(
            market,
            symbol,
            (base, quote),
            coin,
            against,
            listed=self._launched(symbol, coin),
            down=DOWN,
            beat=beat,
            share=share,
            decimals=decimals,
            factor=factor,
            quote_decimals=0 if inverse else None,
        )

    def _launched(self, symbol: str, coin: int) -> int:
        """The second of its launch: the big ones at the beginning, the others at some hour of the years since."""
        hours = int(self._market.unit(f"bybit/{symbol}/launched") * 2000 * 24) if coin >= 12 else 0
        return LAUNCHED_MS // 1000 + hours * 3600


def page(found: Sequence[Instrument], *, limit: int, cursor: str) -> tuple[Sequence[Instrument], str]:
    """One page and the cursor of the next, empty after the last. Looks like theirs: ``first%3DA%26last%3DB``."""
    last = parse.unquote(cursor).partition("last=")[2]
    rest = [item for item in found if item.symbol > last]
    shown = rest[:limit]
    more = len(rest) > limit
    return shown, parse.quote(f"first={shown[0].symbol}&last={shown[-1].symbol}", safe="") if more else ""


def listing(instrument: Instrument, number: int) -> dict[str, object]:
    return _spot(instrument, number) if instrument.category == "spot" else _contract(instrument, number)


def _contract(instrument: Instrument, number: int) -> dict[str, object]:
    pair, dated = instrument.pair, instrument.delivery_ms > 0
    tick, step = f"{pair.tick:.{pair.price_decimals}f}", f"{10.0**-pair.size_decimals:.{pair.size_decimals}f}"
    return {
        "symbol": pair.symbol,
        "symbolId": number,
        "contractType": instrument.kind,
        "status": "Trading",
        "baseCoin": pair.base,
        "quoteCoin": pair.quote,
        "launchTime": str(pair.listed * 1000),
        "deliveryTime": str(instrument.delivery_ms),
        "deliveryFeeRate": "0" if dated else "",
        "priceScale": str(pair.price_decimals),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": tick, "maxPrice": "1999999.80", "tickSize": tick},
        "lotSizeFilter": {
            "maxOrderQty": "1190.000",
            "minOrderQty": step,
            "qtyStep": step,
            "postOnlyMaxOrderQty": "1190.000",
            "maxMktOrderQty": "500.000",
            "minNotionalValue": "5",
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 0 if dated else instrument.funding_hours * 60,
        "settleCoin": instrument.settle,
        "copyTrading": "none",
        "upperFundingRate": "" if dated else "0.00375",
        "lowerFundingRate": "" if dated else "-0.00375",
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
        "symbolType": "",
    }


def _spot(instrument: Instrument, number: int) -> dict[str, object]:
    pair = instrument.pair
    return {
        "symbolId": number,
        "symbol": pair.symbol,
        "baseCoin": pair.base,
        "quoteCoin": pair.quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "utaOnly",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": f"{10.0**-pair.size_decimals:.{pair.size_decimals}f}",
            "quotePrecision": "0.0000001",
            "minOrderQty": "0.000011",
            "maxOrderQty": "83",
            "minOrderAmt": "5",
            "maxOrderAmt": "8000000",
            "maxLimitOrderQty": "83",
            "maxMarketOrderQty": "41.5",
            "postOnlyMaxLimitOrderSize": "60000",
        },
        "priceFilter": {"tickSize": f"{pair.tick:.{pair.price_decimals}f}"},
        "riskParameters": {"priceLimitRatioX": "0.005", "priceLimitRatioY": "0.01"},
        "symbolType": "",
    }
