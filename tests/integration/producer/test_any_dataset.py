"""A dataset and an upstream that this program does not know, added as CONTRIBUTING.md says, in the two tables alone, go
the whole road: outbox, topic, lake, index; and the commands know them."""

from __future__ import annotations

import http.server
import json
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from click.testing import CliRunner
from msgspec import Meta

from cryptoproxy import upstreams
from cryptoproxy.cli.reading import tail
from cryptoproxy.cli.upkeep import backfill
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.settings.catalogue import Upstreams
from cryptoproxy.common.settings.sections import upstreams as section
from cryptoproxy.datasets import DATASETS, Dataset, Feed, Part, Period, from_iso, iso
from cryptoproxy.datasets.codec import check_identity, check_moment
from cryptoproxy.datasets.fields import AssetId, Quote, Source, Time
from cryptoproxy.lake.objects import lines_of
from cryptoproxy.lake.store import Store
from cryptoproxy.producer.alone.once import Once
from cryptoproxy.producer.wiring import Poller
from cryptoproxy.upstreams.base import Call, Limit, Limits, Poll, Polling, Response, SymbolList, Upstream
from tests.conftest import wait_until
from tests.faults import evidence
from tests.integration.conftest import World, remove_indices
from tests.integration.consumer.conftest import Running

HOUR_MS = 3_600_000


class Weather(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the toy dataset tells."""

    source: Source
    asset_id: AssetId
    symbol: Annotated[str, Meta(min_length=1)]
    quote: Quote
    timestamp: Time
    fetched_at: Time
    degrees: float


def check(record: Weather) -> None:
    check_identity(record.source, record.asset_id, record.quote)
    check_moment(record.timestamp)


WEATHER = Dataset(
    name="weather",
    says="a place's hour that is over",
    record=Weather,
    serial=lambda record: from_iso(record.timestamp),
    check=check,
    topic=f"toy-{uuid.uuid4().hex[:8]}.weather",
    alias="toy-weather",
    parts={"1h": Part(name="1h", period=Period.YEAR, file=Period.DAY)},
    part=lambda _: "1h",
    version=3,
    example=Weather(
        source="almanac",
        asset_id="oslo",
        symbol="OSLO",
        quote="C",
        timestamp="2026-11-20T10:00:00.000Z",
        fetched_at="2026-11-20T11:00:03.000Z",
        degrees=-3.5,
    ),
)


class Almanac:
    """The source ``almanac.weather-1h``: at each full hour and 3 s the hour that is over, and the one before it."""

    feed = Feed("almanac", "weather", "1h")
    upstream = "almanac"
    symbol_list: SymbolList | None = None
    expected = 2

    def __init__(self, url: str) -> None:
        self._url = url

    def calls(self, turn: int | None = None) -> Sequence[Call]:
        return (Call(self._url),)

    def check(self, answer: Response, *, now_ms: int) -> None: ...

    def used(self, answer: Response) -> int | None:
        return None

    def read(self, bodies: Sequence[bytes], *, slot_ms: int, fetched_at_ms: int) -> Poll:
        over_ms = slot_ms - 3_000
        return Poll(
            [
                Weather(
                    source=self.feed.source,
                    asset_id=place,
                    symbol=place.upper(),
                    quote="C",
                    timestamp=iso(over_ms - ago * HOUR_MS),
                    fetched_at=iso(fetched_at_ms),
                    degrees=degrees,
                )
                for place, hours in json.loads(bodies[0]).items()
                for ago, degrees in enumerate(hours, 1)
            ],
            [],
        )


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"oslo": [-3.5, -4.0], "rome": [14.25, 13.5]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002


@pytest.fixture
def almanac(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Its address; it stands in both tables."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_address[1]}/hours"

    def upstream(_: Upstreams) -> Upstream:
        return Upstream(
            limits=Limits(
                upstream="almanac",
                unit="calls",
                interval_setting="ALMANAC_INTERVAL",
                limits=(Limit(window="minute", amount=5, setting="ALMANAC_CALLS"),),
            ),
            feeds={Almanac.feed: Polling(make=lambda: Almanac(url), interval=3600, offset=3, fixed=True)},
        )

    monkeypatch.setitem(DATASETS, WEATHER.name, WEATHER)  # type: ignore[arg-type]
    monkeypatch.setattr(upstreams, "UPSTREAMS", (*upstreams.UPSTREAMS, upstream))
    monkeypatch.setattr(section, "SOURCE_NAMES", (*section.SOURCE_NAMES, "almanac"))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield url
    server.shutdown()
    thread.join(180)
    server.server_close()


@pytest.fixture
def set_up(world: World, almanac: str) -> Iterator[World]:
    world.set_up(WEATHER)
    yield world
    remove_indices(world.settings.elasticsearch)


def documents(world: World) -> dict[str, Any]:
    settings = world.settings.elasticsearch
    client = elastic.client(settings)
    try:
        client.indices.refresh(index=settings.alias_of(WEATHER))
        return {hit["_id"]: hit["_source"] for hit in client.search(index=settings.alias_of(WEATHER))["hits"]["hits"]}
    finally:
        client.close()


def test_a_dataset_of_which_only_the_two_tables_know_goes_the_whole_road(
    set_up: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = set_up
    topic = world.settings.kafka.topic_of(WEATHER, "1h")
    world.texts["SOURCES"] = "almanac.weather-1h"
    poller = Poller(world.settings, alone=True, lease=False)
    with caplog.at_level("INFO"):
        assert Once(poller).run() == 0
    slot_ms = poller.grid("almanac.weather-1h").slot_of(poller.clock.now_ms())
    assert (slot_ms - 3_000) % HOUR_MS == 0

    found = evidence.on_topic(world.settings, topic)
    records = [WEATHER.codec.decode(each.value) for each in found]
    ids = {WEATHER.id_of(record) for record in records}
    assert {each.key for each in found} == {b"almanac:oslo:C", b"almanac:rome:C"}
    assert {each.headers for each in found} == {(("schema-version", b"3"),)}
    hours = {from_iso(record.timestamp) for record in records}
    assert len(ids) == len(records) == 4
    assert max(hours) - min(hours) == HOUR_MS

    store = Store(world.settings.s3)
    keys = list(store.keys(f"{world.settings.s3.prefix}/v1/weather/raw/1h/source=almanac/"))
    days = {WEATHER.parts["1h"].file_of(iso(hour)) for hour in hours}
    assert {key.split("/dt=")[1][:10] for key in keys} == days
    assert len(keys) == len(days), "one object for each file that compaction will make of them"
    assert {line for key in keys for line in lines_of(key, store.get(key))} == {each.value for each in found}
    assert f"4 records sent to {topic}" in caplog.text or len(days) == 2
    assert poller.metrics.records_published.labels("almanac.weather-1h")._value.get() == 4
    assert poller.outbox.folder.joinpath("slots", "almanac.weather-1h").read_text().strip().isdigit()

    indexer = Running(world.settings)
    try:
        wait_until(lambda: documents(world).keys() == ids, what="each record is a document")
        assert indexer.metric("documents_indexed_total", dataset="weather") == 4
    finally:
        assert indexer.stop() == 0
    assert {msgspec.json.encode(each) for each in documents(world).values()} == {each.value for each in found}

    env_file = tmp_path / "settings.env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in world.texts.items()))
    span = ["--from", iso(min(hours)), "--to", iso(max(hours) + HOUR_MS)]
    asked = ["--dataset", "weather", *span, "--grace", "1s", "--json"]
    reconciled = CliRunner().invoke(backfill.reconcile, asked, obj=env_file)
    assert reconciled.exit_code == 0, reconciled.output
    told = json.loads(reconciled.stdout)
    assert (told["dataset"], told["agrees"], sum(hour["lake"] for hour in told["hours"])) == ("weather", True, 4)
    shown = CliRunner().invoke(tail.tail, ["--dataset", "weather-1h", "--from-beginning", "-n", "4"], obj=env_file)
    assert {line.encode() for line in shown.stdout.splitlines()} == {each.value for each in found}
