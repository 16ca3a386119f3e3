"""A result is compared with the stored one only where both measured the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.figures import Report, at_most


def report(value: float, *, records: int = 300_000) -> Report:
    made = Report("indexing", facts={"records": records})
    made.add("own CPU", value, "µs/record", at_most(14))
    return made


def stored(value: float) -> dict[str, object]:
    return results.as_json([report(value)], when="2026-11-20T10:00:00+00:00")


def test_a_tenth_more_is_noteworthy_and_less_is_noise() -> None:
    (change,) = results.compare(stored(10.0), report(11.5))
    assert change.ratio == pytest.approx(1.15)
    assert change.noteworthy
    (change,) = results.compare(stored(10.0), report(10.5))
    assert not change.noteworthy


def test_other_sizes_do_not_compare() -> None:
    (change,) = results.compare(stored(10.0), report(20.0, records=1000))
    assert not change.comparable
    assert not change.noteworthy


def test_another_machine_does_not_compare() -> None:
    (change,) = results.compare(stored(10.0) | {"machine": {"cores": 128}}, report(20.0))
    assert not change.comparable


def test_nothing_stored_is_nothing_to_compare_with(tmp_path: Path) -> None:
    assert results.compare(results.load(tmp_path / "none.json"), report(1.0)) == []


def test_what_was_not_run_again_stays_stored(tmp_path: Path) -> None:
    file = tmp_path / "last.json"
    results.store(stored(10.0), file)
    other = Report("memory")
    other.add("peak RSS", 120.0, "MB")
    results.store(results.as_json([other], when="later"), file)
    kept = results.load(file)["benchmarks"]
    assert kept["indexing"]["figures"]["own CPU"]["value"] == 10.0
    assert kept["memory"]["figures"]["peak RSS"]["value"] == 120.0


def test_a_stored_figure_tells_its_target_and_whether_it_was_reached(tmp_path: Path) -> None:
    figure = stored(10.0)["benchmarks"]["indexing"]["figures"]["own CPU"]  # type: ignore[index]
    assert (figure["target"], figure["reached"], figure["rounds"]) == ("≤ 14", True, [10.0])
