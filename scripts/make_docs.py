"""Writes what is made from the code: settings, metrics, record schema, AsyncAPI. `--check` only compares."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from cryptoproxy.common import grafana
from cryptoproxy.common.clients import brokers
from cryptoproxy.common.metrics import HeldUp, IndexerMetrics, ModelsMetrics, PollerMetrics, ServeMetrics, WatchMetrics
from cryptoproxy.common.settings.document import env_example, markdown
from cryptoproxy.datasets import DATASETS
from cryptoproxy.datasets.documents import asyncapi, rights
from cryptoproxy.datasets.documents.page import page
from cryptoproxy.datasets.documents.schema import json_schema
from cryptoproxy.quality.report import QualityMetrics

ROOT = Path(__file__).resolve().parent.parent
KINDS = (
    ("Poller", PollerMetrics), ("Indexer", IndexerMetrics), ("Door", ServeMetrics), ("Watch", WatchMetrics),
    ("Models", ModelsMetrics),
)  # fmt: skip


def generated() -> dict[str, str]:
    """Content by path below the project's root."""
    return {
        "docs/settings.md": markdown(),
        ".env.example": env_example(),
        "docs/metrics.md": metrics(),
        "docker/grafana/cryptoproxy.json": grafana.dashboard("cryptoproxy", all_families()),
        "docs/datasets.md": page(DATASETS),
        "docs/asyncapi.yaml": yaml.safe_dump(
            asyncapi.document(DATASETS), sort_keys=False, allow_unicode=True, width=110
        ),
        "docs/security/kafka-acls.sh": rights.kafka_acls(DATASETS),
        **{
            f"docs/security/{name}.json": json.dumps(role, indent=2) + "\n"
            for name, role in rights.roles(DATASETS).items()
        },
        **{
            f"docs/schemas/{name}.schema.json": json.dumps(json_schema(dataset), indent=2, ensure_ascii=False) + "\n"
            for name, dataset in DATASETS.items()
        },
    }


METRICS = """\
# Metrics

Made by `make docs` from `src/common/metrics.py`; do not edit.

`/metrics` of the poller (port 8000), of the indexer (port 8001), of a door (port 8002), of watch (port 8003) and of
`models predict` (port 8004), in Prometheus' text format, besides what its client says of the process itself. Kafka's
own figures come from `cryptoproxy brokers` (port 8005), Airflow's by [statsd_exporter](airflow.md#its-own-figures), a
day's quality from [`cryptoproxy quality --metrics`](quality.md#as-metrics).
[operations.md](operations.md#alarms) says which of them the alarms look at.
[`docker/grafana/cryptoproxy.json`](../docker/grafana/cryptoproxy.json) is a Grafana dashboard made of them: a panel for
each. It was imported nowhere: there is no Grafana where the tests run.
"""


def metrics() -> str:
    """Every metric of all processes by its name on `/metrics`."""
    parts = [METRICS]
    for title, found in all_families().items():
        parts.append(f"## {title}\n\n| name | type | labels | what it says |\n|---|---|---|---|")
        parts.extend(_metric(family, labels) for family, labels in found)
        parts.append("")
    (held_up,) = HeldUp(lambda: {"part": ""}).collect()
    parts.append("## Both\n\n| name | type | labels | what it says |\n|---|---|---|---|")
    parts.append(_metric(held_up, tuple(held_up.samples[0].labels)))
    return "\n".join(parts) + "\n"


def all_families() -> dict[str, list[grafana.Family]]:
    """By who tells them: our processes, and what is watched around them."""
    ours = {name: families(kind) for name, kind in (*KINDS, ("Quality", QualityMetrics))}
    return ours | {"Kafka": brokers.families(), "Airflow": airflow()}


def airflow() -> list[grafana.Family]:
    """What statsd_exporter makes of what Airflow sends, each once."""
    mappings = yaml.safe_load((ROOT / "docker" / "prometheus" / "statsd.yml").read_text(encoding="utf-8"))["mappings"]
    told = {each["name"]: each for each in mappings if each.get("action") != "drop"}
    return [
        (
            Metric(name.removesuffix("_total"), each["help"], each.get("match_metric_type", "histogram")),
            tuple(each.get("labels", ())),
        )
        for name, each in told.items()
    ]


def families(kind: type[PollerMetrics | IndexerMetrics | QualityMetrics]) -> list[grafana.Family]:
    """A process's metrics with their labels, in the order of the table."""
    registry = CollectorRegistry()
    declared = {each._name: each._labelnames for each in vars(kind(registry)).values() if hasattr(each, "_labelnames")}
    return [(family, declared[family.name]) for family in registry.collect()]


def _metric(family: Metric, labels: Sequence[str]) -> str:
    suffix = {"counter": "_total", "histogram": "_bucket`, `…_sum`, `…_count"}.get(family.type, "")
    shown = ", ".join(f"`{label}`" for label in labels)
    return f"| `{family.name}{suffix}` | {family.type} | {shown} | {family.documentation} |"


def main() -> int:
    check = "--check" in sys.argv[1:]
    stale = []
    for name, content in generated().items():
        path = ROOT / name
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        stale.append(name)
        if not check:
            path.write_text(content, encoding="utf-8")
            print(f"wrote {name}")
    if check and stale:
        print(f"not true any more: {', '.join(stale)}. Run `make docs`", file=sys.stderr)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
