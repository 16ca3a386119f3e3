"""What is told anew with other values: counted, named, and never in the way."""

from __future__ import annotations

import logging
import threading
from typing import Any

import msgspec
import pytest
from elastic_transport import ConnectionError as Unreachable
from prometheus_client import CollectorRegistry

from cryptoproxy.common.metrics import IndexerMetrics
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.batch import Batch, place_of, read
from cryptoproxy.consumer.index.corrections import MOST_NAMED, Corrections
from cryptoproxy.consumer.index.delivery import Delivered
from cryptoproxy.datasets import CANDLE, Candle, iso
from tests.unit.consumer.support import (
    CREATED,
    KNOWN,
    NOW_MS,
    ScriptedSender,
    answers,
    consumed,
    delivery_of,
    every,
    partition,
)

PLACE = place_of(Settings.from_texts({}).elasticsearch, CANDLE, "1h")
BEGIN_MS = NOW_MS - NOW_MS % 3_600_000 - 240 * 3_600_000
ID = f"binance:BTCUSDT:USDT:1h-{BEGIN_MS}"


def bar(number: int = 0, **fields: Any) -> Candle:
    begin_ms = BEGIN_MS + number * 3_600_000
    bare = msgspec.structs.replace(CANDLE.example, interval="1h", timestamp=iso(begin_ms), fetched_at=iso(NOW_MS))
    return msgspec.structs.replace(bare, **fields)


def batch_of(*bars: Candle) -> Batch:
    records = [consumed(offset, CANDLE.codec.encode(each)) for offset, each in enumerate(bars)]
    return read({partition(): records}, PLACE, now_ms=NOW_MS)


class Stored:
    """The index, as far as a client's ``mget`` shows it."""

    def __init__(self, *bars: Candle, fails: Exception | None = None) -> None:
        self.documents = {CANDLE.id_of(each): msgspec.json.decode(CANDLE.codec.encode(each)) for each in bars}
        self.fails = fails
        self.asked: list[str] = []

    def mget(self, *, docs: list[dict[str, str]]) -> dict[str, Any]:
        self.asked += [doc["_id"] for doc in docs]
        if self.fails:
            raise self.fails
        found = [(doc, self.documents.get(doc["_id"])) for doc in docs]
        return {"docs": [{**doc, "found": source is not None, "_source": source} for doc, source in found]}


class Sender(ScriptedSender):
    stored: Any = None

    def client(self) -> Any:
        return self.stored


def deliver(stored: object, batch: Batch, reply: Any) -> tuple[Delivered, float]:
    metrics = IndexerMetrics(CollectorRegistry()).of("candle")
    sender = Sender(reply)
    sender.stored, sender._settings = stored, Settings.from_texts({}).elasticsearch
    delivery = delivery_of(sender, corrections=Corrections(CANDLE, metrics))
    return delivery.deliver(batch, threading.Event()), metrics.corrections._value.get()


def test_a_bar_with_other_values_is_counted_and_named_with_its_fields(caplog: pytest.LogCaptureFixture) -> None:
    stored = Stored(bar(), bar(1))
    again = batch_of(bar(close=69130.0, trades=1835, fetched_at=iso(NOW_MS + 1)), bar(1, fetched_at=iso(NOW_MS + 1)))
    result, counted = deliver(stored, again, every(KNOWN))
    assert (result, counted) == (Delivered(duplicates=2), 1)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        f"candle {ID} of {iso(BEGIN_MS)} is told anew with close 69130.0 instead of 69141.5, trades 1835 instead of "
        "1834; what came first stays"
    )


def test_what_is_new_is_not_asked_for() -> None:
    stored = Stored(bar())
    result, _ = deliver(stored, batch_of(bar(), bar(1)), answers(KNOWN, CREATED))
    assert result == Delivered(indexed=1, duplicates=1)
    assert stored.asked == [ID]


def test_of_very_many_some_are_named_and_all_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    count = MOST_NAMED + 7
    stored = Stored(*(bar(number) for number in range(count)))
    _, counted = deliver(stored, batch_of(*(bar(number, trades=1) for number in range(count))), every(KNOWN))
    assert counted == count
    assert len(caplog.records) == MOST_NAMED + 1
    assert caplog.records[-1].getMessage().startswith("7 more candles")


def test_documents_that_are_gone_are_passed_over() -> None:
    assert deliver(Stored(), batch_of(bar()), every(KNOWN)) == (Delivered(duplicates=1), 0)


@pytest.mark.parametrize("how", ["away", "forbidden"])
def test_it_holds_nothing_up_where_documents_cannot_be_read(how: str, caplog: pytest.LogCaptureFixture) -> None:
    class Forbidden(Stored):
        def mget(self, *, docs: list[dict[str, str]]) -> dict[str, Any]:
            return {
                "docs": [{**doc, "error": {"type": "security_exception", "reason": "unauthorized"}} for doc in docs]
            }

    stored = Forbidden() if how == "forbidden" else Stored(fails=Unreachable("refused"))
    assert deliver(stored, batch_of(bar()), every(KNOWN)) == (Delivered(duplicates=1), 0)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "whether 1 known records came with other values is not seen" in record.getMessage()
