"""Bybit: tickers and instruments of the three markets in v5, and as in the old v2."""
