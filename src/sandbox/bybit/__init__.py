"""Bybit: tickers, instruments, klines, trades and order books in v5; tickers and symbols in the old v2."""
