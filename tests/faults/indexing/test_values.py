"""Poison on the topic: set aside with its original bytes, and a flood of it stops the line until a person speaks."""

from __future__ import annotations

import re
import time

from cryptoproxy.consumer.letters.fuse import IN_A_ROW
from cryptoproxy.datasets import encode
from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.conftest import Report
from tests.faults.indexing.commands import Person
from tests.faults.indexing.feeder import record
from tests.faults.indexing.process import IndexerProcess
from tests.faults.indexing.rig import IndexerRig

GOOD = encode(record(77, slot_ms=1_793_000_040_000))

# By the reason that the dead letter names.
UNREADABLE: dict[str, list[bytes | None]] = {
    "empty": [None, b""],  # the first is a tombstone
    "not_utf8": [b"\xff\xfe\x00", GOOD.replace(b"Coin", b"\xc3\x28")],
    "not_json": [b"not JSON", b"{", GOOD.replace(b"78.5", b"NaN"), GOOD.replace(b"78.5", b"Infinity"), GOOD + b"{}"],
    "contract": [
        b"[]",
        b"{}",
        GOOD.replace(b"78.5", b'"78.5"'),
        GOOD.replace(b"78.5", b"0"),
        GOOD.replace(b'"USD"', b'"U/D"'),
        GOOD.replace(b"2026-10-26T", b"2126-10-26T"),
        GOOD.replace(b'"fetch_delay_ms":310', b'"fetch_delay_ms":"soon"'),
    ],
    "too_large": [GOOD[:-1] + b',"padding":"' + b"x" * 70_000 + b'"}'],
}
# Legal JSON that Elasticsearch refuses.
REFUSED: list[bytes | None] = [
    GOOD[:-1] + each + b"}"
    for each in (
        b',"price":3',
        b',"o":{"a":1,"a":2}',
        b',"x":' + b"1" * 1001,
        b',"x":' + b"[" * 1001 + b"]" * 1001,
        b',"":1',
        b',"_id":"1"',
        b',"last_price":1',
        b',"market_cap_rank":99999999999',
        b',"trades_24h":9223372036854775807000',
    )
]
VERSIONS = (b"2", b"", b"one")


def test_every_kind_of_bad_value_between_good_ones(rig: IndexerRig, report: Report) -> None:
    """Tombstone, empty, not UTF-8, not JSON, NaN, wrong types, too large, refused by Elasticsearch, unknown version."""
    feeder, wanted = rig.feeder, {}
    feeder.feed(20, partition=0)
    for reason, values in UNREADABLE.items():
        wanted |= dict.fromkeys(feeder.feed_poison(values, record_key=b"\xff\x00key"), reason)
        feeder.feed(3, partition=0)
    refused = set(feeder.feed_poison(REFUSED, record_key=None))
    for version in VERSIONS:
        feeder.feed(2, partition=0)
        offsets = feeder.feed_poison([GOOD], headers=[("schema-version", version), ("trace", b"\x00\xff")])
        wanted |= dict.fromkeys(offsets, "schema_version")
    feeder.feed(20, partition=0)
    since = time.monotonic()
    indexer = rig.start_indexer()
    seconds = rig.recovered(since)
    letters = {
        int(dict(each.headers)["dlq-offset"]): each for each in evidence.on_topic(rig.settings, f"{rig.topic}.dlq")
    }
    reasons = {offset: dict(letter.headers)["dlq-reason"].decode() for offset, letter in letters.items()}
    assert {reasons.pop(offset) for offset in refused} <= {"contract", "not_json", "document_parsing_exception"}
    assert reasons == wanted
    for letter in letters.values():
        headers = dict(letter.headers)
        assert headers["dlq-topic"].decode() == rig.topic
        assert headers["dlq-error"]
        assert headers["dlq-time"].endswith(b"Z")
    assert letters[max(wanted)].headers[-2:] == (("schema-version", VERSIONS[-1]), ("trace", b"\x00\xff"))
    assert indexer.metric("dead_letters", reason="schema_version") == len(VERSIONS)
    report(rig.judged(), seconds)


def obey(rig: IndexerRig, indexer: IndexerProcess) -> int:
    """Does what `/readyz` says, as often as it says so; how often that was."""
    person, said = Person(rig), []

    def turn() -> bool:
        reason = " ".join(indexer.reasons().values())
        places = re.findall(r"--accept-poison (\d+:\d+)", reason)
        if places and reason not in said:
            said.append(reason)
            options = " ".join(f"--accept-poison {place}" for place in places)
            assert person.types(f"consume {options}")[0] == 0
        return rig.lag() == 0

    wait_until(turn, what=f"lag 0 once a person has spoken; {said}")
    return len(said)


def test_100_percent_poison_blows_the_fuse_until_a_person_accepts_it(rig: IndexerRig, report: Report) -> None:
    indexer = rig.start_indexer()
    rig.feeder.feed(60)
    rig.wait_committed()
    for partition in range(3):
        rig.feeder.feed_poison([b"bug %d" % number for number in range(150)], partition=partition)
    rig.feeder.feed(60)
    reason = indexer.wait_reason("cryptoproxy consume --accept-poison")
    assert "100 of the last 110 records are poison" in reason
    assert indexer.lives()
    # What came in batches before it was a flood may have gone.
    assert len(evidence.on_topic(rig.settings, f"{rig.topic}.dlq")) < IN_A_ROW
    since = time.monotonic()
    assert obey(rig, indexer) >= 1
    seconds = rig.recovered(since)
    report(rig.judged(), seconds)
