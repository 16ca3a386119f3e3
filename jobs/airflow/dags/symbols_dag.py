"""A DAG for each symbol of ``CRYPTOPROXY_SYMBOLS`` (``BTCUSDT,ETHUSDT``): its past filled up, its indicators told.

One DAG each, so that one symbol that its exchange does not know any more holds up no other.
"""

from __future__ import annotations

import os
import re

from airflow.sdk import DAG
from steps import TODAY, command, days_ago, schedule

FEED = os.environ.get("CRYPTOPROXY_SYMBOLS_FEED", "binance.candle-1h")
SYMBOLS = [each for each in os.environ.get("CRYPTOPROXY_SYMBOLS", "BTCUSDT,ETHUSDT").split(",") if each]

for symbol in SYMBOLS:
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", symbol)
    with DAG(f"crypto_symbol_{name}", **schedule("30 * * * *"), doc_md=__doc__) as dag:
        history = command("history", f"history {FEED} --symbols {symbol} --from {days_ago(2)}")
        indicators = command(
            "indicators",
            f"query indicators --symbols {symbol} --since {days_ago(30)} --until {TODAY} --engine lake --json",
            to=f"symbols/{name}.json",
        )
        history >> indicators
    globals()[f"dag_{name}"] = dag
