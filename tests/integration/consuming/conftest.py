"""One day of records on the topic, in the index and in the lake, for every snippet of docs/consuming.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.consumer.backfill import wiring
from cryptoproxy.datasets import RECORD_HEADERS, TICKER, Ticker, encode, from_iso, iso, key
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.engines.stack import Endpoints
from cryptoproxy.lake import objects
from cryptoproxy.lake.compact import Compaction
from cryptoproxy.lake.store import Store
from tests.integration.conftest import World, make_world

TEN_MINUTES = 600_000
POISON: tuple[bytes | None, ...] = (
    None, b"", b"not json", b"\xff", b"[]", b"1", b"null", b"{}", b'{"timestamp": 5}', b"[" * 20_000,
)  # fmt: skip
"""What else may stand on a topic."""
COINS = {"bitcoin": "BTC", "ethereum": "ETH", "wrapped-bitcoin": "BTC"}


@dataclass(frozen=True)
class Filled:
    """What is where."""

    world: World
    records: list[Ticker]
    """Each once."""
    published: int
    """On the topic, some of them twice."""

    @property
    def day(self) -> str:
        return self.records[0].timestamp[:10]

    def of(self, asset_id: str) -> list[Ticker]:
        return [each for each in self.records if each.asset_id == asset_id]

    def changes(self, *names: str) -> dict[str, str]:
        """The page's addresses and names, and what they are here."""
        texts = self.world.texts
        everything = {
            "localhost:9092": texts["KAFKA_BROKERS_HOST_PORT"],
            "crypto-data": texts["KAFKA_TOPIC"],
            "my-team": f"{texts['KAFKA_TOPIC']}-readers",
            "localhost:9200": texts["ES_URL_ENDPOINT"].removeprefix("http://"),
            "crypto-prices": texts["ES_INDEX"],
            "localhost:9000": texts["AWS_S3_ENDPOINT_URL"].removeprefix("http://"),
            "ACCESS_KEY": texts["AWS_S3_ACCESS_KEY"],
            "SECRET_KEY": texts["AWS_S3_SECRET_KEY"],
            "crypto/v1/": f"{texts['AWS_S3_FILENAME_PREFIX']}/v1/",
            "2026-11-20": self.day,
            "2026-11-01": self.day,
            "2026, 11, 1": ", ".join(str(int(each)) for each in self.day.split("-")),
        }
        return {name: everything[name] for name in names}


def _day() -> list[Ticker]:
    today_ms = SystemClock().now_ms() // DAY_MS * DAY_MS
    made = []
    for poll in range(12):
        slot_ms = today_ms - 2 * DAY_MS + poll * TEN_MINUTES
        made += [
            Ticker(
                source="coingecko", asset_id=asset_id, symbol=symbol, name=asset_id, quote="USD",
                price=100.0 * (number + 1) + poll, timestamp=iso(slot_ms), fetched_at=iso(slot_ms + 300),
                fetch_delay_ms=300, change_24h=float(poll - 3) * 2,
            )
            for number, (asset_id, symbol) in enumerate(COINS.items())
        ]  # fmt: skip
    return made


@pytest.fixture(scope="module")
def filled(endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    folder = tmp_path_factory.mktemp("consuming")
    world = make_world(endpoints, folder)
    world.set_up()
    settings, records = world.settings, _day()
    store = Store(settings.s3)
    polls = [records[at : at + len(COINS)] for at in range(0, len(records), len(COINS))]
    for poll in polls:
        _archive(store, poll)
    # Two pollers were active at once: this copy was fetched later, so it counts nowhere.
    _archive(store, [_later(polls[4][0])])
    published = _publish(settings, records[:20], poison=POISON) + _publish(settings, records[15:])
    day_ms = from_iso(records[0].timestamp)
    totals = wiring.replay(
        settings, TICKER, Span(day_ms, day_ms + DAY_MS), sources=None, topic=None, rate=None, resume=False,
        progress_dir=folder / "replay", console=Console(stderr=True, quiet=True),
    )  # fmt: skip
    assert (totals.written, totals.poison) == (len(records), 0)
    Compaction(store, now_ms=SystemClock().now_ms).period("coingecko", day_ms)
    client = elastic.client(settings.elasticsearch)
    client.indices.refresh(index=settings.elasticsearch.alias)
    yield Filled(world, records, published)
    for index in client.indices.get(index=f"{settings.elasticsearch.alias}-*"):
        client.indices.delete(index=index)
    client.indices.delete_index_template(name=settings.elasticsearch.alias)
    client.close()


def _later(record: Ticker) -> Ticker:
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    return Ticker(**fields | {"price": 1e9, "fetched_at": iso(from_iso(record.fetched_at) + 1)})


def _archive(store: Store, poll: list[Ticker]) -> None:
    lines = b"".join(encode(each) + b"\n" for each in poll)
    made = objects.make(store.settings.prefix, "ticker", "coingecko", from_iso(poll[0].timestamp), lines)
    store.put(made.key, made.body)


def _publish(settings: Any, records: list[Ticker], *, poison: Sequence[bytes | None] = ()) -> int:
    """The poison after the records, where these stand, with and without a key."""
    producer = kafka_client.producer(settings.kafka)
    topic = settings.kafka.topic
    sent = [
        producer.send(topic, key=key(each).encode(), value=encode(each), headers=RECORD_HEADERS) for each in records
    ]
    there = {each.get(180).partition for each in sent}
    odd = [("schema-version", b"7"), ("\N{SNOWMAN}", b"")]
    for name in (b"coingecko:bitcoin:USD", b"\xff", None):
        sent += [
            producer.send(topic, key=name, value=value, headers=odd, partition=partition)
            for partition in there
            for value in poison
            if (name, value) != (None, None)
        ]
    for each in sent:
        each.get(180)
    producer.close()
    return len(records)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A snippet's own folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
