from __future__ import annotations

import io

from rich.console import Console

from cryptoproxy.consumer.backfill import report
from cryptoproxy.consumer.backfill.reconcile import DeadIds, Difference, Reconciled, Some
from cryptoproxy.datasets.times import Span, from_person
from cryptoproxy.lake.form import Fault
from tests.unit.consumer.backfill.lake import HOUR_MS, TEN

SPAN = Span(TEN + 60_000, TEN + 5 * HOUR_MS)
LACKING = Difference(lake=10, documents=8, missing=Some(2, ["a", "b"]))


def test_one_replay_for_each_stretch_of_hours_of_a_source() -> None:
    hours = {
        ("coingecko", TEN): LACKING,
        ("coingecko", TEN + HOUR_MS): LACKING,
        ("coingecko", TEN + 2 * HOUR_MS): Difference(10, 10),
        ("coingecko", TEN + 3 * HOUR_MS): LACKING,
        ("binance", TEN + 2 * HOUR_MS): LACKING,
        ("binance", TEN): Difference(lake=1, documents=2, extra=Some(1, ["x"])),
    }
    assert report.mending(Reconciled(SPAN, hours), command=["cryptoproxy", "--env-file", "my settings"]) == [
        "cryptoproxy --env-file 'my settings' replay --dataset ticker "
        "--from 2026-11-20T12:00Z --to 2026-11-20T13:00Z --source binance --no-resume",
        "cryptoproxy --env-file 'my settings' replay --dataset ticker "
        "--from 2026-11-20T10:01Z --to 2026-11-20T12:00Z --source coingecko --no-resume",
        "cryptoproxy --env-file 'my settings' replay --dataset ticker "
        "--from 2026-11-20T13:00Z --to 2026-11-20T14:00Z --source coingecko --no-resume",
    ]


def shown(result: Reconciled, width: int = 500) -> list[list[str]]:
    """The cells of each row."""
    out = io.StringIO()
    Console(file=out, width=width).print(report.table(result))
    lines = out.getvalue().splitlines()
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]


def test_the_table_shows_the_hours_that_differ_and_the_sums_of_all() -> None:
    result = Reconciled(SPAN, {("binance", TEN): LACKING, ("binance", TEN + HOUR_MS): Difference(5, 4, 1)})
    assert shown(result) == [
        ["binance", "2026-11-20T10:01Z", "10", "8", "0", "2", "0"],
        ["binance", "1 of 2 hours differ", "15", "12", "1", "2", "0"],
    ]


def test_hours_that_differ_in_the_same_way_are_one_row() -> None:
    extra = Difference(lake=1, documents=2, extra=Some(1, ["x"]))
    hours = {("bybit-linear", TEN + number * HOUR_MS): LACKING for number in range(200)}
    hours |= {("bybit-linear", TEN + number * HOUR_MS): extra for number in range(200, 202)}
    del hours["bybit-linear", TEN + 50 * HOUR_MS]
    hours["bybit-linear", TEN + 300 * HOUR_MS] = LACKING
    rows = shown(Reconciled(Span(TEN, TEN + 400 * HOUR_MS), hours))
    assert rows[:-1] == [
        ["bybit-linear", "2026-11-20T10:00Z to 2026-11-22T12:00Z (50)", "500", "400", "0", "100", "0"],
        ["bybit-linear", "2026-11-22T13:00Z to 2026-11-28T18:00Z (149)", "1,490", "1,192", "0", "298", "0"],
        ["bybit-linear", "2026-11-28T18:00Z to 2026-11-28T20:00Z (2)", "2", "4", "0", "0", "2"],
        ["bybit-linear", "2026-12-02T22:00Z", "10", "8", "0", "2", "0"],
    ]


def test_on_a_narrow_terminal_nothing_is_cut() -> None:
    result = Reconciled(SPAN, {("bybit-linear", TEN + number * HOUR_MS): LACKING for number in range(4)})
    cells = shown(result, width=60)
    assert "".join(row[0] for row in cells).startswith("bybit-linear")
    assert "2026-11-20T10:01Zto2026-11-20T14:00Z(4)" in "".join(row[1] for row in cells).replace(" ", "")
    assert not any("…" in cell for row in cells for cell in row[:2])


def test_what_cannot_be_read_in_the_lake_is_no_agreement() -> None:
    fault = Fault("key", None, "damaged_object", "cut")
    result = Reconciled(SPAN, {("binance", TEN): Difference(1, 1)}, [fault])
    assert not result.agrees
    assert report.as_json(result, mend=[])["unreadable_in_lake"] == ["key: damaged_object: cut"]


def test_a_range_of_which_there_is_nothing_is_one_line_that_says_of_what() -> None:
    (said,) = report.words(Reconciled(SPAN, {}), mend=[], left_out_from_ms=None, dataset="usage")
    assert said == f"usage, {SPAN}: neither the lake nor the index has anything."


def test_words_say_what_was_left_out_and_what_has_no_id() -> None:
    dead = DeadIds()
    dead.undecodable["data", 1] = 3
    result = Reconciled(SPAN, {("binance", TEN): Difference(1, 2, extra=Some(1, ["x"]))}, dead=dead)
    said = "\n".join(report.words(result, mend=["do this"], left_out_from_ms=from_person("2026-11-20T11:55")))
    assert "slots from 2026-11-20T11:55Z on" in said
    assert "3 dead letters of data partition 1 have no id" in said
    assert "outbox" in said
    assert said.endswith("  do this")
