"""What is made from the code is true."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from prometheus_client import CollectorRegistry

from cryptoproxy.common.metrics import HeldUp, IndexerMetrics, PollerMetrics

ROOT = Path(__file__).resolve().parents[2]


def make_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "scripts" / "make_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "name",
    ["docs/settings.md", ".env.example", "docs/schemas/ticker.schema.json", "docs/asyncapi.yaml", "docs/metrics.md"],
)
def test_a_generated_file_is_what_the_code_says(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == make_docs().generated()[name]


def test_every_metric_of_both_processes_is_on_its_page() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    registry = CollectorRegistry()
    registry.register(HeldUp(dict))
    PollerMetrics(registry)
    IndexerMetrics(registry)
    families = list(registry.collect())
    assert len(families) > 30
    for family in families:
        assert re.search(rf"`{family.name}(_total|_bucket)?`", page), family.name
