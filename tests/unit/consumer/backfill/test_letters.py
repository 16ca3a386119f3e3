from __future__ import annotations

from cryptoproxy.common.record import document_id, encode
from cryptoproxy.consumer.backfill.letters import gather
from cryptoproxy.consumer.backfill.span import Span
from cryptoproxy.consumer.dead_letter_reader import Letter, Original
from tests.unit.consumer.backfill.lake import HOUR_MS, TEN, record

SPAN = Span(TEN, TEN + HOUR_MS)


def letter(value: bytes | None, partition: int = 0) -> Letter:
    return Letter(Original("data", partition, 7, b"key", value, []), "contract", "why", "", 0, 1)


def test_letters_are_known_by_id_where_they_decode_and_counted_by_partition_where_not() -> None:
    inside, outside = record(), record(slot_ms=TEN + HOUR_MS)
    other = record(source="binance")
    letters = [letter(encode(each)) for each in (inside, inside, outside, other)]
    letters += [letter(b"junk", 2), letter(None, 2), letter(b"", 1)]
    found = gather(letters, SPAN, ["coingecko"])
    assert found.ids == {("coingecko", TEN): {document_id(inside)}}
    assert found.undecodable == {("data", 2): 2, ("data", 1): 1}
    assert found.of("binance", TEN) == ()
    assert ("binance", TEN) in gather(letters, SPAN, None).ids


def test_an_unreadable_line_of_the_lake_is_recognised_by_its_bytes() -> None:
    found = gather([letter(b"junk")], SPAN, None)
    assert found.has_line(b"junk")
    assert not found.has_line(b"other")
    assert not gather([letter(b"")], SPAN, None).has_line(b"")
