from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import elastic_transport
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.common.clients import elastic, outcome
from cryptoproxy.common.clients.outside import authorities
from cryptoproxy.common.settings import Settings
from cryptoproxy.errors import OperatorError, SizeError, TransientError


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the client is made with, instead of a client."""
    found: dict[str, Any] = {}

    def record(url: str, **options: Any) -> None:
        found.clear()
        found.update(options, url=url)

    monkeypatch.setattr(elastic, "Elasticsearch", record)
    return found


def test_nothing_is_retried_below_the_loop_that_decides(options: dict[str, Any]) -> None:
    elastic.client(Settings.from_texts({}).elasticsearch, connections=7, timeout=12)
    assert options["url"] == "http://localhost:9200"
    assert (options["max_retries"], options["retry_on_timeout"]) == (0, False)
    assert (options["connections_per_node"], options["request_timeout"]) == (7, 12)
    assert not {"basic_auth", "api_key", "ca_certs", "verify_certs"} & set(options)


def test_a_password_is_read_afresh_for_each_client(options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "password").write_text("first")
    settings = Settings.from_texts({"ES_USER": "u", "ES_PASSWORD_FILE": str(tmp_path / "password")}).elasticsearch
    elastic.client(settings)
    assert b64decode(options["basic_auth"]) == b"u:first"
    (tmp_path / "password").write_text("second")
    elastic.client(settings)
    assert b64decode(options["basic_auth"]) == b"u:second"


def test_a_password_beyond_ascii_is_sent_as_utf_8() -> None:
    made = elastic.client(Settings.from_texts({"ES_USER": "ü", "ES_PASSWORD": "é€:x"}).elasticsearch)
    assert b64decode(made._headers["authorization"].removeprefix("Basic ")) == "ü:é€:x".encode()


def test_an_api_key_and_a_ca_are_used(options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    texts = {"ES_URL_ENDPOINT": "https://es:9200", "ES_API_KEY": "k", "ES_CA_FILE": str(tmp_path / "ca.pem")}
    elastic.client(Settings.from_texts(texts).elasticsearch)
    assert (options["api_key"], options["verify_certs"], options["ca_certs"]) == ("k", True, str(tmp_path / "ca.pem"))


def test_the_machine_s_authorities_count_where_no_ca_is_named(options: dict[str, Any]) -> None:
    elastic.client(Settings.from_texts({"ES_URL_ENDPOINT": "https://es:9200"}).elasticsearch)
    assert options["ca_certs"] == authorities()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (413, SizeError),
        (401, OperatorError),
        (403, OperatorError),
        (408, TransientError),
        (429, TransientError),
        (500, TransientError),
        (503, TransientError),
        (400, OperatorError),
        (404, OperatorError),
        (405, OperatorError),
    ],
)
def test_a_refused_request_is_told_by_its_status(status: int, kind: type[Exception]) -> None:
    error = outcome.failure(status, "some_exception", "why " * 1000)
    assert type(error) is kind
    assert f"answers {status} some_exception: why" in str(error)
    assert len(str(error)) < 1_400


def test_an_answer_without_words_is_told_by_its_status_alone() -> None:
    assert str(outcome.failure(503, "", "")) == "Elasticsearch answers 503"


def test_no_answer_is_waited_out_unless_the_certificate_is_refused() -> None:
    settings = Settings.from_texts({}).elasticsearch
    for error in (elastic_transport.ConnectionError("refused"), elastic_transport.ConnectionTimeout("slow")):
        meaning = outcome.meaning(error, url=settings.url)
        assert type(meaning) is TransientError
        assert "http://localhost:9200" in str(meaning)
    meaning = outcome.meaning(elastic_transport.TlsError("unknown CA"), url=settings.url)
    assert type(meaning) is OperatorError
    assert "ES_CA_FILE" in str(meaning)


created = b'{"create":{"status":201}}'
lines = st.lists(
    st.one_of(
        st.just(created),
        st.sampled_from(
            [b'{"create":{"status":409}}', b'{"create":{"status":200}}', b'{ "create":{"status":201}}', b"{}", b"null"]
        ),
    ),
    max_size=6,
)


@given(
    lines=st.one_of(st.integers(0, 6).map(lambda count: [created] * count), lines),
    before=st.sampled_from(
        [b'{"errors":false,"items":[', b'{"errors":true,"items":[', b'{"items":[', b'{"x":1,"items":[']
    ),
    after=st.sampled_from([b"]}", b"] }", b'],"took":1}']),
)
def test_an_answer_is_read_as_what_it_says(lines: list[bytes], before: bytes, after: bytes) -> None:
    body = before + b",".join(lines) + after
    assert elastic.FastJson().json_loads(body) == json.loads(body)


@pytest.mark.parametrize("lines", [1, 2, 2000])
def test_where_all_lines_are_created_no_entry_is_made_for_each(lines: int) -> None:
    body = b'{"errors":false,"items":[' + b",".join([created] * lines) + b"]}"
    assert all(item is elastic.CREATED for item in elastic.FastJson().json_loads(body)["items"])


@pytest.mark.parametrize(
    "body", [b'{"errors":false,"items":[', b'{"errors":false,"items":[{"create":{"status":201}},]}', b""]
)
def test_what_is_no_answer_is_still_none(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        elastic.FastJson().json_loads(body)


def test_a_shard_without_a_place_is_said_with_the_reason() -> None:
    client: Any = SimpleNamespace(
        options=lambda ignore_status: client,
        cluster=SimpleNamespace(
            health=lambda **_: {"timed_out": True},
            allocation_explain=lambda **_: {
                "node_allocation_decisions": [
                    {"deciders": [{"decision": "NO", "explanation": "the disk is over the watermark"}]},
                    {"deciders": [{"decision": "YES", "explanation": "well"}]},
                ]
            },
        ),
    )
    with pytest.raises(OperatorError, match=r"no place for its shard.*: the disk is over the watermark\. Give"):
        elastic.require_a_place(client, "prices-2026.11.01", patience="1s")
