"""Each night: what the days before lack is fetched, they become a table, which is held against the index; then their
windows and the views of them are made anew, and it is said how good yesterday is.

Two days, so that a night that failed is made up for by the next.

The poller and the indexer are services and never run in here.
"""

from __future__ import annotations

import os

from airflow.sdk import DAG, chain
from steps import TODAY, YESTERDAY, command, days_ago, fails_with_any, job, schedule

FEEDS = [each for each in os.environ.get("CRYPTOPROXY_HISTORY", "").split(",") if each]
"""Feeds whose past is looked at again: ``binance.candle-1m,binance.candle-1h``."""
DAYS = f"--from {days_ago(2)} --to {TODAY}"

with DAG("crypto_etl_dag", **schedule("0 2 * * *"), doc_md=__doc__) as dag:
    check = command("check", "check --no-upstreams")
    history = [command(f"history_{feed.replace('.', '_')}", f"history {feed} {DAYS}") for feed in FEEDS]
    compact = command("compact", "lake compact --days 2")
    reconcile = command("reconcile", f"reconcile {DAYS}")
    windows = {length: job(f"aggregates_{length}", f"aggregates {DAYS} --length {length}") for length in ("1d", "1h")}
    # What readers ask: the batch up to its last day, and the stream after it where one runs.
    views = {length: job(f"view_{length}", f"merge --length {length}") for length in windows}
    # Also of a day that is not as it should be: then more than ever.
    quality = command(
        "quality",
        f"quality --date {YESTERDAY} --json",
        to=f"quality/{YESTERDAY}.json",
        trigger_rule="all_done",
    )
    # Of days whose lake and index say different things nothing is computed: what reconcile says mends them.
    chain(check, *([history] if history else []), compact, reconcile, *windows.values(), *views.values(), quality)
    fails_with_any(dag)
