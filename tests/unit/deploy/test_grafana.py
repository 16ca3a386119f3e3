"""The dashboard asks PromQL of metrics that there are, and of each of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import promql_parser

from tests.unit.test_generated_files import make_docs

FILE = Path(__file__).parents[3] / "docker" / "grafana" / "cryptoproxy.json"


def panels() -> list[dict[str, Any]]:
    return json.loads(FILE.read_text(encoding="utf-8"))["panels"]  # type: ignore[no-any-return]


def test_each_metric_has_a_panel_whose_expression_is_promql() -> None:
    asked = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    for expression in asked:
        promql_parser.parse(expression.replace("$__rate_interval", "5m"))
    families = [family for found in make_docs().all_families().values() for family in found]
    there = {family.name for family, _ in families}
    named = {
        re.sub(r"_(total|bucket|count)\Z", "", name)
        for each in asked
        for name in re.findall(r"(?:cryptoproxy|airflow)_\w+", each)
    }
    assert named == there
    ended = [family.name for family, labels in families if family.type == "histogram" and "state" in labels]
    assert ended == ["airflow_dagrun_seconds"]
    assert len(asked) == len(there) + len(ended) > 30


def test_what_airflow_does_once_a_day_is_seen_for_a_day() -> None:
    by_title = {panel["title"]: panel["targets"][0]["expr"] for panel in panels() if "targets" in panel}
    assert by_title["airflow_dagrun_seconds: how many in a day"] == (
        "sum by (dag, state) (increase(airflow_dagrun_seconds_count[1d]))"
    )
    calendar = [each for each in by_title.values() if re.search(r"airflow_(dagrun|tasks?)_", each)]
    assert len(calendar) == 5
    assert all("[1d]" in each for each in calendar)


def test_no_two_panels_lie_on_each_other() -> None:
    found = panels()
    assert len({panel["id"] for panel in found}) == len(found)
    cells: set[tuple[int, int]] = set()
    for panel in found:
        place = panel["gridPos"]
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells, panel["title"]
        assert max(x for x, _ in own) < 24
        cells |= own
