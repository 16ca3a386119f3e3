"""Dead letters read back are what was set aside; replayed, they take the indexer's own path."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from cryptoproxy.common.clients.kafka_python.unpacking import UnreadRecord
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.batch import DeadLetter, Destination, place_of
from cryptoproxy.consumer.index.delivery import Delivery
from cryptoproxy.consumer.letters.dead_letters import content_of
from cryptoproxy.consumer.letters.reader import Letter, Replayed, find, letter_of, parse_place, replay
from cryptoproxy.datasets import NOWHERE, Dataset, letter
from cryptoproxy.errors import OperatorError, TransientError
from tests.unit.consumer.support import (
    CREATED,
    KNOWN,
    NOW_MS,
    POISON,
    ScriptedSender,
    answers,
    consumed,
    delivery_of,
    every,
    value,
)


def set_aside(offset: int, content: bytes | None, *, place: int = 0, number: int = 0, **record: Any) -> Any:
    """A record of the dead-letter topic, as the queue writes it."""
    original = consumed(offset, content, number=number, **record)
    headers = content_of(DeadLetter(original, "not_json", "why"), now_ms=NOW_MS).headers
    return consumed(place, content, key=original.key, headers=headers)._replace(topic="crypto-data.dlq")


def poller_s(error: str, *, original: list[tuple[str, bytes | None]]) -> list[tuple[str, bytes]]:
    """Headers of a letter of the poller."""
    return letter(
        reason="too_large", error=error, topic="crypto-data", now_ms=NOW_MS, key=b"k", value=b"v", original=original
    ).headers


def letters(*contents: bytes | None) -> list[Letter]:
    return [letter_of(set_aside(offset, content)) for offset, content in enumerate(contents)]


def always(delivery: Delivery) -> Callable[[Dataset[Any]], Delivery]:
    return lambda _: delivery


def places(dataset: Dataset[Any], part: str) -> Destination:
    return place_of(Settings.from_texts({}).elasticsearch, dataset, part)


def play(*contents: bytes | None, sender: ScriptedSender | None = None) -> Replayed:
    return replay(
        letters(*contents),
        delivery=always(delivery_of(sender or ScriptedSender())),
        place=places,
        now_ms=NOW_MS,
    )


def test_a_letter_read_back_is_the_record_that_was_set_aside() -> None:
    headers = [("schema-version", b"9"), ("dlq-reason", b"the producer's own")]
    letter = letter_of(set_aside(42, b"\xff", place=3, number=2, key=None, headers=headers))
    assert letter.original == ("crypto-data", 2, 42, None, b"\xff", headers)
    assert (letter.reason, letter.error, letter.time) == ("not_json", "why", "2026-10-26T07:34:00.000Z")
    assert (letter.partition, letter.offset) == (0, 3)


def test_a_record_that_somebody_else_put_there_is_its_own_original() -> None:
    letter = letter_of(consumed(3, b"x", headers=[("dlq-offset", b"7")])._replace(topic="crypto-data.dlq"))
    assert letter.original == ("crypto-data.dlq", 0, 3, b"key", b"x", [("dlq-offset", b"7")])
    assert letter.reason == "unknown"


def test_a_letter_is_found_by_the_place_of_its_record() -> None:
    assert find(letters(b"a", b"b", b"c"), "0:1").original.value == b"b"
    with pytest.raises(OperatorError, match="0:9"):
        find(letters(b"a"), "0:9")


def test_a_letter_of_the_poller_is_about_a_record_that_never_got_onto_the_topic_and_is_found_by_its_own_place() -> None:
    headers = poller_s("why", original=[("schema-version", b"1")])
    about_it = letter_of(consumed(5, value(1), key=b"k", headers=headers)._replace(topic="crypto-data.dlq"))
    assert about_it.original == ("crypto-data", NOWHERE, NOWHERE, b"k", value(1), [("schema-version", b"1")])
    assert (about_it.reason, about_it.place) == ("too_large", "letter:0:5")
    others = letters(b"a", b"b")
    assert find([*others, about_it], parse_place(" letter:0:5")) is about_it
    assert find([*others, about_it], "letter:0:0").original.value == b"b"
    with pytest.raises(OperatorError):
        find([about_it], "0:5")


@pytest.mark.parametrize("text", ["", "5", "0:-1", "dlq:0:5", "letter:5", "0:5:6", "0:٥"])
def test_a_place_is_a_record_s_or_a_letter_s(text: str) -> None:
    with pytest.raises(ValueError, match="like letter:0:5"):
        parse_place(text)


def test_letters_of_the_poller_are_replayed_as_all_others() -> None:
    headers = poller_s("", original=[])
    sender = ScriptedSender()
    result = replay(
        [letter_of(consumed(place, value(place), headers=headers)) for place in range(3)],
        delivery=always(delivery_of(sender)),
        place=places,
        now_ms=NOW_MS,
    )
    assert result == Replayed(indexed=3)


def test_what_is_good_today_is_indexed_and_what_is_poison_stays() -> None:
    result = play(value(1), b"still not JSON", None, value(2))
    assert (result.indexed, result.duplicates, result.abandoned) == (2, 0, False)
    assert [(letter.original.offset, error.partition(":")[0]) for letter, error in result.still_poison] == [
        (1, "JSON is malformed"),
        (2, "the record has no value"),
    ]


def test_twice_replayed_is_once_stored() -> None:
    assert play(value(1), value(2), sender=ScriptedSender(every(KNOWN))) == Replayed(duplicates=2)


def test_what_elasticsearch_still_refuses_stays() -> None:
    result = play(value(1), value(2), sender=ScriptedSender(answers(CREATED, POISON)))
    assert result.indexed == 1
    ((letter, error),) = result.still_poison
    assert letter.original.offset == 1
    assert "document_parsing_exception" in error


def test_a_version_header_counts_as_it_did() -> None:
    letter = letter_of(set_aside(0, value(1), headers=[("schema-version", b"9")]))
    result = replay([letter], delivery=always(delivery_of(ScriptedSender())), place=places, now_ms=NOW_MS)
    assert len(result.still_poison) == 1


def test_a_long_topic_goes_in_several_requests() -> None:
    sender = ScriptedSender()
    assert play(*(value(number) for number in range(1200)), sender=sender).indexed == 1200
    assert [len(request) for request in sender.requests] == [500, 500, 200]


def test_it_can_be_broken_off() -> None:
    abandon = threading.Event()

    def give_up(lines: object) -> list[Any]:
        abandon.set()
        raise TransientError("down")

    result = replay(
        letters(value(1)),
        delivery=always(delivery_of(ScriptedSender(give_up))),  # type: ignore[arg-type]
        place=places,
        now_ms=NOW_MS,
        abandon=abandon,
    )
    assert result == Replayed(abandoned=True)


def test_a_letter_without_its_content_cannot_be_replayed_and_says_so() -> None:
    headers = letter(
        reason="too_large", error="without its 99 bytes", topic="crypto-data", now_ms=NOW_MS, key=b"k", value=b"v",
        original=[], partition=0, offset=7, left_out=99,
    ).headers  # fmt: skip
    bare = letter_of(consumed(3, b"", key=None, headers=headers)._replace(topic="crypto-data.dlq"))
    assert (bare.place, bare.original.value, bare.left_out) == ("0:7", None, 99)
    sender = ScriptedSender()
    result = replay(
        [bare, *letters(value(1))],
        delivery=always(delivery_of(sender)), place=places, now_ms=NOW_MS,
    )  # fmt: skip
    assert result.indexed == 1
    assert [(each, why) for each, why in result.still_poison] == [
        (bare, "the letter is without its content: without its 99 bytes")
    ]


def test_what_somebody_put_there_that_cannot_be_read_is_listed_and_not_replayed() -> None:
    record = UnreadRecord(*consumed(3, None, key=None)._replace(topic="crypto-data.dlq"))
    record.reason, record.why = "too_large", "a batch of 9 bytes is too much"
    letter = letter_of(record)
    assert (letter.place, letter.reason, letter.error) == ("0:3", "too_large", "a batch of 9 bytes is too much")
    sender = ScriptedSender()
    result = replay(
        [letter], delivery=always(delivery_of(sender)), place=places, now_ms=NOW_MS
    )  # fmt: skip
    assert [each for each, _ in result.still_poison] == [letter]
    assert sender.requests == []
