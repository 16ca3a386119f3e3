"""The whole road through locked doors: each part with its own users and their least rights; and no secret is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.common.clients import elastic
from cryptoproxy.lake.objects import lines_of
from cryptoproxy.lake.store import Store
from cryptoproxy.sandbox import Sandbox
from tests.conftest import wait_until
from tests.integration.security.conftest import Doors
from tests.integration.security.processes import Process, run

COINS = 10


@pytest.fixture(scope="module")
def key(doors: Doors) -> str:
    """Of CoinGecko's demo plan."""
    return doors.new_password("CG")


@pytest.fixture
def upstream(key: str) -> Iterator[Sandbox]:
    with Sandbox(coins=50, keys={"demo": key}) as sandbox:
        yield sandbox


def documents(doors: Doors, source: str) -> dict[str, dict[str, Any]]:
    with closing(elastic.client(doors.root().elasticsearch)) as client:
        client.indices.refresh(index="crypto-prices")
        hits = client.search(index="crypto-prices", query={"term": {"source": source}}, size=10_000)["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}


def polling(upstream: Sandbox, key: str, folder: Path) -> dict[str, str]:
    return {
        "COINGECKO_BASE_URL": upstream.base_url("coingecko"),
        "COINGECKO_PLAN": "demo",
        "COINGECKO_API_KEY": key,
        "COINGECKO_CALLS_PER_MINUTE": "0",
        "COINGECKO_CALLS_PER_MONTH": "0",
        "COINGECKO_TOP_N": str(COINS),
        "KAFKA_PRODUCER_BATCH_INTERVAL": "1",
        "AWS_S3_OBJECT_SECONDS": "1",
        "OUTBOX_DIR": str(folder / "outbox"),
    }


def as_values(texts: dict[str, str]) -> dict[str, str]:
    """Secrets in the environment instead of in files."""
    files = {name: text for name, text in texts.items() if name.endswith("_FILE") and name != "ES_CA_FILE"}
    files = {name: text for name, text in files.items() if not name.endswith("CA_FILE")}
    values = {name.removesuffix("_FILE"): Path(text).read_text().strip() for name, text in files.items()}
    return {name: text for name, text in texts.items() if name not in files} | values


def test_records_arrive_through_locked_doors_and_no_secret_is_told(
    doors: Doors, upstream: Sandbox, key: str, tmp_path: Path
) -> None:
    # By PLAIN the password itself travels, so a library that logs its requests would tell it.
    poller_texts = as_values(doors.texts("crypto_poller")) | polling(upstream, key, tmp_path)
    poller_texts |= {"KAFKA_SASL_MECHANISM": "PLAIN", "LOG_FORMAT": "json", "LOG_FILE": str(tmp_path / "poller.json")}
    indexer_texts = doors.texts("crypto_indexer", "crypto_indexer")
    with ExitStack() as stack:
        indexer = stack.enter_context(Process("consume", indexer_texts, tmp_path, secrets=doors.spelled))
        poller = stack.enter_context(Process("produce", poller_texts, tmp_path, secrets=doors.spelled))
        wait_until(lambda: len(documents(doors, "coingecko")) >= 5 * COINS, what=f"records; {indexer.tail()}")
        indexer.wait_ready()
        poller.wait_ready()
        assert indexer.listens_on() == poller.listens_on() == {"127.0.0.1"}
        upstream.pause()
        store = Store(doors.settings().s3)

        def lake() -> list[bytes]:
            return [
                line
                for key in store.keys("crypto/v1/ticker/raw/source=coingecko/")
                for line in lines_of(key, store.get(key))
            ]

        wait_until(lambda: len(lake()) == len(documents(doors, "coingecko")), what="lake and index alike")
    found = documents(doors, "coingecko")
    as_text = sorted(json.dumps(each, sort_keys=True) for each in found.values())
    assert as_text == sorted(json.dumps(json.loads(line), sort_keys=True) for line in lake())
    assert [secret for secret in doors.spelled() if secret in (tmp_path / "poller.json").read_text()] == []


def test_set_up_needs_no_more_than_its_own_rights(doors: Doors, tmp_path: Path) -> None:
    code, printed = run(["setup"], doors.texts("crypto_setup", "crypto_setup"), tmp_path)
    assert (code, "topic crypto-data" in printed, "index template crypto-prices" in printed) == (0, True, True), printed
    assert [secret for secret in doors.spelled() if secret in printed] == []


@pytest.mark.parametrize("command", ["produce", "consume"])
def test_a_health_port_is_open_to_others_only_where_that_is_set(
    doors: Doors, upstream: Sandbox, key: str, tmp_path: Path, command: str
) -> None:
    texts = (
        doors.texts("crypto_poller", "crypto_indexer") | polling(upstream, key, tmp_path) | {"HEALTH_HOST": "0.0.0.0"}
    )
    with Process(command, texts, tmp_path, secrets=doors.spelled) as process:
        wait_until(lambda: "health and metrics at" in process.log)
        # A poller is asked by our other processes as well, on an address of its own (ASK_HOST).
        assert process.listens_on() - {"127.0.0.1"} == {"0.0.0.0"}


@pytest.mark.parametrize(
    ("kafka", "elasticsearch", "texts", "code", "said"),
    [
        ("crypto_poller", "crypto_indexer", {}, 0, ["✓ Kafka", "✓ Elasticsearch", "✓ S3", "✓ coingecko"]),
        ("crypto_indexer", "crypto_indexer", {}, 0, ["right for an indexer", "✓ S3"]),
        (
            "crypto_poller",
            "crypto_indexer",
            {"KAFKA_SASL_USERNAME": "crypto_reader", "ES_USER": "crypto_reader", "AWS_S3_CA_FILE": ""},
            1,
            [
                "✗ Kafka: SASL: 'crypto_reader'",
                "✗ Elasticsearch: Elasticsearch answers 401",
                "✗ S3: ",
                "AWS_S3_CA_FILE",
            ],
        ),
        (
            "crypto_poller",
            "crypto_indexer",
            {"KAFKA_SSL_CAFILE": "", "ES_CA_FILE": "", "AWS_S3_ACCESS_KEY_FILE": "", "AWS_S3_ACCESS_KEY": "another"},
            1,
            ["✗ Kafka: TLS: ", "✗ Elasticsearch: ", "TLS fails", "✗ S3: ", "403"],
        ),
        (
            "crypto_poller",
            "crypto_indexer",
            {"ES_URL_ENDPOINT": "http://es.example:9200"},
            2,
            ["ES_URL_ENDPOINT=http://es.example:9200 would carry a password unencrypted"],
        ),
    ],
    ids=["poller", "indexer", "others' passwords", "no CA", "in the clear"],
)
def test_the_check_tells_the_stages_apart_and_no_secret(
    doors: Doors,
    upstream: Sandbox,
    key: str,
    tmp_path: Path,
    kafka: str,
    elasticsearch: str,
    texts: dict[str, str],
    code: int,
    said: list[str],
) -> None:
    settings = doors.texts(kafka, elasticsearch) | polling(upstream, key, tmp_path) | texts
    found, printed = run(["check"], settings, tmp_path)
    assert (found, [word for word in said if word not in printed]) == (code, []), printed
    assert [secret for secret in doors.spelled() if secret in printed] == []


def test_an_address_with_a_password_in_it_is_refused_and_not_shown(doors: Doors, tmp_path: Path) -> None:
    texts = doors.texts() | {"ES_URL_ENDPOINT": f"https://elastic:{doors.superuser}@localhost:9200"}
    code, printed = run(["check"], texts, tmp_path)
    assert code == 2
    assert "holds a user or password" in printed
    assert doors.superuser not in printed
