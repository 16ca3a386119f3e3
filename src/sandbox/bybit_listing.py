"""Rows of ``/v5/market/instruments-info`` and its pages."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, unquote

from cryptoproxy.sandbox.bybit_instruments import Instrument

LAUNCHED_MS = 1_585_526_400_000


def page(found: Sequence[Instrument], *, limit: int, cursor: str) -> tuple[Sequence[Instrument], str]:
    """One page and the cursor of the next, empty after the last. Looks like theirs: ``first%3DA%26last%3DB``."""
    last = unquote(cursor).partition("last=")[2]
    rest = [item for item in found if item.symbol > last]
    shown = rest[:limit]
    more = len(rest) > limit
    return shown, quote(f"first={shown[0].symbol}&last={shown[-1].symbol}", safe="") if more else ""


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
        "launchTime": str(LAUNCHED_MS),
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
