"""An API key of Elasticsearch instead of a password, and S3 by TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from cryptoproxy.common.checks import check_elasticsearch, check_s3
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import iso
from cryptoproxy.engines import secure
from cryptoproxy.errors import OperatorError
from cryptoproxy.lake.store import Store
from tests.integration.security.conftest import Doors
from tests.integration.security.stand_in import ApiKeyDoor

NOW = iso(SystemClock().now_ms())


@pytest.fixture
def door(doors: Doors) -> Iterator[ApiKeyDoor]:
    login = secure.basic("crypto_indexer", doors.elastic_passwords["crypto_indexer"])
    with ApiKeyDoor(doors.elasticsearch.endpoint, doors.pem, doors.new_password("key"), login) as made:
        yield made


def test_an_api_key_is_shown_and_read_again_from_its_file(doors: Doors, door: ApiKeyDoor, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(door.key)
    texts = {"ES_URL_ENDPOINT": door.url, "ES_API_KEY_FILE": str(file), "ES_CA_FILE": str(doors.pem.ca)}
    settings = Settings.from_texts(texts).elasticsearch
    assert "may write to crypto-prices-" in check_elasticsearch(settings, now=NOW)
    assert door.refused == 0
    old, door.key = door.key, doors.new_password("key")
    with pytest.raises(OperatorError, match="answers 401 security_exception") as caught:
        check_elasticsearch(settings, now=NOW)
    assert "ES_API_KEY" in caught.value.remedy
    assert old not in str(caught.value)
    file.write_text(door.key)
    assert "may write to crypto-prices-" in check_elasticsearch(settings, now=NOW)


def test_s3_is_asked_by_tls_with_an_authority_of_our_own(doors: Doors) -> None:
    settings = doors.settings().s3
    assert settings.endpoint_url is not None
    assert settings.endpoint_url.startswith("https://")
    assert check_s3(settings) == "object put, read and deleted in s3://crypto-lake/crypto"
    store = Store(settings)
    store.put("door/1", b"content")
    assert store.get("door/1") == b"content"
    store.delete("door/1")


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"AWS_S3_CA_FILE": ""}, "AWS_S3_CA_FILE"),
        ({"AWS_S3_SECRET_KEY_FILE": "", "AWS_S3_SECRET_KEY": "wrong"}, "AWS_S3_SECRET_KEY"),
        ({"AWS_S3_ACCESS_KEY_FILE": "", "AWS_S3_ACCESS_KEY": "wrong"}, "AWS_S3_ACCESS_KEY"),
    ],
)
def test_a_wrong_key_of_s3_is_told(doors: Doors, texts: dict[str, str], said: str) -> None:
    with pytest.raises(OperatorError) as caught:
        check_s3(doors.settings(**texts).s3)
    assert said in caught.value.remedy
    assert doors.secret_key not in str(caught.value)


def test_a_foreign_authority_of_s3_is_a_matter_of_tls(doors: Doors, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    with pytest.raises(OperatorError, match=r"TLS fails: .*certificate verify failed"):
        check_s3(doors.settings(AWS_S3_CA_FILE=str(tmp_path / "other.pem")).s3)
