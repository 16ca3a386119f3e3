"""Binance spot: tickers, symbols, klines, trades, order books."""
