"""Binance spot: ``ticker/24hr``, ``exchangeInfo``, ``ping``, ``time``."""
