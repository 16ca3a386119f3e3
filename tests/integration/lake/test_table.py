"""Days as Parquet files on a real S3: read by replay, reconcile and retention as the raw objects were."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from deltalake import DeltaTable

from cryptoproxy.common.service import Loop
from cryptoproxy.consumer.backfill import targets
from cryptoproxy.datasets import TICKER, Ticker, document_id, encode, from_iso, iso
from cryptoproxy.errors import OperatorError
from cryptoproxy.lake.table import Table
from cryptoproxy.producer.compaction import DailyCompaction, command
from tests.conftest import wait_until
from tests.integration.backfill.conftest import DAY, HOUR, MINUTE, Bench, record
from tests.unit.sandbox.conftest import HandClock

Lake = Callable[[str], Result]


def keys(bench: Bench, form: str) -> list[str]:
    """Of a day's raw objects, or of the files that count."""
    if form == "table":
        return [file.key for file in Table(bench.store, TICKER).files()]
    return list(bench.store.keys(f"{bench.settings.s3.prefix}/v1/ticker/raw/"))


def span(bench: Bench) -> str:
    return f"--from {iso(bench.begin)[:10]} --to {iso(bench.begin + DAY)[:10]}"


def day(bench: Bench) -> str:
    return iso(bench.begin)[:10]


def wanted(*records: Ticker) -> dict[str, dict[str, object]]:
    return {document_id(each): json.loads(encode(each)) for each in records}


def test_replay_from_the_file_gives_the_same_documents(bench: Bench, lake: Lake) -> None:
    records = [*bench.fill(), *bench.fill(source="binance", assets=3)]
    foreign = encode(record("foreign", bench.begin))[:-1] + b',"newer_field":[1,{"x":1.50}]}'
    bench.archive_lines("coingecko", bench.begin, foreign + b"\n")
    assert bench.run(f"replay {span(bench)}").exit_code == 0
    from_raw = bench.documents()
    assert len(from_raw) == len(records) + 1
    sources = {hit["_id"]: hit["_source"] for hit in hits(bench)}

    done = lake(f"compact --date {day(bench)} --delete-raw")
    assert done.exit_code == 0
    assert f"coingecko {day(bench)}: {len(from_raw) - 54} records, 19 raw objects" in done.stdout
    assert keys(bench, "raw") == []
    assert len(keys(bench, "table")) == 2

    bench.es.indices.delete(index=bench.index_of(bench.begin))
    again = bench.run(f"replay {span(bench)}")
    assert again.exit_code == 0
    assert f"{len(from_raw)} indexed, 0 there already, 0 poison" in again.stdout
    assert bench.documents() == from_raw
    assert {hit["_id"]: hit["_source"] for hit in hits(bench)} == sources
    assert bench.run(f"reconcile {span(bench)}").exit_code == 0


def hits(bench: Bench) -> list[dict[str, object]]:
    return bench.es.search(index=bench.alias, size=10_000)["hits"]["hits"]  # type: ignore[no-any-return]


def test_with_both_forms_there_nothing_is_doubled_and_what_is_missing_is_found(bench: Bench, lake: Lake) -> None:
    records = bench.fill()
    assert lake(f"compact --date {day(bench)}").exit_code == 0
    assert len(keys(bench, "raw")) == 18
    late = record("late", bench.begin + MINUTE)
    bench.archive(late)
    replayed = bench.run(f"replay {span(bench)}")
    assert f"{len(records) + 1} indexed, 0 there already" in replayed.stdout
    assert bench.documents() == wanted(*records, late)

    bench.delete(records[3], late)
    found = json.loads(bench.run(f"reconcile {span(bench)} --json").stdout)
    assert {each for hour in found["hours"] for each in hour["missing_ids"]} == wanted(records[3], late).keys()
    for mend in found["mend"]:
        assert bench.paste(mend).exit_code == 0
    assert bench.run(f"reconcile {span(bench)}").exit_code == 0

    merged = lake(f"compact --date {day(bench)} --delete-raw")
    assert f"{len(records) + 1} records" in merged.stdout
    assert keys(bench, "raw") == []
    assert len(keys(bench, "table")) == 1
    assert bench.run(f"reconcile {span(bench)}").exit_code == 0
    again = lake(f"compact --date {day(bench)} --delete-raw")
    assert "was there already" in again.stdout


def test_a_day_that_is_not_over_is_refused(bench: Bench, lake: Lake) -> None:
    bench.archive(record("now", bench.slot_now()))
    with pytest.raises(OperatorError, match="--unfinished"):
        lake(f"compact --date {iso(bench.slot_now())[:10]}")
    assert lake(f"compact --date {iso(bench.slot_now())[:10]} --unfinished").exit_code == 0
    assert lake("compact --days 1").exit_code == 0
    assert lake("compact").exit_code == 2
    assert lake("compact --date 2026-13-01").exit_code == 2
    assert lake("compact --days 1 --source nobody").exit_code == 2


def test_retention_counts_what_is_only_in_files(bench: Bench, lake: Lake) -> None:
    begin = from_iso("2024-03-10T10:00:00.000Z")
    old = [record(f"coin-{asset}", begin + poll * HOUR) for poll in range(3) for asset in range(5)]
    for each in old:
        bench.archive(each)
    assert bench.run("replay --from 2024-01-01 --to 2025-01-01").exit_code == 0
    assert lake("compact --date 2024-03-10 --delete-raw").exit_code == 0
    assert keys(bench, "raw") == []
    dry = bench.run("retention --keep 365d --dry-run")
    assert f"{bench.index_of(begin)}: would be removed: 15 documents, 15 ids in the lake" in dry.stdout
    (file,) = keys(bench, "table")
    bench.store.delete(file)
    bench.archive(old[0])
    refused = bench.run("retention --keep 365d")
    assert refused.exit_code != 0
    assert bench.es.indices.exists(index=bench.index_of(begin))


def test_a_replay_goes_on_while_the_day_is_compacted_and_its_objects_are_removed(
    bench: Bench, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = bench.fill()
    ran: list[Result] = []
    original = targets.IndexTarget.send

    def send(self: targets.IndexTarget, portion: object) -> object:
        if not ran:  # it has listed the first hour's objects, and read a few of them
            ran.append(lake(f"compact --date {day(bench)} --delete-raw"))
        return original(self, portion)  # type: ignore[arg-type]

    monkeypatch.setattr(targets.IndexTarget, "send", send)
    done = bench.run(f"replay {span(bench)}", env_file=bench.variant(BULK_MAX_RECORDS="20", BULK_IN_FLIGHT="1"))
    assert ran[0].exit_code == 0
    assert done.exit_code == 0
    assert keys(bench, "raw") == []
    assert bench.documents() == wanted(*records)


def test_the_command_killed_in_the_middle_leaves_a_lake_that_reads_the_same(bench: Bench, lake: Lake) -> None:
    records = bench.fill(hours=3, polls=30)
    program = [sys.executable, "-m", "cryptoproxy.cli.main", "--env-file", str(bench.env_file), "lake", "compact"]
    process = subprocess.Popen([*program, "--date", day(bench), "--delete-raw"])
    try:
        wait_until(lambda: len(keys(bench, "raw")) < 90, what="the first removed object")
    finally:
        process.kill()
        process.wait()
    left = keys(bench, "raw")
    assert 0 < len(left) < 90
    assert bench.run(f"replay {span(bench)}").exit_code == 0
    assert bench.documents() == wanted(*records)
    assert lake(f"compact --date {day(bench)} --delete-raw").exit_code == 0
    assert keys(bench, "raw") == []
    assert bench.run(f"reconcile {span(bench)}").exit_code == 0


def test_two_at_once_and_an_object_that_comes_late_lose_nothing(bench: Bench, lake: Lake) -> None:
    records = bench.fill(hours=3, polls=20)
    program = [sys.executable, "-m", "cryptoproxy.cli.main", "--env-file", str(bench.env_file), "lake", "compact"]
    processes = [subprocess.Popen([*program, "--date", day(bench), "--delete-raw"]) for _ in range(2)]
    try:
        wait_until(lambda: keys(bench, "table"), what="the first file")
        late = record("late", bench.begin + MINUTE)
        bench.archive(late)
        codes = [process.wait(180) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert codes == [0, 0]
    assert lake(f"compact --date {day(bench)} --delete-raw").exit_code == 0
    assert keys(bench, "raw") == []
    assert len(keys(bench, "table")) == 1
    assert bench.run(f"replay {span(bench)}").exit_code == 0
    assert bench.documents() == wanted(*records, late)


def test_the_poller_s_schedule_compacts_the_days_that_are_over(bench: Bench, lake: Lake) -> None:
    records = bench.fill()
    clock = HandClock(from_iso("2026-11-20T02:29:00.000Z"))
    active = DailyCompaction("02:30", command(bench.env_file), active=lambda: True, clock=clock)
    active.look(Loop("compact", threading.Event()))
    assert keys(bench, "table") == []
    clock.turn(60)
    active.look(Loop("compact", threading.Event()))
    assert len(keys(bench, "table")) == 1
    assert len(keys(bench, "raw")) == 18
    assert f"{len(records)} records" in lake(f"compact --date {day(bench)}").stdout


def test_what_is_replaced_expires_and_the_rest_reads_the_same(bench: Bench, lake: Lake) -> None:
    records = bench.fill()
    assert lake(f"compact --date {day(bench)}").exit_code == 0
    (first,) = keys(bench, "table")
    late = record("late", bench.begin + MINUTE)
    bench.archive(late)
    assert lake(f"compact --date {day(bench)} --delete-raw").exit_code == 0
    (second,) = keys(bench, "table")
    stray = first.replace(".parquet", "-stray.parquet")
    bench.store.put(stray, b"of a run that was killed")
    table = Table(bench.store, TICKER)
    assert table.expire() == 0
    assert table.expire(keep_hours=0) == 2
    there = list(bench.store.keys(table.root))
    assert second in there
    assert first not in there
    assert stray not in there
    assert bench.run(f"replay {span(bench)}").exit_code == 0
    assert bench.documents() == wanted(*records, late)


def test_others_read_the_table_by_its_address(bench: Bench, lake: Lake) -> None:
    records = bench.fill()
    assert lake(f"compact --date {day(bench)}").exit_code == 0
    bench.archive(record("late", bench.begin + MINUTE))
    assert lake(f"compact --date {day(bench)}").exit_code == 0
    address, options = bench.store.delta(Table(bench.store, TICKER).root)
    assert pl.scan_delta(address, storage_options=options).select(pl.len()).collect().item() == len(records) + 1
    newest = DeltaTable(address, storage_options=options)
    frame = newest.to_pandas(columns=["symbol", "price"], filters=[("asset_id", "=", "late")])
    assert frame["symbol"].tolist() == ["LATE"]
    before = DeltaTable(address, version=newest.version() - 1, storage_options=options)
    assert before.to_pyarrow_table().num_rows == len(records)


def test_the_file_on_s3_is_what_the_contract_says(bench: Bench, lake: Lake) -> None:
    bench.fill(assets=3)
    assert lake(f"compact --date {day(bench)}").exit_code == 0
    (key,) = keys(bench, "table")
    listed = lake(f"ls --table --source coingecko --date {day(bench)} --records")
    assert listed.stdout.split()[0] == f"s3://{bench.settings.s3.bucket}/{key}"
    assert listed.stdout.endswith(" bytes  54 records\n")
    assert len(lake("ls").stdout.splitlines()) == 18
    file = pq.ParquetFile(pa.BufferReader(bench.store.get(key)))
    symbols = file.read(["symbol"]).column("symbol").to_pylist()
    assert symbols == sorted(symbols)
    assert file.metadata.row_group(0).column(5).compression == "ZSTD"
