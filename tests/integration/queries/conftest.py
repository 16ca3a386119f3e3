from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.consumer.index import template
from cryptoproxy.datasets import CANDLE, MARKET, iso, slot_of
from cryptoproxy.engines.stack import Endpoints
from cryptoproxy.queries import Queries
from tests.integration.conftest import make_world, remove_indices
from tests.integration.queries.filled import HOUR, MINUTE, Filled, Stopped, figures, index, index_records, market


@pytest.fixture(scope="module")
def filled(endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """The small market, until now, in indices that the project's own template made."""
    world = make_world(endpoints, tmp_path_factory.mktemp("queries"))
    settings = world.settings.elasticsearch
    client = elastic.client(settings)
    list(template.set_up(client, settings, now=iso(SystemClock().now_ms())))
    end_ms = slot_of(SystemClock().now_ms(), MINUTE)
    year, documents = market(end_ms)
    for name in {iso(year.begin_ms)[:7], iso(end_ms)[:7]}:
        client.options(ignore_status=400).indices.create(index=f"{settings.alias}-{name.replace('-', '.')}.01")
    for begin in range(0, len(documents), 1000):
        index(client, settings.alias, documents[begin : begin + 1000])
    # What the docs ask of other datasets.
    polls = [(end_ms - number * HOUR, number) for number in range(4)]
    bar = replace(CANDLE.example, interval="1m", timestamp=iso(end_ms - 2 * MINUTE), fetched_at=iso(end_ms))
    for dataset, records in (
        (MARKET, [each for slot_ms, number in polls for each in figures(slot_ms, number)]),
        (CANDLE, [bar]),
    ):
        list(template.set_up(client, settings, dataset, now=iso(end_ms)))
        index_records(client, settings, dataset, records)
    yield Filled(client, settings.alias, year, end_ms, world.texts["ES_INDICES"])
    remove_indices(settings)
    client.close()


@pytest.fixture
def queries(filled: Filled) -> Queries:
    """Asked at the moment when the newest slot is a minute old."""
    return Queries(filled.client, index=filled.alias, clock=Stopped(filled.end_ms))


@pytest.fixture
def env_file(filled: Filled, endpoints: Endpoints, tmp_path: Path) -> Path:
    file = tmp_path / "env"
    file.write_text(f"ES_URL_ENDPOINT={endpoints.elasticsearch}\nES_INDEX={filled.alias}\nES_INDICES={filled.others}\n")
    return file
