"""Each night: what the day before lacks is fetched, the day becomes a table, the windows of it and their view are made
anew, and it is said how good it is.

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
    windows = {
        length: job(f"aggregates_{length}", f"aggregates --from {YESTERDAY} --to {TODAY} --length {length}")
        for length in ("1d", "1h")
    }
    # What readers ask: the batch up to its last day, and the stream after it where one runs.
    views = {length: job(f"view_{length}", f"merge --length {length}") for length in windows}
    # Also of a day that is not as it should be: then more than ever.
    quality = command(
        "quality",
        f"quality --date {YESTERDAY} --json",
        to=f"quality/{YESTERDAY}.json",
        trigger_rule="all_done",
    )
    chain(check, *([history] if history else []), compact)
    compact >> reconcile >> quality
    chain(compact, *windows.values(), *views.values(), quality)
    fails_with_any(dag)
