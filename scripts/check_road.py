"""Sends every recorded ticker answer of a folder down the whole road, and compares what arrives field by field.

    python scripts/check_road.py FOLDER      (with coingecko/, binance/ and bybit/ in it, and engines that are up)

Each file is served by the sandbox as it is, polled once (`produce --once`), and read back from the topic, the index and
the lake. What is expected is worked out by ``check_recorded.py`` from plain JSON. The settings are those of the
environment, but for a topic, an alias and a prefix of its own. Exits 1 on any difference.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from check_recorded import Case, Expected, cases, load
from elasticsearch.helpers import scan
from kafka import TopicPartition

from cryptoproxy.common import topics
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.loading import read_environment
from cryptoproxy.common.start import connection_file
from cryptoproxy.consumer.index import template
from cryptoproxy.consumer.wiring import service
from cryptoproxy.datasets import TICKER, Dataset, iso
from cryptoproxy.lake.objects import RAW, folder, lines_of
from cryptoproxy.lake.store import Store
from cryptoproxy.producer.alone.once import once
from cryptoproxy.sandbox.app import Sandbox
from cryptoproxy.upstreams.binance.tickers import Binance
from cryptoproxy.upstreams.bybit.tickers import Bybit
from cryptoproxy.upstreams.coingecko.tickers import CoinGecko

INDEXED_SECONDS = 60.0
OURS = {"timestamp", "fetched_at", "fetch_delay_ms", "interval_ms"}


def own_world(outbox: Path) -> dict[str, str]:
    """The settings in force, in a corner of their own. Every slot is kept in ``outbox``, so it must be new."""
    name = f"road-{uuid.uuid4().hex[:8]}"
    return read_environment(None, connection_file()) | {
        "KAFKA_TOPIC": name,
        "KAFKA_CONSUMER_GROUP_ID": name,
        "ES_INDEX": name,
        "AWS_S3_FILENAME_PREFIX": name,
        "OUTBOX_DIR": str(outbox),
        "PYTHON_PRODUCER_SERVER_PORT": "0",
        "PYTHON_CONSUMER_SERVER_PORT": "0",
        "COINGECKO_CALLS_PER_MINUTE": "0",
        "BINANCE_WEIGHT_PER_MINUTE": "0",
        "BYBIT_CALLS_PER_5S": "0",
        "KAFKA_PRODUCER_BATCH_INTERVAL": "1",
    }


def settings_for(case: Case, sandbox: Sandbox, world: dict[str, str]) -> Settings:
    texts = world | {
        "SOURCES": case.source.feed.name,
        "COINGECKO_BASE_URL": sandbox.base_url("coingecko"),
        "BINANCE_BASE_URL": sandbox.base_url("binance"),
        "BYBIT_BASE_URL": sandbox.base_url("bybit"),
        "COINGECKO_TOP_N": "250",
        "BINANCE_SYMBOLS": "*",
    }
    if isinstance(case.source, CoinGecko) and "_myr" in case.path.name:
        texts["COINGECKO_QUOTE"] = "myr"
    if isinstance(case.source, Binance) and not isinstance(load(case.body), list):
        texts["BINANCE_SYMBOLS"] = case.rows[0]["symbol"]
    if isinstance(case.source, Bybit) and "v2_" in case.path.name:
        texts["BYBIT_API"] = "v2"
    return Settings.from_texts(texts)


def replayed(case: Case, folder: Path) -> list[Path]:
    """The file, and beside it what its poll needs to be asked and understood as it was."""
    if case.path.name.startswith("us_"):  # quoted in USD, which no table of suffixes can tell from TUSD and BUSD
        return [case.path, *case.path.parent.glob("us_exchangeInfo*[0-9].json")]
    if "v2_" in case.path.name and not case.path.with_suffix(".headers.json").exists():
        # Only the body was recorded, and it does not tell which interface answered it.
        copy = folder / case.path.name
        copy.write_bytes(case.body)
        request = {"status": 200, "request": "GET https://api.bybit.com/v2/public/tickers", "response_headers": {}}
        copy.with_suffix(".headers.json").write_text(json.dumps(request))
        return [copy]
    return [case.path]


def set_up(settings: Settings, datasets: Collection[Dataset[Any]] = (TICKER,)) -> None:
    admin = kafka_client.admin(settings.kafka)
    list(topics.set_up(admin, settings.kafka, datasets))
    admin.close()
    client = elastic.client(settings.elasticsearch)
    for dataset in datasets:
        list(template.set_up(client, settings.elasticsearch, dataset, now=iso(SystemClock().now_ms())))
    client.close()
    Store(settings.s3).make_bucket()


def on_the_topic(settings: Settings, dataset: Dataset[Any] = TICKER) -> list[bytes]:
    """Every value of its topics, read to the end."""
    consumer: Any = kafka_client.consumer(settings.kafka, group_id=None)
    partitions = [
        TopicPartition(topic, each)
        for topic in settings.kafka.topics_of(dataset)
        for each in consumer.partitions_for_topic(topic)
    ]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    consumer.seek_to_beginning(*partitions)
    values: list[bytes] = []
    while sum(ends.values()) > len(values):
        for records in consumer.poll(timeout_ms=500).values():
            values += [record.value for record in records]
    consumer.close()
    return values


def in_the_lake(settings: Settings, dataset: Dataset[Any] = TICKER) -> list[bytes]:
    store = Store(settings.s3)
    keys = store.keys(folder(settings.s3.prefix, dataset.name, RAW))
    return [line for key in keys for line in lines_of(key, store.get(key))]


def in_the_index(settings: Settings, count: int, dataset: Dataset[Any] = TICKER) -> dict[str, dict[str, Any]]:
    """Every document by its id, when ``count`` of them are there."""
    client = elastic.client(settings.elasticsearch)
    alias = settings.elasticsearch.alias_of(dataset)
    deadline = time.monotonic() + INDEXED_SECONDS
    while client.count(index=alias)["count"] < count and time.monotonic() < deadline:
        time.sleep(0.2)
        client.indices.refresh(index=alias)
    documents = {hit["_id"]: hit["_source"] for hit in scan(client, index=alias, size=1000)}
    client.close()
    return documents


def differences(case: Case, slot: str, documents: list[dict[str, Any]]) -> Iterator[str]:
    """What of one file differs from what arrived for its slot."""
    found = {document["asset_id"]: document for document in documents}
    wanted: dict[str, Expected] = {}
    for row in case.rows:
        expected = case.expect(row)
        if not isinstance(expected, str):
            wanted[expected["asset_id"]] = expected
    if set(found) != set(wanted):
        yield f"{case.path.name}: {len(found)} documents, {len(wanted)} rows with a price: {set(found) ^ set(wanted)}"
    for asset_id in set(found) & set(wanted):
        given = {name: value for name, value in wanted[asset_id].items() if value is not None}
        for name in sorted({*given, *found[asset_id]} - OURS):
            if given.get(name) is ...:
                continue  # a quote that only the exchange's own list of that day could tell
            if found[asset_id].get(name) != given.get(name):
                wrong, right = found[asset_id].get(name), given.get(name)
                yield f"{case.path.name} {asset_id} {name}: expected {right!r}, found {wrong!r}"


def main(recorded: Path, outbox: Path) -> int:
    logging.disable(logging.INFO)
    world = own_world(outbox)
    base = Settings.from_texts(world)
    set_up(base)
    indexer = service(base)
    running = threading.Thread(target=indexer.run)
    running.start()
    slots: list[tuple[Case, str, int]] = []
    last = ""
    faults: list[str] = []
    for case in cases(recorded, Counter()):
        upstream = case.path.parent.name
        with Sandbox(replay={upstream: replayed(case, outbox)}) as sandbox:
            settings = settings_for(case, sandbox, world)
            before = len(slots)
            while iso(SystemClock().now_ms())[:19] <= last[:19]:
                time.sleep(0.05)  # a slot is polled once: each file gets its own
            code = once(settings)
            wanted = sum(not isinstance(case.expect(row), str) for row in case.rows)
            newest = sorted((settings.poller.outbox_dir / "slots").glob(case.source.feed.name))
            slot = iso(int(newest[0].read_text())) if code == 0 and newest else ""
            if code == 0:
                last = slot
                slots.append((case, slot, wanted))
            elif case.rows:
                faults.append(f"{case.path.name}: not polled")
            print(
                f"{case.path.name:55} rows {len(case.rows):5} records {wanted if len(slots) > before else 0:5}",
                flush=True,
            )
    total = sum(count for _, _, count in slots)
    documents = in_the_index(base, total)
    indexer.stop()
    running.join()
    for case, slot, _ in slots:
        arrived = [
            each for each in documents.values() if each["timestamp"] == slot and each["source"] == case.source.feed.name
        ]
        faults += differences(case, slot, arrived)
    values, lines = on_the_topic(base), in_the_lake(base)
    same = Counter(values) == Counter(lines)
    parsed = {json.dumps(json.loads(value), sort_keys=True) for value in values}
    stored = {json.dumps(document, sort_keys=True) for document in documents.values()}
    print(
        f"files {len(slots)}, records expected {total}, on the topic {len(values)}, documents {len(documents)}, "
        f"in the lake {len(lines)}; topic and lake byte for byte equal: {same}; index equal: {parsed == stored}; "
        f"differences {len(faults)}"
    )
    for fault in faults[:50]:
        print(fault, file=sys.stderr)
    return 0 if same and parsed == stored and not faults and total and len(values) == total else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as own:
        sys.exit(main(Path(sys.argv[1]), Path(own)))
