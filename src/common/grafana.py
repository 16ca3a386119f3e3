"""A Grafana dashboard made from the metrics' table: a panel for each metric, a row for each process.

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
        for number, (family, labels) in enumerate(families):
            place = {"x": number % COLUMNS * WIDTH, "y": top + number // COLUMNS * HEIGHT, "w": WIDTH, "h": HEIGHT}
            yield _panel(next(ids), family, labels, place)
        top += -(-len(families) // COLUMNS) * HEIGHT


def _panel(number: int, family: Metric, labels: Sequence[str], place: dict[str, int]) -> dict[str, Any]:
    expression, unit = asked(family, labels)
    return {
        "id": number,
        "type": "timeseries",
        "title": family.name.removeprefix("cryptoproxy_"),
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


def asked(family: Metric, labels: Sequence[str]) -> tuple[str, str]:
    """The expression, and Grafana's name of its unit."""
    by = ", ".join(labels or ("instance",))
    if family.type == "counter":
        return f"sum by ({by}) (rate({family.name}_total[$__rate_interval]))", "cps"
    if family.type == "histogram":
        return f"histogram_quantile(0.95, sum by (le, {by}) (rate({family.name}_bucket[$__rate_interval])))", "s"
    if family.name.endswith("timestamp_seconds"):
        return f"time() - max by ({by}) ({family.name})", "s"
    return f"max by ({by}) ({family.name})", "bytes" if family.name.endswith("bytes") else "short"
