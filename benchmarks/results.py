"""The stored result of the last whole run, and what has changed since. JSON, so that it can be read and compared."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, Report

FOLDER = Path(__file__).parent / "results"
LAST = FOLDER / "last.json"
NOTEWORTHY = 0.10
"""A change of less is within the noise from run to run."""


@dataclass(frozen=True, slots=True)
class Change:
    """``ratio`` is new ÷ old; ``comparable`` is False where sizes or machine differ."""

    name: str
    old: float
    new: float
    comparable: bool

    @property
    def ratio(self) -> float:
        return self.new / self.old if self.old else float("inf")

    @property
    def noteworthy(self) -> bool:
        return self.comparable and abs(self.ratio - 1) > NOTEWORTHY


def as_json(reports: Iterable[Report], *, when: str) -> dict[str, Any]:
    return {
        "when": when,
        "machine": machine(),
        "benchmarks": {
            report.benchmark: {
                "facts": report.facts,
                "disturbed": report.disturbed,
                "figures": {figure.name: _figure(figure) for figure in report.figures},
            }
            for report in reports
        },
    }


def machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "architecture": platform.machine(), "python": platform.python_version()}


def compare(stored: Mapping[str, Any], report: Report) -> list[Change]:
    """Each figure that the stored result has, too."""
    there = stored.get("benchmarks", {}).get(report.benchmark)
    if there is None:
        return []
    same = stored.get("machine") == machine() and there["facts"] == json.loads(json.dumps(report.facts))
    return [
        Change(figure.name, there["figures"][figure.name]["value"], figure.value, same)
        for figure in report.figures
        if figure.name in there["figures"]
    ]


def load(path: Path = LAST) -> dict[str, Any]:
    """Empty where none is stored."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def store(new: Mapping[str, Any], path: Path = LAST) -> None:
    """Benchmarks that were not run this time keep what is stored of them."""
    merged = {**new, "benchmarks": {**load(path).get("benchmarks", {}), **new["benchmarks"]}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(merged, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "value": round(figure.value, 6),
        "unit": figure.unit,
        "target": None if figure.target is None else str(figure.target),
        "reached": figure.reached,
        "rounds": [round(each, 6) for each in figure.rounds],
        "note": figure.note,
    }
