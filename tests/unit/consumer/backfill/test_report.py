from __future__ import annotations

import io

from rich.console import Console

from cryptoproxy.common.record.times import from_person
from cryptoproxy.consumer.backfill import report
from cryptoproxy.consumer.backfill.compare import Difference, Some
from cryptoproxy.consumer.backfill.letters import DeadIds
from cryptoproxy.consumer.backfill.reconcile import Outcome
from cryptoproxy.consumer.backfill.span import Span
from cryptoproxy.lake.archive import Fault
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
    assert report.mending(Outcome(SPAN, hours), command=["cryptoproxy", "--env-file", "my settings"]) == [
        "cryptoproxy --env-file 'my settings' replay "
        "--from 2026-11-20T12:00Z --to 2026-11-20T13:00Z --source binance --no-resume",
        "cryptoproxy --env-file 'my settings' replay "
        "--from 2026-11-20T10:01Z --to 2026-11-20T12:00Z --source coingecko --no-resume",
        "cryptoproxy --env-file 'my settings' replay "
        "--from 2026-11-20T13:00Z --to 2026-11-20T14:00Z --source coingecko --no-resume",
    ]


def test_the_table_shows_the_hours_that_differ_and_the_sums_of_all() -> None:
    outcome = Outcome(SPAN, {("binance", TEN): LACKING, ("binance", TEN + HOUR_MS): Difference(5, 4, 1)})
    out = io.StringIO()
    Console(file=out, width=120).print(report.table(outcome))
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert any(line[1:3] == ["binance", "│"] and "2026-11-20T10:00Z" in line for line in lines)
    assert not any("2026-11-20T11:00Z" in line for line in lines)
    assert "1 of 2 hours differ" in out.getvalue()
    assert any("15" in line and "12" in line and "2" in line for line in lines)


def test_what_cannot_be_read_in_the_lake_is_no_agreement() -> None:
    fault = Fault("key", None, "damaged_object", "cut")
    outcome = Outcome(SPAN, {("binance", TEN): Difference(1, 1)}, [fault])
    assert not outcome.agrees
    assert report.as_json(outcome, mend=[])["unreadable_in_lake"] == ["key: damaged_object: cut"]


def test_words_say_what_was_left_out_and_what_has_no_id() -> None:
    dead = DeadIds()
    dead.undecodable["data", 1] = 3
    outcome = Outcome(SPAN, {("binance", TEN): Difference(1, 2, extra=Some(1, ["x"]))}, dead=dead)
    said = "\n".join(report.words(outcome, mend=["do this"], left_out_from_ms=from_person("2026-11-20T11:55")))
    assert "slots from 2026-11-20T11:55Z on" in said
    assert "3 dead letters of data partition 1 have no id" in said
    assert "outbox" in said
    assert said.endswith("  do this")
