"""The ids under which Kibana keeps it all. They never change: an import with the same id replaces, another id adds."""

from __future__ import annotations

from typing import Any

from cryptoproxy.datasets import TICKER, Dataset
from cryptoproxy.watch.telling.links import DASHBOARD

NEWEST_RECORDS = "crypto-prices-newest-records"
MARKET = "crypto-prices-market"
VOLATILITY = "crypto-prices-volatility"
PIPELINE = "crypto-prices-pipeline"
CANDLES = "crypto-candles-bars"
MARKET_WIDE = "crypto-market-wide"
TRADES = "crypto-trades-flow"
BOOKS = "crypto-books-depth"
ALERTS = DASHBOARD
USAGE = "crypto-usage-asked"


def data_view(dataset: Dataset[Any] = TICKER) -> str:
    """Of a dataset: its alias as the table has it, whatever the alias is called here."""
    return dataset.alias or dataset.name
