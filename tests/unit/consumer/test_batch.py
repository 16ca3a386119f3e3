"""Consumed records become lines of a bulk request, byte for byte; what is poison is set aside."""

from __future__ import annotations

import dataclasses
import json

import pytest

from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.batch import Destination, place_of, read
from cryptoproxy.datasets import CANDLE, TICKER, Part, from_iso, iso, key
from tests.unit.consumer.support import NOW_MS, SLOT_MS, batch_of, consumed, good, partition, value


def test_a_good_record_goes_on_byte_for_byte() -> None:
    content = value(7, name='"Quoted" ☃', price=0.1)
    batch = batch_of(consumed(3, content))
    action, document, end = batch.lines[0].split(b"\n")
    assert json.loads(action) == {
        "create": {"_index": "crypto-prices-2026.10.01", "_id": f"coingecko:coin-7:USD:{NOW_MS - NOW_MS % 60_000}"}
    }
    assert document == content
    assert end == b""
    assert batch.indices == ["crypto-prices-2026.10.01"]
    assert batch.next_offsets == {partition(): 4}
    assert batch.newest == {"coingecko": json.loads(content)["timestamp"]}


def test_an_unknown_field_goes_on_byte_for_byte() -> None:
    sent = value()[:-1] + rb', "newer" : {"_id":1,"a.b":2.50,"":3}, "a.b":"\u00e9" }'
    (line,) = batch_of(consumed(0, sent)).lines
    assert line.split(b"\n")[1] == sent


def test_a_slot_ahead_of_the_clock_is_not_judged_yet_and_is_no_newest() -> None:
    late = NOW_MS + 660_000
    batch = batch_of(consumed(0, value(0, timestamp=iso(late), fetched_at=iso(late))), good(1))
    assert (len(batch.lines), batch.dead, batch.ahead) == (2, [], {0: late})
    assert batch.newest == {"coingecko": iso(SLOT_MS)}


def test_by_day_each_day_has_its_index() -> None:
    place = place_of(Settings.from_texts({"ES_INDEX": "prices", "ES_INDEX_PERIOD": "day"}).elasticsearch, TICKER)
    batch = read({partition(): [good(0)]}, place, now_ms=NOW_MS)
    assert batch.indices == ["prices-2026.10.26"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (value().replace(b"Coin", b"\xc3\x28"), "not_utf8"),
        (b"not json", "not_json"),
        (b'{"price":NaN}', "not_json"),
        (b"[]", "contract"),
        (value()[:-1], "not_json"),
        (value() + b" {}", "not_json"),
        (value().replace(b"1.5", b'"1.5"'), "contract"),
        (value().replace(b"1.5", b"-1"), "contract"),
        (value().replace(b'"USD"', b"7"), "contract"),
        (value().replace(b"{", b"{\n", 1), "contract"),
        (value()[:-1] + b',"padding":"' + b"x" * 70_000 + b'"}', "too_large"),
    ],
)
def test_what_breaks_the_contract_is_poison_and_never_sent(content: bytes | None, reason: str) -> None:
    batch = batch_of(good(0), consumed(1, content), good(2))
    assert [letter.record.offset for letter in batch.dead] == [1]
    assert batch.dead[0].reason == reason
    assert batch.dead[0].record.value == content
    assert [each.offset for each in batch.records] == [0, 2]
    assert [each.offset for each in batch.order] == [0, 1, 2]
    assert batch.next_offsets == {partition(): 3}


@pytest.mark.parametrize("headers", [[], [("schema-version", b"1")], [("other", b"2")]])
def test_a_missing_version_means_1(headers: list[tuple[str, bytes]]) -> None:
    assert not batch_of(consumed(0, value(), headers=headers)).dead


def test_records_that_share_their_headers_are_judged_each() -> None:
    known, unknown = [("schema-version", b"1")], [("schema-version", b"2")]
    records = [
        consumed(offset, value(offset))._replace(headers=headers)
        for offset, headers in enumerate([known, unknown, unknown, known, unknown])
    ]
    batch = batch_of(*records)
    assert [letter.record.offset for letter in batch.dead] == [1, 2, 4]
    assert [record.offset for record in batch.records] == [0, 3]


@pytest.mark.parametrize("version", [b"2", b"", b"one", b"\xff", None])
def test_an_unknown_version_is_poison_even_if_it_could_be_read(version: bytes) -> None:
    (letter,) = batch_of(consumed(0, value(), headers=[("schema-version", version)])).dead
    assert letter.reason == "schema_version"


def test_a_batch_may_hold_nothing_but_poison() -> None:
    batch = batch_of(consumed(0, b"x"), consumed(1, None))
    assert batch.lines == []
    assert len(batch.dead) == 2


def test_records_of_several_partitions_keep_their_own_offsets() -> None:
    batch = batch_of(good(5, number=0), good(9, number=2), good(6, number=0))
    assert batch.next_offsets == {partition(0): 7, partition(2): 10}


# --- other datasets


def candles(part: str) -> Destination:
    return place_of(Settings.from_texts({}).elasticsearch, CANDLE, part)


def test_a_candle_stands_in_the_index_of_its_interval_s_shelf() -> None:
    line = CANDLE.codec.encode(CANDLE.example)
    batch = read({partition(): [consumed(0, line)]}, candles("1m"), now_ms=NOW_MS)
    assert batch.indices == ["crypto-candles-minutes-2026.11.01"]
    assert json.loads(batch.lines[0].split(b"\n")[0]) == {
        "create": {"_index": batch.indices[0], "_id": CANDLE.id_of(CANDLE.example)}
    }


def test_a_candle_on_another_interval_s_topic_is_poison() -> None:
    line = CANDLE.codec.encode(CANDLE.example)
    batch = read({partition(): [consumed(0, line)]}, candles("1d"), now_ms=NOW_MS)
    (dead,) = batch.dead
    assert (batch.lines, dead.reason) == ([], "contract")
    assert dead.error == "a candle-1m stands on the topic of candle-1d"


def test_a_record_of_another_dataset_is_poison() -> None:
    batch = read({partition(): [good(0)]}, candles("1m"), now_ms=NOW_MS)
    assert [each.reason for each in batch.dead] == ["contract"]


def test_of_a_compacted_dataset_the_newest_fetched_replaces_the_others() -> None:
    compacted = dataclasses.replace(CANDLE, name="newest", compacted=True, parts={"": Part()})
    place = place_of(Settings.from_texts({}).elasticsearch, compacted)
    batch = read({partition(): [consumed(0, CANDLE.codec.encode(CANDLE.example))]}, place, now_ms=NOW_MS)
    assert json.loads(batch.lines[0].split(b"\n")[0]) == {
        "index": {
            "_index": "crypto-candles-all",
            "_id": key(CANDLE.example),
            "version": from_iso(CANDLE.example.fetched_at),
            "version_type": "external",
        }
    }
