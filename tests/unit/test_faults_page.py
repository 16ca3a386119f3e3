"""What the README says of the fault suite is what the suite's last whole run wrote."""

from __future__ import annotations

from tests.faults import table
from tests.faults.table import Row, rows_of


def test_the_readme_quotes_the_page() -> None:
    rows = rows_of(table.PAGE.read_text(encoding="utf-8"))
    readme = table.README.read_text(encoding="utf-8")
    assert len(rows) > 100
    assert table.quoted(readme, rows) == readme
    assert f"## In short\n{table.summary(rows)}" in table.PAGE.read_text(encoding="utf-8")


def test_a_summary_counts_each_theme_and_all_of_it() -> None:
    rows = [
        Row("Kafka is away: it goes on", "a", 1_000, 0, 0, 3, 1.4),
        Row("Kafka is away: it goes on", "b", 50, 1, 2, 0, None),
        Row("S3 is away", "c", 7, 0, 0, 0, 9.6),
    ]
    assert table.summary(rows).splitlines()[2:] == [
        "| Kafka is away | 2 | 1,050 | 1 | 2 | 1 s |",
        "| S3 is away | 1 | 7 | 0 | 0 | 10 s |",
        "| **all of it** | 3 | 1,057 | 1 | 2 | 10 s |",
    ]


def test_a_page_can_be_read_back() -> None:
    rows = [Row("Kafka is away: it goes on", "a: b", 1_000, 0, 0, 3, 1.4), Row("S3 is away", "c", 7, 0, 0, 0, None)]
    assert rows_of(table.page(rows, when="2026-11-20")) == rows


def test_a_summary_is_that_of_the_page_to_the_last_digit() -> None:
    rows = [Row("Kafka is away", "a", 1, 0, 0, 0, 11.46), Row("Kafka is away", "b", 1, 0, 0, 0, 0.04)]
    page = table.page(rows, when="2026-11-20")
    assert table.summary(rows_of(page)) == table.summary(rows)


def test_a_run_of_some_files_renews_their_themes_and_leaves_the_others() -> None:
    before = [
        Row("Kafka is away: it goes on", "a", 1, 0, 0, 0, 1.0),
        Row("Kafka is away: it goes on", "gone", 1, 0, 0, 0, 1.0),
        Row("S3 is away", "b", 2, 0, 0, 0, 2.0),
    ]
    again = [
        Row("Kafka is away: it goes on", "a", 3, 0, 0, 0, 3.0),
        Row("Kafka is away: it goes on", "new", 4, 0, 0, 0, 4.0),
        Row("The disk is full", "c", 5, 0, 0, 0, 5.0),
    ]
    assert table.renewed(before, again) == [*again[:2], before[2], again[2]]
    assert table.renewed([], again) == again
