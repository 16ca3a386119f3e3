"""Every snippet of docs/consuming.md does what the page says, against real servers."""

from __future__ import annotations

import ast
import json
import os
import shlex
import subprocess
from typing import Any

import pytest

from cryptoproxy.datasets import Ticker, document_id, encode, from_iso
from cryptoproxy.engines import artefacts
from cryptoproxy.engines.machine import java
from tests.integration.consuming.conftest import Filled
from tests.integration.consuming.snippets import adapted, snippets

TOOLS = artefacts.Bundle(
    "kafka-tools",
    "4.1.1",
    (
        artefacts.Artefact(
            coordinate="org.apache.kafka:kafka-tools:jar:4.1.1",
            file="kafka-tools-4.1.1.jar",
            sha256="8a6939f310a61119cedaffc144119e9b2a374e32a7ec18f78e49ce5aeb71d6b0",
            size=615926,
        ),
    ),
)
"""What Kafka's console tools have beyond the broker's own jars."""

S3 = ("localhost:9000", "ACCESS_KEY", "SECRET_KEY", "crypto/v1/")


def test_every_snippet_of_the_page_is_run_here() -> None:
    run = {
        "kafka-python", "confluent-kafka", "console-consumer", "duckdb", "polars", "pandas", "spark", "es-newest", "es-average",
        "es-python", "trades-and-books", "live", "travel", "catalog", "upkeep",
    }  # fmt: skip
    assert set(snippets()) == run
    for name, snippet in snippets().items():
        if snippet.language == "python":
            ast.parse(snippet.code, filename=name)
        else:
            assert snippet.language in ("bash", "console"), name


class EnoughError(Exception):
    """All that is on the topic was handled."""


def handled(filled: Filled, name: str, **more: Any) -> list[dict[str, Any]]:
    """Runs a consumer until it has handled as many records as there are ids."""
    records: list[dict[str, Any]] = []

    def handle(record: dict[str, Any]) -> None:
        records.append(record)
        if len(records) == len(filled.records):
            raise EnoughError

    code = adapted(name, filled.changes("localhost:9092", "crypto-data", "my-team"))
    code = code.replace(filled.world.texts["KAFKA_TOPIC"] + "-readers", f"{filled.world.texts['KAFKA_TOPIC']}-{name}")
    namespace = {"handle": handle} | more
    try:
        with pytest.raises(EnoughError):
            exec(compile(code, name, "exec"), namespace)
    finally:
        if "consumer" in namespace:
            namespace["consumer"].close()  # type: ignore[attr-defined]
    return records


@pytest.mark.parametrize("name", ["kafka-python", "confluent-kafka"])
def test_a_consumer_handles_each_record_once_in_its_asset_s_order(filled: Filled, name: str) -> None:
    records = handled(filled, name)
    assert filled.published > len(filled.records)
    assert sorted(map(json.dumps, records)) == sorted(json.dumps(json.loads(encode(each))) for each in filled.records)
    for asset_id in {each.asset_id for each in filled.records}:
        times = [record["timestamp"] for record in records if record["asset_id"] == asset_id]
        assert times == sorted(times)


def test_the_console_consumer_shows_records(filled: Filled) -> None:
    words = shlex.split(
        adapted("console-consumer", filled.changes("localhost:9092", "crypto-data")).replace("\\\n", "")
    )
    assert words[0] == "bin/kafka-console-consumer.sh"
    cache = artefacts.user_cache()
    jars = [*artefacts.fetch(TOOLS, cache), *artefacts.fetch(artefacts.bundle("kafka"), cache)]
    program = [str(java.find().program), "-cp", os.pathsep.join(map(str, jars))]
    done = subprocess.run(
        [*program, "org.apache.kafka.tools.consumer.ConsoleConsumer", *words[1:]],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines() if line.startswith("schema-version")]
    assert len(lines) == 5, done.stdout
    known = {(f"coingecko:{each.asset_id}:USD", encode(each).decode()) for each in filled.records}
    for headers, key, value in lines:
        assert headers == "schema-version:1"
        assert (key, value) in known


def means(records: list[Ticker]) -> float:
    return sum(each.price for each in records) / len(records)


def run(filled: Filled, name: str, *names: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec(compile(adapted(name, filled.changes(*names)), name, "exec"), namespace)
    return namespace


def test_duckdb_reads_days_and_today(filled: Filled) -> None:
    found = run(filled, "duckdb", *S3, "2026-11-01", "2026-11-20")
    try:
        daily = {row[0]: row for row in found["daily"]}
        assert daily.keys() == {"bitcoin", "ethereum", "wrapped-bitcoin"}
        for asset_id, (_, quote, symbol, day, average, low, high, polls) in daily.items():
            records = filled.of(asset_id)
            assert (quote, symbol, str(day), polls) == ("USD", records[0].symbol, filled.day, 12)
            assert average == pytest.approx(means(records), rel=1e-12)
            assert (low, high) == (min(each.price for each in records), max(each.price for each in records))
        assert found["prices"] == [
            (asset_id, "USD", 12, max(each.price for each in filled.of(asset_id))) for asset_id in sorted(daily)
        ]
    finally:
        found["db"].close()


def test_polars_reads_days(filled: Filled) -> None:
    hourly = run(filled, "polars", *S3)["hourly"]
    assert hourly["asset_id"].to_list() == ["bitcoin", "bitcoin", "wrapped-bitcoin", "wrapped-bitcoin"]
    assert hourly["polls"].to_list() == [6, 6, 6, 6]
    assert hourly["average"].to_list() == pytest.approx(
        [means(filled.of(each)[at : at + 6]) for each in ("bitcoin", "wrapped-bitcoin") for at in (0, 6)], rel=1e-12
    )
    begin = from_iso(filled.records[0].timestamp)
    assert [int(each.timestamp() * 1000) - begin for each in hourly["hour"].to_list()] == [0, 3_600_000] * 2


def test_pandas_and_pyarrow_read_the_table(filled: Filled) -> None:
    found = run(filled, "pandas", *S3, "2026, 11, 1")
    assert found["average"].to_dict() == {
        ("coingecko", asset_id, "USD", filled.day): pytest.approx(means(filled.of(asset_id)), rel=1e-12)
        for asset_id in ("bitcoin", "ethereum", "wrapped-bitcoin")
    }
    assert str(found["frame"]["timestamp"].dt.tz) == "UTC"
    assert found["polls"] == len(filled.records)


def test_an_older_version_of_the_table_is_read(filled: Filled) -> None:
    found = run(filled, "travel", *S3)
    assert [version for version, *_ in found["history"]] == [1, 0]
    assert found["rows"] == [0, len(filled.records)], "the first version is the empty table"


def curl(filled: Filled, name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    command = adapted(name, filled.changes("localhost:9200", "crypto-prices"))
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=180, check=True)
    answer = json.loads(done.stdout)
    assert "error" not in answer, answer
    assert answer["_shards"]["failed"] == 0
    return answer  # type: ignore[no-any-return]


def test_the_newest_price_of_each_asset(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    hits = curl(filled, "es-newest", monkeypatch)["hits"]["hits"]
    newest = {document_id(filled.of(each)[-1]) for each in ("bitcoin", "ethereum", "wrapped-bitcoin")}
    assert {hit["_id"] for hit in hits} == newest
    assert all(set(hit["_source"]) == {"symbol", "asset_id", "quote", "price", "timestamp"} for hit in hits)


def test_an_average_and_how_often_it_moved(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    found = curl(filled, "es-average", monkeypatch)["aggregations"]
    bitcoin = filled.of("bitcoin")
    (day,) = found["days"]["buckets"]
    assert day["average"]["value"] == pytest.approx(means(bitcoin), rel=1e-12)
    changes = [each.change_24h for each in bitcoin if each.change_24h is not None]
    assert {name: each["doc_count"] for name, each in found["moves"]["buckets"].items()} == {
        "up": sum(each > 5 for each in changes),
        "down": sum(each < -5 for each in changes),
        "all": len(changes),
    }


def test_percentiles_and_freshness_in_python(filled: Filled, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(filled, "es-python", "localhost:9200", "crypto-prices")
    found["es"].close()
    (bucket,) = found["answer"]["aggregations"]["sources"]["buckets"]
    assert (bucket["key"], bucket["doc_count"]) == ("coingecko", len(filled.records))
    assert bucket["newest"]["value_as_string"] == filled.records[-1].timestamp
    assert f"coingecko {filled.records[-1].timestamp} 5.0" in capsys.readouterr().out
