"""A Grafana dashboard made from the metrics' table: a panel for each metric, two for one that tells how things ended,
and a row for each process.

Its form is that of Grafana's own exports (schema 39). It was not run here, since Grafana is not to be had; its
expressions are tested to be PromQL over metrics that there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from prometheus_client.core import Metric

COLUMNS, WIDTH, HEIGHT = 3, 8, 7
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
BY_CALENDAR = ("airflow_dagrun_", "airflow_task")
"""What happens a few times a day: over a shorter time there would mostly be nothing to see."""
ENDED = "state"
"""The label that says how."""
Family = tuple[Metric, Sequence[str]]
"""A metric and its labels."""


def dashboard(title: str, processes: dict[str, Sequence[Family]]) -> str:
    """As a file to import, or to provision."""
    return json.dumps(
        {
            "title": title,
            "uid": "cryptoproxy-metrics",
            "schemaVersion": 39,
            "editable": True,
            "refresh": "30s",
            "tags": ["cryptoproxy"],
            "time": {"from": "now-6h", "to": "now"},
            "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
            "panels": list(_panels(processes)),
        },
        indent=1,
    ) + "\n"  # fmt: skip


def _panels(processes: dict[str, Sequence[Family]]) -> Iterator[dict[str, Any]]:
    ids, top = count(1), 0
    for name, families in processes.items():
        yield {"id": next(ids), "type": "row", "title": name, "collapsed": False, "panels": [],
               "gridPos": {"x": 0, "y": top, "w": 24, "h": 1}}  # fmt: skip
        top += 1
        panels = [(*family, *each) for family in families for each in asked(*family)]
        for number, (family, labels, *about) in enumerate(panels):
            place = {"x": number % COLUMNS * WIDTH, "y": top + number // COLUMNS * HEIGHT, "w": WIDTH, "h": HEIGHT}
            yield _panel(next(ids), family, labels, about, place)
        top += -(-len(panels) // COLUMNS) * HEIGHT


def _panel(
    number: int, family: Metric, labels: Sequence[str], about: Sequence[str], place: dict[str, int]
) -> dict[str, Any]:
    title, expression, unit = about
    return {
        "id": number,
        "type": "timeseries",
        "title": title,
        "description": family.documentation,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": [
            {
                "refId": "A",
                "datasource": SOURCE,
                "expr": expression,
                "legendFormat": " ".join(f"{{{{{label}}}}}" for label in labels) or "{{instance}}",
            }
        ],
    }


def asked(family: Metric, labels: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """A title, the expression, and Grafana's name of its unit."""
    title, by = family.name.removeprefix("cryptoproxy_"), ", ".join(labels or ("instance",))
    seldom = family.name.startswith(BY_CALENDAR)
    over = "1d" if seldom else "$__rate_interval"
    if family.type == "counter":
        count = f"{'increase' if seldom else 'rate'}({family.name}_total[{over}])"
        yield (f"{title} in a day" if seldom else title), f"sum by ({by}) ({count})", "short" if seldom else "cps"
    elif family.type == "histogram":
        rate = f"rate({family.name}_bucket[{over}])"
        yield title, f"histogram_quantile(0.95, sum by (le, {by}) ({rate}))", "s"
        if ENDED in labels:
            yield f"{title}: how many in a day", f"sum by ({by}) (increase({family.name}_count[1d]))", "short"
    elif family.name.endswith("timestamp_seconds"):
        yield title, f"time() - max by ({by}) ({family.name})", "s"
    else:
        yield title, f"max by ({by}) ({family.name})", "bytes" if family.name.endswith("bytes") else "short"
