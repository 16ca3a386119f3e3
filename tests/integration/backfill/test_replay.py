"""Replay on real engines: by the indexer's path, as often as one likes, and beside live data."""

from __future__ import annotations

import json
import threading

import pytest

from cryptoproxy.datasets import document_id, encode, from_iso, iso, key
from cryptoproxy.errors import OperatorError
from cryptoproxy.sandbox import FaultProxy, Rule, Script
from tests.conftest import wait_until
from tests.integration.backfill.conftest import HOUR, MINUTE, Bench, record

ALL = "--from {} --to {}"


def around(bench: Bench, hours: int = 3) -> str:
    return ALL.format(iso(bench.begin), iso(bench.begin + hours * HOUR))


def test_an_empty_index_is_filled_and_a_second_replay_changes_nothing(bench: Bench) -> None:
    records = bench.fill()
    # Two pollers have polled this slot: the copy with the smaller fetched_at counts, whatever the object's name.
    slot_ms = bench.begin + 5 * MINUTE
    first = record("twice", slot_ms, price=1.0)
    bench.archive(record("twice", slot_ms, price=2.0, fetched_at=iso(slot_ms + 900)))
    bench.archive(first)
    bench.archive(record("twice", slot_ms, price=3.0, fetched_at=iso(slot_ms + 901)))
    expected = {document_id(each): json.loads(encode(each)) for each in [*records, first]}

    done = bench.run(f"replay {around(bench)} --rate 100000")
    assert done.exit_code == 0
    assert f"{len(expected)} indexed, 0 there already, 0 poison" in done.stdout
    assert bench.documents() == expected

    again = bench.run(f"replay {around(bench)}")
    assert again.exit_code == 0
    assert f"0 indexed, {len(expected)} there already" in again.stdout
    assert bench.documents() == expected
    assert not list((bench.env_file.parent / "replay").iterdir())  # nothing to resume


def test_the_topic_again_and_the_archive_again_at_once_while_live_data_flows(bench: Bench) -> None:
    past = bench.fill(polls=12)
    bench.publish(*past)
    with bench.indexer():
        wait_until(lambda: bench.count() == len(past), what="the topic in the index")
        before = bench.documents()
        ended = threading.Event()
        live = []

        def flow() -> None:
            number = 0
            while not ended.is_set():
                poll = [record(f"coin-{asset}", bench.begin + 2 * HOUR + number * 1000 + 500) for asset in range(20)]
                bench.publish(*poll)
                live.extend(poll)
                number += 1

        flowing = threading.Thread(target=flow, name="live data")
        flowing.start()
        try:
            with bench.indexer(KAFKA_CONSUMER_GROUP_ID=f"{bench.alias}-again"):
                for _ in range(2):
                    assert bench.run(f"replay {around(bench)}").exit_code == 0
                ended.set()
                flowing.join()
                topic = bench.settings.kafka.topic
                total = len(bench.on_topic(topic))
                assert total == len(past) + len(live)
                wait_until(lambda: bench.count() >= total, what="the live data in the index")
                # The new group has read all of it, too: its last commits say so.
                wait_until(lambda: committed(bench, f"{bench.alias}-again") == total, what="the second group's end")
        finally:
            ended.set()
            flowing.join()
    after = bench.documents()
    assert len(after) == len(past) + len(live)
    assert {each: after[each] for each in before} == before
    assert {document_id(each) for each in live} <= after.keys()


def committed(bench: Bench, group: str) -> int:
    from cryptoproxy.common.clients import kafka as kafka_client

    admin = kafka_client.admin(bench.settings.kafka)
    try:
        return sum(each.offset for each in admin.list_group_offsets({group: None})[group].values())
    finally:
        admin.close()


def test_late_records_land_in_the_index_of_their_own_month(bench: Bench) -> None:
    september = record("late", from_iso("2026-09-30T23:59:00.000Z"))
    october = record("late", from_iso("2026-10-01T00:00:00.000Z"))
    bench.archive(september)
    bench.archive(october)
    assert bench.run("replay --from 2026-09-01 --to 2026-11-01").exit_code == 0
    assert bench.documents(f"{bench.alias}-2026.09.01").keys() == {document_id(september)}
    assert bench.documents(f"{bench.alias}-2026.10.01").keys() == {document_id(october)}


def test_poison_in_the_lake_is_named_and_the_rest_goes_on(bench: Bench) -> None:
    slot_ms = bench.begin
    good, refused = record("good", slot_ms), encode(record("refused", slot_ms))
    refused = refused[:-1] + b',"_id":"1"}'  # an unknown field to the contract, and one of Elasticsearch's own
    lines = encode(good) + b"\n" + b'{"source":"coingecko"}\n' + refused + b"\n"
    key_of_bad = bench.archive_lines("coingecko", slot_ms, lines)
    damaged = bench.archive(record("lost", slot_ms + MINUTE))
    bench.store.put(damaged, bench.store.get(damaged)[:-9])
    bench.archive(record("after", slot_ms + 2 * MINUTE))
    done = bench.run(f"replay {around(bench)}")
    assert done.exit_code == 1
    assert "2 indexed, 0 there already, 3 poison" in done.stdout
    assert f"{key_of_bad} line 2: contract" in done.stderr
    assert f"{key_of_bad} line 3: document_parsing_exception" in done.stderr
    assert f"{damaged}: damaged_object" in done.stderr
    assert {each["asset_id"] for each in bench.documents().values()} == {"good", "after"}
    assert not bench.on_topic(bench.settings.kafka.dead_letter_topic)


def test_to_another_topic_as_the_poller_sends_it(bench: Bench) -> None:
    records = bench.fill(hours=1)
    live = bench.settings.kafka.topic
    refused = bench.run(f"replay {around(bench)} --topic {live}")
    assert refused.exit_code == 2
    assert not bench.on_topic(live)
    done = bench.run(f"replay {around(bench)} --topic {live} --to-live-topic")
    assert done.exit_code == 0
    assert f"{len(records)} sent to {live}" in done.stdout
    sent = {each.value: (each.key, list(each.headers)) for each in bench.on_topic(live)}
    assert sent == {encode(each): (key(each).encode(), [("schema-version", b"1")]) for each in records}
    assert bench.count() == 0
    with pytest.raises(OperatorError, match="topic nowhere is missing"):
        bench.run(f"replay {around(bench)} --topic nowhere")


def test_elasticsearch_and_s3_that_are_away_are_waited_for(bench: Bench) -> None:
    records = bench.fill(hours=1, polls=2)
    es_away = Script([Rule(path="/_bulk", last=2, status=503), Rule(path="_index_template", nth=1, refuse=True)])
    s3_away = Script([Rule(every=4, last=8, refuse=True)])
    with (
        FaultProxy(bench.texts["ES_URL_ENDPOINT"], es_away) as es,
        FaultProxy(bench.texts["AWS_S3_ENDPOINT_URL"], s3_away) as s3,
    ):
        settings = bench.variant(ES_URL_ENDPOINT=es.url, AWS_S3_ENDPOINT_URL=s3.url)
        assert bench.run(f"replay {around(bench)}", env_file=settings).exit_code == 0
    assert bench.count() == len(records)
    assert [each.fired for each in (*es_away.counts(), *s3_away.counts())] == [2, 1, 2]
