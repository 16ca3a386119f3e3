"""Each night: what the day before lacks is fetched, the day becomes a table, and it is said how good it is.

The poller and the indexer are services and never run in here.
"""

from __future__ import annotations

import os

from airflow.sdk import DAG, chain
from steps import TODAY, YESTERDAY, command, days_ago, fails_with_any, job, schedule

FEEDS = [each for each in os.environ.get("CRYPTOPROXY_HISTORY", "").split(",") if each]
"""Feeds whose past is looked at again: ``binance.candle-1m,binance.candle-1h``."""

with DAG("crypto_etl_dag", **schedule("0 2 * * *"), doc_md=__doc__) as dag:
    check = command("check", "check --no-upstreams")
    history = [
        command(f"history_{feed.replace('.', '_')}", f"history {feed} --from {days_ago(2)} --to {TODAY}")
        for feed in FEEDS
    ]
    compact = command("compact", "lake compact --days 2")
    reconcile = command("reconcile", f"reconcile --from {YESTERDAY} --to {TODAY}")
    days = job("aggregates_1d", f"aggregates --from {YESTERDAY} --to {TODAY} --length 1d")
    hours = job("aggregates_1h", f"aggregates --from {YESTERDAY} --to {TODAY} --length 1h")
    # Also of a day that is not as it should be: then more than ever.
    quality = command(
        "quality",
        f"quality --date {YESTERDAY} --json",
        to=f"quality/{YESTERDAY}.json",
        trigger_rule="all_done",
    )
    chain(check, *([history] if history else []), compact)
    compact >> reconcile >> quality
    chain(compact, days, hours, quality)
    fails_with_any(dag)
