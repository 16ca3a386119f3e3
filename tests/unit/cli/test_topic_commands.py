"""`tail` and `dead-letters` show whatever stands on a topic, on a terminal that nothing of it can confuse."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from kafka import TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.cli.main import cli
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.unpacking import UnreadRecord
from cryptoproxy.consumer.letters import reader
from cryptoproxy.consumer.letters.reader import Letter, Original
from cryptoproxy.errors import CryptoProxyError, OperatorError, visible
from tests.unit.consumer.support import consumed, partition

NOTHING = os.devnull


class Consumer:
    def __init__(self, *polls: list[Any] | Exception) -> None:
        self.polls = list(polls)
        self.closed = False

    def poll(self, timeout_ms: int) -> dict[Any, list[Any]]:
        given = self.polls.pop(0)
        if isinstance(given, Exception):
            raise given
        return {partition(0): given}

    def topics(self) -> set[str]:
        return {"crypto-data"}

    def subscribe(self, topics: list[str]) -> None:
        self.subscribed = topics

    def close(self) -> None:
        self.closed = True


def run(monkeypatch: pytest.MonkeyPatch, consumer: Consumer, *words: str) -> Result:
    monkeypatch.setattr(kafka_client, "consumer", lambda *_, **__: consumer)
    return CliRunner().invoke(cli, ["--env-file", NOTHING, "tail", *words])


def test_each_record_is_one_line_and_moves_no_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    unread = UnreadRecord(*consumed(3, None, key=None))
    unread.why = "a batch of 9 bytes is too large"
    records = [consumed(0, b"a\nb\x1b[2J"), consumed(1, None, key=None), consumed(2, b"\xff"), unread]
    done = run(monkeypatch, Consumer(records), "-n", "4", "--show-key")
    assert done.output.splitlines() == [
        "0:0 key a\\nb\\u001b[2J",
        "0:1  ",
        "0:2 key \ufffd",
        "0:3  a batch of 9 bytes is too large",
    ]


def test_trouble_with_kafka_is_a_line_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = Consumer(kafka_errors.CorruptRecordError("checksum"))
    done = run(monkeypatch, consumer)
    assert isinstance(done.exception, CryptoProxyError)
    assert consumer.closed


def test_files_of_a_topic_that_was_made_anew_are_not_gone_on_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The place behind them is none: all that is there would be read with each start, and what comes later never."""

    class Shorter(Consumer):
        def partitions_for_topic(self, topic: str) -> set[int]:
            return {0}

        def assign(self, places: list[TopicPartition]) -> None:
            self.places = places

        def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
            return dict.fromkeys(places, 40)

    (folder := tmp_path / "crypto-data" / "0").mkdir(parents=True)
    (folder / f"{0:020}-{99:020}.jsonl").touch()
    done = run(monkeypatch, Shorter(), "--to-folder", str(tmp_path))
    assert isinstance(done.exception, OperatorError)
    assert "records of crypto-data up to 0:99, and the topic has none beyond 39" in str(done.exception)


def test_what_is_json_stays_the_same_json() -> None:
    text = json.dumps({"name": "\u00a0\u200b\x7f\u0085\u2028é€😀"}, ensure_ascii=False)
    assert json.loads(visible(text)) == json.loads(text)
    assert visible('{"a": "é\u00a0😀"}') == '{"a": "é\u00a0😀"}'
    visible("\udcff").encode()


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: Any) -> Iterator[Letter]:
        for number in range(60):
            yield Letter(
                Original("t", 0, number, None, None, [("\udcff", None), ("a", b"\x1b")]),
                reason="[/]\x1b[2J", error="[bold]\n", time="now", partition=0, offset=number,
                left_out=99 if number == 59 else None,
            )  # fmt: skip

    monkeypatch.setattr(reader, "read_letters", read)


@pytest.mark.usefixtures("letters")
def test_letters_of_anybody_are_listed_and_shown() -> None:
    listed = CliRunner().invoke(cli, ["--env-file", NOTHING, "dead-letters", "list", "-n", "2"], env={"COLUMNS": "120"})
    assert listed.exit_code == 0, listed.output
    assert "[/]\\u001b[2J" in listed.output
    assert "0:58" in listed.output
    assert "0:57" not in listed.output
    assert "60 dead letters" in listed.output
    shown = CliRunner().invoke(cli, ["--env-file", NOTHING, "dead-letters", "show", "0:1"])
    assert "header     \\udcff: None" in shown.output
    assert "key        None\nvalue      None" in shown.output
    bare = CliRunner().invoke(cli, ["--env-file", NOTHING, "dead-letters", "show", "0:59"])
    assert "its 99 bytes are not in the letter" in bare.output
    assert "value " not in bare.output


def test_a_topic_that_is_not_there_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(monkeypatch, Consumer(), "--topic", "crypot-data")
    assert isinstance(done.exception, CryptoProxyError)
    assert "there is no topic crypot-data" in str(done.exception)
