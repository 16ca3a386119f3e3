"""Each Sunday: features of the past, models made of them, each made live only if it is better; what there is, told.

How good a version is is measured where it is made (walk-forward, on days that it does not know) and kept with it; what
promotes it reads only that, so it may run again, or a week later.
"""

from __future__ import annotations

import os

from airflow.sdk import DAG, chain
from steps import TODAY, YESTERDAY, command, days_ago, fails_with_any, job, report, schedule

PART = os.environ.get("CRYPTOPROXY_MODEL_BARS", "1h")
DAYS = int(os.environ.get("CRYPTOPROXY_MODEL_DAYS", "365"))
MINUTE_DAYS = int(os.environ.get("CRYPTOPROXY_MINUTE_DAYS", "0"))
"""Of how many days the model is made that rules of watch ask; 0: none is made."""


def span(days: int) -> str:
    return f"--from {days_ago(days)} --to {TODAY}"


with DAG("ml_pipeline_dag", **schedule("0 3 * * 0"), doc_md=__doc__) as dag:
    features = job("features", f"features {span(DAYS)} --dataset candle-{PART}")
    # Also where one of them could not be made.
    registry = command("registry", "models list --json", to=f"models/{YESTERDAY}.json", trigger_rule="all_done")
    for name in ("direction", "anomaly"):
        train = job(f"train_{name}", f"{name} {span(DAYS)} --part {PART} --keep", of="models")
        promote = job(f"promote_or_keep_{name}", f"promote {name}-{PART}", of="models")
        chain(features, train, promote, registry)
    if MINUTE_DAYS:
        train = job("train_minutes", f"minutes {span(MINUTE_DAYS)} --keep", of="models")
        chain(train, job("promote_or_keep_minutes", "promote minutes", of="models"), registry)
    registry >> report(f"models/{YESTERDAY}")
    fails_with_any(dag)
