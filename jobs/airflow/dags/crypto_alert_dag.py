"""Each quarter of an hour: is everything alive? A part that is not fails the task, which tells the channel."""

from __future__ import annotations

from airflow.sdk import DAG
from steps import command, schedule

with DAG("crypto_alert_dag", **schedule("*/15 * * * *"), doc_md=__doc__) as dag:
    # Told at once: the next run is the next try.
    command("status", "status", retries=0)
    command("freshness", "query freshness --since 1h --json", to="freshness/latest.json", retries=0)
