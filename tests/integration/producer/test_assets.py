"""Assets go the whole road: outbox, compacted topic, lake, one index in which the newest counts; and the commands that
hold lake against index know that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from kafka.admin import ConfigResource, ConfigResourceType

from cryptoproxy.cli.upkeep import backfill
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.datasets import ASSET, Asset, Feed, from_iso, iso
from cryptoproxy.datasets.times import HOUR_MS, Span
from cryptoproxy.errors import OperatorError
from cryptoproxy.lake.compact import Compaction
from cryptoproxy.lake.form import refuse
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.whole import whole_lake
from cryptoproxy.producer.alone.once import Once
from cryptoproxy.producer.wiring import Poller
from cryptoproxy.sandbox import Sandbox
from tests.conftest import wait_until
from tests.faults import evidence
from tests.integration.conftest import World
from tests.integration.consumer.conftest import Running

FEED = Feed("coingecko", "asset")
DAY_OF_SLOTS = 24
COINS_AT_ONCE = 2


@pytest.fixture
def assets(world: World, upstream: Sandbox) -> World:
    """Two coins have their turn in each hour."""
    world.texts |= {"SOURCES": FEED.name, "COINGECKO_TOP_N": str(COINS_AT_ONCE * DAY_OF_SLOTS)}
    world.set_up(ASSET)
    return world


def deliver(world: World, *older: Asset) -> None:
    """What `produce --once` does, with what waits in the outbox beside the poll."""
    poller = Poller(world.settings, alone=True, lease=False)
    for record in older:
        poller.outbox.keep(FEED, ASSET.codec.encode(record) + b"\n", begin_ms=from_iso(record.timestamp))
    assert Once(poller).run() == 0


def only(world: World, *records: Asset) -> None:
    """The index as it is where these alone have ever come."""
    settings = world.settings.elasticsearch
    index = f"{settings.alias_of(ASSET)}-all"
    client = elastic.client(settings)
    try:
        client.indices.delete(index=index)
        world.set_up(ASSET)
        for each in records:
            made = {"version": from_iso(each.fetched_at), "version_type": "external"}
            client.index(index=index, id=ASSET.id_of(each), document=msgspec.to_builtins(each), **made)
    finally:
        client.close()


def documents(world: World) -> dict[str, Any]:
    settings = world.settings.elasticsearch
    alias = settings.alias_of(ASSET)
    client = elastic.client(settings)
    try:
        client.indices.refresh(index=alias)
        return {hit["_id"]: hit["_source"] for hit in client.search(index=alias)["hits"]["hits"]}
    finally:
        client.close()


def test_of_an_asset_the_newest_counts_in_the_index_and_all_of_it_is_in_the_lake(assets: World, tmp_path: Path) -> None:
    world, topic = assets, assets.settings.kafka.topic_of(ASSET)
    deliver(world)
    new = [ASSET.codec.decode(each.value) for each in evidence.on_topic(world.settings, topic)]
    assert len(new) == COINS_AT_ONCE
    slot_ms = from_iso(new[0].timestamp)
    old = [
        msgspec.structs.replace(
            record,
            name=f"{record.name} of old",
            timestamp=iso(slot_ms - hours * HOUR_MS),
            fetched_at=iso(from_iso(record.fetched_at) - hours * HOUR_MS),
        )
        for record in new
        for hours in (2, 1)
    ]
    deliver(world, *old)  # later than the newest

    indexer = Running(world.settings)
    try:
        # Compaction may have taken some of the old ones meanwhile: such holes are nothing to an indexer.
        wait_until(lambda: indexer.metric("lag_records", dataset="asset") == 0 and len(documents(world)) == 2)
        wait_until(lambda: set(named(documents(world)).values()) == {each.name for each in new})
        assert indexer.why_not_ready() == ""
    finally:
        assert indexer.stop() == 0
    assert documents(world).keys() == {ASSET.id_of(each) for each in new}

    store, span = Store(world.settings.s3), Span(slot_ms - 3 * HOUR_MS, slot_ms + 1)
    kept = {ASSET.codec.encode(each) for each in (*new, *old)}

    def in_lake() -> set[bytes]:
        return {each.line for each in whole_lake(store, ASSET).records("coingecko", span, refuse)}

    assert in_lake() == kept
    told = reconciled(world, tmp_path, span, 0)
    assert sum(hour["lake"] for hour in told["hours"]) == sum(hour["documents"] for hour in told["hours"]) == 2

    only(world, old[1], new[1])  # of the first coin the newest record was lost
    told = reconciled(world, tmp_path, span, 1)
    assert [each for hour in told["hours"] for each in hour["missing_ids"]] == [ASSET.id_of(new[0])]
    (mend,) = told["mend"]
    assert run(world, tmp_path, backfill.replay, *mend.partition(" replay ")[2].split()).exit_code == 0
    assert set(named(documents(world)).values()) == {each.name for each in new}

    compaction = Compaction(store, ASSET, ASSET.parts[""], now_ms=lambda: slot_ms)
    for period in compaction.uncompacted("coingecko"):
        compaction.period("coingecko", period.begin_ms, unfinished=True, delete_raw=True)
    assert in_lake() == kept
    reconciled(world, tmp_path, span, 0)
    kept_all = run(world, tmp_path, backfill.retention, "--dataset", "asset", "--keep", "1s")
    assert (kept_all.exit_code, kept_all.stdout) == (0, "no index period is wholly older than that\n")


def test_its_topic_is_compacted_and_nothing_else_will_do(assets: World) -> None:
    kafka = assets.settings.kafka
    place = ConfigResource(ConfigResourceType.TOPIC, kafka.topic_of(ASSET), {"cleanup.policy": "delete"})
    admin = kafka_client.admin(kafka)
    try:
        assets.set_up(ASSET)  # as it was made it is taken again
        admin.alter_configs([place], incremental=True)
    finally:
        admin.close()

    def refusal() -> str:
        try:
            assets.set_up(ASSET)
        except OperatorError as error:
            return str(error)
        return ""

    # A broker says the old policy for a moment after it has taken the new one.
    assert "cleanup.policy" in wait_until(refusal, what="the refusal of the new policy")


def named(found: dict[str, Any]) -> dict[str, str]:
    return {identity: each["name"] for identity, each in found.items()}


def reconciled(world: World, folder: Path, span: Span, code: int) -> dict[str, Any]:
    asked = ["--from", iso(span.begin_ms), "--to", iso(span.end_ms), "--dataset", "asset", "--grace", "1s", "--json"]
    result = run(world, folder, backfill.reconcile, *asked)
    assert result.exit_code == code, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def run(world: World, folder: Path, command: Any, *words: str) -> Result:
    env_file = folder / "settings.env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in world.texts.items()))
    return CliRunner().invoke(command, words, obj=env_file)
