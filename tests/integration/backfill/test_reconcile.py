"""Reconcile and retention on real engines: what is missing is found exactly, and only what is safe is removed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cryptoproxy.consumer.backfill import documents as documents_module
from cryptoproxy.consumer.batch import DeadLetter
from cryptoproxy.consumer.letters.dead_letters import content_of
from cryptoproxy.consumer.letters.reader import Original
from cryptoproxy.datasets import Ticker, document_id, encode, from_iso, iso
from tests.conftest import PATIENCE
from tests.integration.backfill.conftest import DAY, HOUR, MINUTE, Bench, record


def reconcile(bench: Bench, *options: str) -> tuple[int, dict[str, Any]]:
    span = f"--from {iso(bench.begin)} --to {iso(bench.begin + 3 * HOUR)}"
    result = bench.run(f"reconcile {span} --json {' '.join(options)}")
    return result.exit_code, json.loads(result.stdout)


def dead_letter(bench: Bench, value: bytes, *, offset: int) -> None:
    topic = bench.settings.kafka.topic
    original = Original(topic, 1, offset, b"key", value, [])
    headers = content_of(DeadLetter(original, "contract", "because"), now_ms=bench.today).headers
    bench.producer.send(f"{topic}.dlq", key=original.key, value=value, headers=headers).get(PATIENCE)


def ids(found: dict[str, Any], which: str) -> set[str]:
    return {each for hour in found["hours"] for each in hour[f"{which}_ids"]}


def test_exactly_what_was_deleted_is_found_and_the_printed_command_mends_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents_module, "PAGE", 7)  # below a slot's size: pages end within a slot
    coins, pairs = bench.fill(), bench.fill(source="binance", assets=3)
    assert bench.run(f"replay --from {iso(bench.begin)} --to {iso(bench.begin + 3 * HOUR)}").exit_code == 0
    code, found = reconcile(bench)
    assert (code, found["agrees"], len(found["hours"]), found["mend"]) == (0, True, 6, [])
    assert sum(hour["lake"] for hour in found["hours"]) == len(coins) + len(pairs)

    deleted = [coins[3], coins[20], coins[125], *pairs[-2:]]
    bench.delete(*deleted)
    code, found = reconcile(bench)
    assert code == 1
    assert ids(found, "missing") == {document_id(each) for each in deleted}
    assert ids(found, "extra") == set()
    assert len(found["mend"]) == 2

    table = bench.run(f"reconcile --from {iso(bench.begin)} --to {iso(bench.begin + 3 * HOUR)}")
    assert table.exit_code == 1
    commands = [line.strip() for line in table.stdout.splitlines() if line.startswith("  cryptoproxy")]
    assert commands == found["mend"]
    for command in commands:
        assert bench.paste(command).exit_code == 0
    assert reconcile(bench)[0] == 0
    assert bench.count() == len(coins) + len(pairs)


def test_dead_letters_are_accounted_for(bench: Bench) -> None:
    coins = bench.fill(hours=1)
    assert bench.run(f"replay --from {iso(bench.begin)} --to {iso(bench.begin + HOUR)}").exit_code == 0
    bench.delete(coins[0], coins[1])
    dead_letter(bench, encode(coins[0]), offset=1)
    dead_letter(bench, encode(coins[0]), offset=1)  # a dead letter may come twice
    dead_letter(bench, encode(coins[7]), offset=2)  # replayed since: a document, too
    dead_letter(bench, b"junk", offset=3)
    code, found = reconcile(bench)
    assert code == 1
    assert ids(found, "missing") == {document_id(coins[1])}
    assert [hour["dead_letters"] for hour in found["hours"]] == [1]
    assert found["dead_letters_without_id"] == [{"topic": bench.settings.kafka.topic, "partition": 1, "count": 1}]
    dead_letter(bench, encode(coins[1]), offset=4)
    assert reconcile(bench)[0] == 0


def test_documents_that_the_lake_does_not_have_are_named(bench: Bench) -> None:
    coins = bench.fill(hours=1)
    assert bench.run(f"replay --from {iso(bench.begin)} --to {iso(bench.begin + HOUR)}").exit_code == 0
    stray = record("stray", bench.begin + MINUTE)
    bench.delete(coins[0])
    bench.es.create(index=bench.index_of(bench.begin), id=document_id(stray), document=json.loads(encode(stray)))
    code, found = reconcile(bench, "--quick")  # the counts agree, as long as no id is looked at
    assert (code, found["compared"]) == (0, "counts")
    code, found = reconcile(bench)
    assert (code, found["compared"]) == (1, "ids")
    assert ids(found, "extra") == {document_id(stray)}
    assert ids(found, "missing") == {document_id(coins[0])}


def test_what_is_younger_than_the_grace_is_left_out_and_an_absent_side_is_no_difference(bench: Bench) -> None:
    bench.archive(record("fresh", bench.slot_now()))
    today, tomorrow = iso(bench.today), iso(bench.today + 2 * DAY)
    result = bench.run(f"reconcile --from {today} --to {tomorrow} --grace 5m")
    assert result.exit_code == 0
    assert "Left out" in result.stdout
    nowhere = bench.variant(AWS_S3_BUCKET="no-such-bucket")
    assert bench.run(f"reconcile --from {today} --to {tomorrow}", env_file=nowhere).exit_code == 3


def indices(bench: Bench) -> set[str]:
    return set(bench.es.indices.get(index=f"{bench.alias}-*"))


def test_retention_removes_only_what_the_lake_has_in_full(bench: Bench) -> None:
    def month(text: str, polls: int = 3) -> list[Ticker]:
        begin = from_iso(f"{text}-10T10:00:00.000Z")
        made = [record(f"coin-{asset}", begin + poll * HOUR) for poll in range(polls) for asset in range(5)]
        for poll in range(polls):
            bench.archive(*made[poll * 5 : poll * 5 + 5])
        return made

    full, lacking = month("2024-03"), month("2024-05")
    bench.archive(record("now", bench.slot_now()))
    assert bench.run("replay --from 2024-01-01 --to 2027-01-01").exit_code == 0
    march, may = bench.index_of(from_iso(full[0].timestamp)), bench.index_of(from_iso(lacking[0].timestamp))
    current = bench.index_of(bench.slot_now())
    stray = record("stray", from_iso(lacking[0].timestamp))
    bench.es.create(index=may, id=document_id(stray), document=json.loads(encode(stray)))
    copy = f"{bench.alias}-2024.03.01-copy"  # somebody's own, named alike
    bench.es.indices.create(index=copy)
    there = indices(bench)
    assert {march, may, current, copy} <= there

    dry = bench.run("retention --keep 365d --dry-run")
    assert dry.exit_code == 1
    assert f"{march}: would be removed: 15 documents, 15 ids in the lake (the lake has each of them)" in dry.stdout
    lacks = f"the lake lacks 1 of them, for example {document_id(stray)}"
    assert f"{may}: kept: 16 documents, 15 ids in the lake ({lacks})" in dry.stdout
    assert indices(bench) == there
    # The lake has as many ids of May as the index now; they are not the same ones.
    bench.archive(record("other", from_iso(lacking[0].timestamp)))
    dry = bench.run("retention --keep 365d --dry-run")
    assert f"{may}: kept: 16 documents, 15 ids in the lake ({lacks})" in dry.stdout

    nowhere = bench.variant(AWS_S3_BUCKET="no-such-bucket")
    assert bench.run("retention --keep 365d", env_file=nowhere).exit_code == 3
    empty = bench.variant(AWS_S3_FILENAME_PREFIX="somewhere-else")
    assert bench.run("retention --keep 365d", env_file=empty).exit_code == 1
    assert indices(bench) == there

    assert bench.run("retention --keep 365d").exit_code == 1
    assert indices(bench) == there - {march}
    bench.archive(stray)
    assert bench.run("retention --keep 1s").exit_code == 0
    assert {march, may} & indices(bench) == set()
    assert {current, copy} <= indices(bench)
