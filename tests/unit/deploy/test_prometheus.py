"""Alarms: parsed as Prometheus would, on metrics that are there, and each one written up."""

from __future__ import annotations

import re
from typing import Any

import promql_parser
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from cryptoproxy.common.metrics import HeldUp, IndexerMetrics, PollerMetrics
from cryptoproxy.consumer import pipeline
from cryptoproxy.producer.lease import lease
from tests.unit.deploy.reading import COMPOSE, ROOT, load_yaml
from tests.unit.test_generated_files import make_docs

FOLDER = ROOT / "docker" / "prometheus"
RULES: list[dict[str, Any]] = [rule for group in load_yaml(FOLDER / "rules.yml")["groups"] for rule in group["rules"]]
SCRAPED = load_yaml(FOLDER / "prometheus.yml")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def metrics() -> dict[str, Metric]:
    registry = CollectorRegistry()
    registry.register(HeldUp(dict))
    PollerMetrics(registry)
    IndexerMetrics(registry)
    families: dict[str, Metric] = {}
    for family in [*registry.collect(), *(family for family, _ in around())]:
        families[family.name + {"counter": "_total", "histogram": "_count"}.get(family.type, "")] = family
    return families


def around() -> list[tuple[Metric, tuple[str, ...]]]:
    """What is told of Kafka and Airflow, with its labels."""
    found = make_docs().all_families()
    return [*found["Kafka"], *found["Airflow"]]


def labels() -> dict[str, tuple[str, ...]]:
    """Label names by metric, of those that our two classes declare."""
    registry = CollectorRegistry()
    declared = [*vars(PollerMetrics(registry)).values(), *vars(IndexerMetrics(registry)).values()]
    ours = {each._name: each._labelnames for each in declared} | {"cryptoproxy_held_up": ("part",)}
    return ours | {family.name: labels for family, labels in around()} | {"airflow_dagrun_seconds": ("dag", "state")}


def selectors(node: Any) -> list[Any]:
    """Every vector selector below an expression."""
    found = [node] if isinstance(node, promql_parser.VectorSelector) else []
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        child = getattr(node, name, None)
        if child is not None:
            found += selectors(child)
    for child in getattr(node, "args", None) or []:
        found += selectors(child)
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_parses_and_names_metrics_and_labels_that_are_there(rule: dict[str, Any]) -> None:
    used = selectors(promql_parser.parse(rule["expr"]))
    assert used
    by_name = labels()
    for selector in used:
        own = {matcher.name for matcher in selector.matchers.matchers}
        if selector.name == "up":
            assert own == {"job"}
            continue
        assert selector.name in metrics()
        assert own <= {*by_name[re.sub(r"_(total|count)\Z", "", selector.name)], "job", "instance"}
    mentioned = set(re.findall(r"(?:cryptoproxy|airflow)_\w+", rule["expr"]))
    assert mentioned == {selector.name for selector in used} - {"up"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_grouping_is_by_labels_that_the_metric_has(rule: dict[str, Any]) -> None:
    grouped = {name.strip() for names in re.findall(r"\bby \(([^)]*)\)", rule["expr"]) for name in names.split(",")}
    known = {label for names in labels().values() for label in names} | {"job", "instance"}
    assert grouped <= known
    shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    assert shown <= (grouped or {"job", "instance"})


def test_parts_named_in_rules_are_those_of_the_code() -> None:
    named = {
        part.removeprefix(".*")  # the indexer's have a dataset's name before them
        for rule in RULES
        for match in re.findall(r'part(?:!~|=~|=)"([^"]+)"', rule["expr"])
        for part in match.split("|")
    }
    assert named == {lease.PART, pipeline.PART}


def test_windows_named_in_rules_are_those_of_the_budget() -> None:
    from cryptoproxy.upstreams.base import MONTH

    assert {window for rule in RULES for window in re.findall(r'window="(\w+)"', rule["expr"])} == {MONTH}


def test_every_alarm_has_its_severity_its_words_and_its_place_in_the_docs() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "action"}
        assert f"`{rule['alert']}`" in OPERATIONS
    assert set(re.findall(r"`(Cryptoproxy\w+)`", OPERATIONS)) == set(names)


def targets(job: dict[str, Any]) -> list[str]:
    """Those of a job, also where a name may have no container behind it."""
    by_name = [f"{name}:{each['port']}" for each in job.get("dns_sd_configs", ()) for name in each["names"]]
    return by_name or job["static_configs"][0]["targets"]  # type: ignore[no-any-return]


def test_what_is_scraped_is_the_stack_of_the_compose_file() -> None:
    services = load_yaml(COMPOSE)["services"]
    jobs = {each["job_name"]: targets(each) for each in SCRAPED["scrape_configs"]}
    assert jobs == {
        "cryptoproxy-poller": ["poller:8000"],
        "cryptoproxy-indexer": ["indexer:8001"],
        "cryptoproxy-door": ["serve:8002"],
        "cryptoproxy-watch": ["watch:8003"],
        "cryptoproxy-models": ["models:8004"],
        "cryptoproxy-brokers": ["brokers:8005"],
        "airflow": ["statsd:9102"],
    }
    for (target,) in jobs.values():
        name, _, port = target.partition(":")
        assert services[name]["ports"][-1] == f"127.0.0.1:{port}:{port}"
    (folder,) = {
        volume.split(":")[1] for volume in services["prometheus"]["volumes"] if volume.startswith("./prometheus")
    }
    assert SCRAPED["rule_files"] == [f"{folder}/rules.yml"]
