"""The outbox is full, its disk is full, it is damaged, or somebody else's: nothing that was accepted is dropped."""

from __future__ import annotations

import resource
import time
from dataclasses import replace

from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.conftest import Report
from tests.faults.process import PollerProcess
from tests.faults.rig import Rig
from tests.faults.test_s3 import wait_stored

ALONE = {"TEST_ALONE": "1"}


def test_a_full_outbox_stops_polling_aloud_and_drops_nothing(rig: Rig, report: Report) -> None:
    rig.s3.pause()
    poller = rig.start(test=ALONE, OUTBOX_MAX_SIZE="64KiB", KAFKA_PRODUCER_BATCH_INTERVAL="0.25")
    assert "hours of polls at this plan" in poller.wait_said("the outbox", "holds")
    reason = poller.wait_reason("is full", "polling stops")
    assert "OUTBOX_MAX_SIZE" in reason
    poller.wait_said("% full", "polling stops in about")
    kept, asked = poller.polls(), len(rig.sandbox.ledger)
    poller.wait_missed(poller.missed()["coingecko"] + 2, source="coingecko")
    assert poller.polls() == kept
    assert len(rig.sandbox.ledger) == asked, "a call is spent on what cannot be kept"
    assert poller.metric("slots_missed", reason="outbox_full") >= 2
    began = time.monotonic()
    rig.s3.resume()
    poller.wait_polls(1)
    seconds = time.monotonic() - began
    poller.wait_ready()
    report(rig.judge().require(), seconds)


def test_a_disk_that_takes_no_more_misses_slots_and_nothing_else(rig: Rig, report: Report) -> None:
    poller = rig.start(test=ALONE)
    poller.wait_polls(2)
    forbid_files_over(poller, 1_000)
    poller.wait_reason("the outbox", "cannot be written", "Free its disk")
    wait_until(lambda: poller.metric("slots_missed", reason="outbox") >= 2, what="two slots missed by the disk")
    assert poller.running
    forbid_files_over(poller, resource.RLIM_INFINITY)
    seconds = poller.wait_polls(1)
    poller.wait_ready()
    report(rig.judge().require(), seconds)


def test_what_waits_leaves_a_full_disk(rig: Rig, report: Report) -> None:
    """Groups of polls leave by a note on the disk; where there is no room for it, they leave all the same."""
    rig.texts["AWS_S3_OBJECT_SECONDS"] = "2"
    rig.s3.pause()
    poller = rig.start(test=ALONE)
    poller.wait_polls(5)
    rig.sandbox.pause()
    forbid_files_over(poller, 20)
    rig.s3.resume()
    seconds = wait_stored(poller)
    poller.wait_said("no note of the stored group on disk")
    forbid_files_over(poller, resource.RLIM_INFINITY)
    report(rig.judge().require(), seconds)


def forbid_files_over(poller: PollerProcess, size: int) -> None:
    """As a full disk, for this process alone: a write beyond ``size`` fails (EFBIG)."""
    resource.prlimit(poller.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_of_a_damaged_outbox_the_good_part_is_delivered_and_the_bad_part_set_aside_by_name(
    rig: Rig, report: Report
) -> None:
    rig.s3.pause()
    poller = rig.start(test=ALONE)
    poller.wait_polls(4)
    rig.kill(poller)
    names = evidence.waiting(rig.outbox)["s3"]
    good = rig.outbox / "s3" / names[0]
    damaged, emptied, strange = names[1], names[2], "README.txt"
    (rig.outbox / "s3" / damaged).unlink()  # else the same file would be damaged for Kafka, too
    (rig.outbox / "s3" / damaged).write_bytes(good.read_bytes()[:-100])
    (rig.outbox / "s3" / emptied).unlink()
    (rig.outbox / "s3" / emptied).write_bytes(b"")
    (rig.outbox / "s3" / strange).write_text("what is this?")
    lost = {("coingecko", int(name.split("-")[0])) for name in (damaged, emptied)}
    rig.s3.resume()
    again = rig.start("again", test=ALONE)
    seconds = again.wait_polls(1)
    wait_stored(again)
    for name in (damaged, emptied, strange):
        assert again.said("set aside", name)
        assert (rig.outbox / "damaged" / f"s3-{name}").exists()
    verdict = rig.judge()
    told = [fault for fault in verdict.faults if "not in the lake" in fault]
    damaged_records = 10 * len(lost)
    assert verdict.lost == damaged_records, "more than the damaged polls is missing"
    assert told == verdict.faults
    report(replace(verdict, lost=verdict.lost - damaged_records), seconds)


def test_two_processes_never_share_an_outbox(rig: Rig, report: Report) -> None:
    first = rig.start(test=ALONE)
    first.wait_polls(1)
    second = rig.start("second", test=ALONE)
    assert second.wait_end() == 1
    assert f"is in use by process {first.pid}" in second.log
    seconds = first.wait_polls(1)
    report(rig.judge().require(), seconds)


def test_a_slot_that_was_kept_before_a_restart_is_not_polled_again(rig: Rig, report: Report) -> None:
    rig.texts["KAFKA_PRODUCER_BATCH_INTERVAL"] = "3600"
    poller = rig.start(test=ALONE)
    wait_until(lambda: poller.polls() == 1, what="the poll of this hour")
    poller.terminate()
    asked = len(rig.sandbox.ledger)
    again = rig.start("again", test=ALONE)
    again.wait_ready()
    assert len(rig.sandbox.ledger) == asked
    again.terminate()
    began = time.monotonic()
    rig.start("faster", test=ALONE, KAFKA_PRODUCER_BATCH_INTERVAL="1").wait_polls(1)
    report(rig.judge().require(), time.monotonic() - began)


def test_all_sources_at_once_are_kept_each_by_itself(rig: Rig, report: Report) -> None:
    rig.texts |= {"SOURCES": "coingecko,binance,bybit-linear,bybit-inverse,bybit-spot", "COINGECKO_TOP_N": "50"}
    poller = rig.start(test=ALONE, BINANCE_SYMBOLS="*")
    for source in rig.texts["SOURCES"].split(","):
        wait_until(lambda source=source: poller.polls(source) >= 2, what=f"polls of {source}")
    seconds = poller.wait_polls(1)
    report(rig.judge().require(), seconds)
