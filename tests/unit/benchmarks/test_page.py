"""The page's table is what is stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import page, results
from benchmarks.figures import Report, at_most


def stored(*, disturbed: str = "") -> dict[str, object]:
    report = Report("indexing", disturbed=disturbed)
    report.add("rate", 43210.4, "records/s")
    report.add("own CPU", 12.34, "µs/record", at_most(14, aim=11))
    return results.as_json([report], when="2026-11-20T10:00:00+00:00")


def test_figures_with_a_target_come_first() -> None:
    lines = page.table(stored()).splitlines()
    assert lines[-2] == "| indexing | own CPU | 12.3 µs/record | ≤ 14 (aim 11) | reached |"
    assert lines[-1] == "| indexing | rate | 43,210 records/s |  |  |"


def test_a_disturbed_benchmark_is_named_below() -> None:
    assert "Not quiet: indexing: others used 20% of the cores." in page.table(
        stored(disturbed="others used 20% of the cores")
    )


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"# Before\n{page.BEGIN}\nold\n{page.END}\n# After\n")
    page.write(stored(), file)
    page.write(stored(), file)
    assert file.read_text() == f"# Before\n{page.BEGIN}\n{page.table(stored())}\n{page.END}\n# After\n"


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("# Nothing\n")
    with pytest.raises(ValueError, match="lacks"):
        page.write(stored(), file)
    assert file.read_text() == "# Nothing\n"
