"""Each quarter of an hour: is everything alive? A part that is not fails the task, which tells the channel. And what
has `watch` found that is not over? It has told that itself; here it is kept as a file."""

from __future__ import annotations

import os

from airflow.sdk import DAG
from steps import command, schedule

with DAG("crypto_alert_dag", **schedule("*/15 * * * *"), doc_md=__doc__) as dag:
    # Told at once: the next run is the next try.
    command("status", "status", retries=0)
    command("freshness", "query freshness --since 1h --json", to="freshness/latest.json", retries=0)
    if os.environ.get("CRYPTOPROXY_WATCH"):
        command("alerts", "watch list", to="alerts/open.txt", retries=0)
