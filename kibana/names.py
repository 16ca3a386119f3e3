"""The ids under which Kibana keeps it all. They never change: an import with the same id replaces, another id adds."""

from __future__ import annotations

DATA_VIEW = "crypto-prices"
NEWEST_RECORDS = "crypto-prices-newest-records"
MARKET = "crypto-prices-market"
VOLATILITY = "crypto-prices-volatility"
PIPELINE = "crypto-prices-pipeline"
