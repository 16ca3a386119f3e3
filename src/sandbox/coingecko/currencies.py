"""In what CoinGecko can tell money: those of the recorded ``/global``, in its order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptoproxy.sandbox.upstream import Refusal
from cryptoproxy.sandbox.world.market import SeededMarket

RATES: Mapping[str, float] = {
    "btc": 1.2998e-05, "eth": 0.00067045, "ltc": 0.014814, "bch": 0.0038477, "bnb": 0.0018473, "eos": 1.3818,
    "xrp": 0.56041, "xlm": 4.5385, "link": 0.09286, "dot": 0.29221, "yfi": 0.00023836, "usd": 1.0, "aed": 3.673,
    "ars": 1073.5, "aud": 1.653, "bdt": 121.55, "bhd": 0.37679, "bmd": 1.0, "brl": 5.8437, "cad": 1.4246, "chf": 0.8,
    "clp": 979.97, "cny": 7.3112, "czk": 23.014, "dkk": 6.8204, "eur": 0.86, "gbp": 0.75, "gel": 2.751, "hkd": 7.7678,
    "huf": 372.52, "idr": 16986.0, "ils": 3.7715, "inr": 85.82, "jpy": 152.0, "krw": 1463.9, "kwd": 0.3078,
    "lkr": 297.98, "mmk": 2098.0, "mxn": 20.583, "myr": 4.2, "ngn": 1548.3, "nok": 10.891, "nzd": 1.7894,
    "php": 57.332, "pkr": 280.5, "pln": 3.924, "rub": 86.301, "sar": 3.7545, "sek": 10.103, "sgd": 1.3464,
    "thb": 34.556, "try": 42.0, "twd": 33.052, "uah": 41.053, "vef": 0.10013, "vnd": 25806.0, "zar": 19.332,
    "xdr": 0.75223, "xag": 0.032776, "xau": 0.00032858, "bits": 12.998, "sats": 1299.8,
}  # fmt: skip
"""Units for one USD; a coin of the market is not taken from here."""
COINS: Mapping[str, tuple[str, float]] = {
    "btc": ("bitcoin", 1.0), "eth": ("ethereum", 1.0), "ltc": ("litecoin", 1.0), "bch": ("bitcoin-cash", 1.0),
    "bnb": ("binancecoin", 1.0), "xrp": ("ripple", 1.0), "xlm": ("stellar", 1.0), "link": ("chainlink", 1.0),
    "dot": ("polkadot", 1.0), "bits": ("bitcoin", 1e6), "sats": ("bitcoin", 1e8),
}  # fmt: skip
"""The coin, and units of the currency in one."""


@dataclass(frozen=True, slots=True)
class Currency:
    """A price in it is the price in ``against`` (None: in USD), times ``factor``."""

    name: str
    factor: float
    against: int | None

    def rate(self, market: SeededMarket, second: int) -> float:
        """Units for one USD."""
        return self.factor if self.against is None else self.factor / market.price(self.against, second)


def find(market: SeededMarket, name: str) -> Currency | None:
    coin, units = COINS.get(name, ("", 0.0))
    if coin in market.index:
        return Currency(name, units, market.index[coin])
    return Currency(name, RATES[name], None) if name in RATES else None


def asked(market: SeededMarket, params: Mapping[str, str]) -> Currency:
    """The ``vs_currency`` of a query.

    Raises:
        Refusal: it is missing or unknown.
    """
    name = params.get("vs_currency", "").lower()
    if not name:
        raise Refusal(422, {"error": "Missing parameter vs_currency"})
    if (found := find(market, name)) is None:
        raise Refusal(400, {"error": "invalid vs_currency"})
    return found
