"""The snippets about what is streamed, against topics that hold some of it, twice, and what is no record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.common import topics
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.datasets import BOOK, GAP, TRADE, Dataset, key
from cryptoproxy.engines.stack import Endpoints
from tests.integration.conftest import World, make_world
from tests.integration.consuming.snippets import adapted

DATASETS: tuple[Dataset[Any], ...] = (TRADE, BOOK, GAP)


class EnoughError(Exception):
    """All that is on the topics was handled."""


@pytest.fixture(scope="module")
def streamed(endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = make_world(endpoints, tmp_path_factory.mktemp("streamed"))
    world.texts |= {"LIVE_SYMBOLS": "BTCUSDT", "KAFKA_LIVE_TOPIC": f"{world.texts['KAFKA_TOPIC']}.live"}
    kafka = world.settings.kafka
    admin = kafka_client.admin(kafka)
    list(topics.set_up(admin, kafka, DATASETS))
    admin.close()
    producer = kafka_client.producer(kafka)
    for dataset in DATASETS:
        line = dataset.codec.encode(dataset.example)
        for value in (line, b"no record", line):
            producer.send(kafka.topic_of(dataset), key=key(dataset.example).encode(), value=value).get(180)
    headers = [("topic", b"btcusdt@depth@100ms"), ("received-at", b"17")]
    producer.send(kafka.live_topic, key=b"binance:BTCUSDT", value=b'{"u":5}', headers=headers).get(180)
    producer.close()
    return world


def run(world: World, name: str, changes: dict[str, str], namespace: dict[str, Any]) -> None:
    code = adapted(name, {"localhost:9092": world.texts["KAFKA_BROKERS_HOST_PORT"], **changes})
    try:
        with pytest.raises(EnoughError):
            exec(compile(code, name, "exec"), namespace)
    finally:
        namespace["consumer"].close()


def test_each_trade_book_and_gap_is_handled_once(streamed: World) -> None:
    kafka = streamed.settings.kafka
    handled: list[Any] = []

    def handle(record: Any) -> None:
        handled.append(record)
        if len(handled) == len(DATASETS):
            raise EnoughError

    changes = {each.topic: kafka.topic_of(each) for each in DATASETS} | {"my-team": f"{kafka.topic}-streamed"}
    run(streamed, "trades-and-books", changes, dict.fromkeys(("handle_trade", "handle_book", "handle_gap"), handle))
    made = [json.loads(each.codec.encode(each.example)) for each in DATASETS]
    assert sorted(map(json.dumps, handled)) == sorted(map(json.dumps, made))


def test_what_is_live_is_shown_with_its_stream(streamed: World, tmp_path: Path) -> None:
    shown: list[Any] = []

    def show(*words: Any) -> None:
        shown.append(words)
        raise EnoughError

    changes = {"crypto.live": streamed.settings.kafka.live_topic, "latest": "earliest"}
    run(streamed, "live", changes, {"show": show})
    assert shown == [("binance:BTCUSDT", "btcusdt@depth@100ms", {"u": 5})]
