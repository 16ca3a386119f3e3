"""A hole in the lake is filled from the topic: real Kafka, real S3."""

from __future__ import annotations

from collections.abc import Callable

from click.testing import Result

from cryptoproxy.datasets import SCHEMA_VERSION_HEADER, document_id, encode, from_iso
from cryptoproxy.datasets.times import Span
from cryptoproxy.lake.form import refuse
from cryptoproxy.lake.whole import whole_lake
from tests.integration.backfill.conftest import DAY, HOUR, MINUTE, Bench, record

Lake = Callable[[str], Result]


def lines(bench: Bench) -> dict[str, bytes]:
    span = Span(bench.begin, bench.begin + DAY)
    return {each.id: each.line for each in whole_lake(bench.store).records("coingecko", span, refuse)}


def test_what_was_kept_for_kafka_alone_comes_into_the_lake(bench: Bench, lake: Lake) -> None:
    there = [record(f"coin-{asset}", bench.begin) for asset in range(5)]
    hole = [record(f"coin-{asset}", bench.begin + at) for at in (MINUTE, HOUR, HOUR + MINUTE) for asset in range(5)]
    bench.archive(*there)
    bench.publish(*there, *hole, hole[0])
    bench.producer.send(bench.settings.kafka.topic, key=b"x", value=b'{"source":"coingecko"}').get(180)
    first = lake("fill --dataset ticker --since 1d")
    assert first.exit_code == 0
    assert "22 records since" in first.stdout
    assert "15 of them were lacking in the lake, stored as 2 objects, 1 cannot be read" in first.stdout
    assert lines(bench) == {document_id(each): encode(each) for each in (*there, *hole)}

    again = lake("fill --since 1d")
    assert "0 of them were lacking" in again.stdout


def test_what_the_indexer_sets_aside_does_not_come_into_the_lake(bench: Bench, lake: Lake) -> None:
    good, other = record("bitcoin", bench.begin), record("ethereum", bench.begin)
    bench.publish(good)
    for made, headers in (
        (other, [(SCHEMA_VERSION_HEADER, b"2")]),
        (other, [(SCHEMA_VERSION_HEADER, b"")]),
        (record("solana", bench.begin + 365 * DAY), []),
        (record("solana", from_iso("9999-12-31T23:59:59.000Z")), []),
    ):
        bench.producer.send(bench.settings.kafka.topic, key=b"k", value=encode(made), headers=headers).get(180)
    told = lake("fill --dataset ticker --since 1d").stdout
    assert "stored as 1 objects, 2 cannot be read, 2 are ahead of this clock and left out" in told
    assert lines(bench).keys() == {document_id(good)}


def test_a_day_that_was_compacted_is_not_filled_again_but_gets_what_it_lacks(bench: Bench, lake: Lake) -> None:
    there, late = record("bitcoin", bench.begin), record("ethereum", bench.begin + MINUTE)
    bench.archive(there)
    assert lake("compact --all --delete-raw --dataset ticker").exit_code == 0
    bench.publish(there, late)
    assert "1 of them were lacking in the lake, stored as 1 objects" in lake("fill --dataset ticker --since 1d").stdout
    assert lake("compact --all --delete-raw --expire").exit_code == 0
    assert lines(bench).keys() == {document_id(there), document_id(late)}
    assert not list(bench.store.keys(f"{bench.settings.s3.prefix}/v1/ticker/raw/"))


def test_what_came_before_is_not_read(bench: Bench, lake: Lake) -> None:
    bench.publish(record("bitcoin", bench.begin))
    assert "0 records since" in lake("fill --dataset ticker --since 2100-01-01").stdout
