"""One bulk request: a reply that does not fit it is never taken for success."""

from __future__ import annotations

import gzip
from types import SimpleNamespace
from typing import Any

import elastic_transport
import elasticsearch
import pytest

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.index.bulk import BulkSender, Item
from cryptoproxy.errors import OperatorError, TransientError
from tests.unit.common.clients.test_outcome import Replayed

SETTINGS = Settings.from_texts({}).elasticsearch
META = elastic_transport.ApiResponseMeta(
    200, "1.1", elastic_transport.HttpHeaders(), 0.0, elastic_transport.NodeConfig("http", "elsewhere", 80)
)
NOT_ELASTICSEARCH = elasticsearch.UnsupportedProductError("not Elasticsearch", meta=META, body=None)


def sender_of(client: Any) -> BulkSender:
    return BulkSender(SETTINGS, lambda: client)


class Failing:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def perform_request(self, *_: Any, **__: Any) -> Any:
        raise self._error


def test_each_line_has_its_answer_in_order() -> None:
    body = {
        "errors": True,
        "items": [
            {"create": {"status": 201}},
            {"create": {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "known"}}},
            {"create": {"status": 400, "error": "an old server's text"}},
            {"create": {"status": 503, "error": {"reason": "no type"}}},
        ],
    }
    assert sender_of(Replayed(200, body)).send([b""] * 4) == [
        Item(201),
        Item(409, "version_conflict_engine_exception", "known"),
        Item(400, "unknown", "an old server's text"),
        Item(503, "unknown", "no type"),
    ]


@pytest.mark.parametrize("compress", [False, True])
def test_what_goes_out_is_the_lines_and_nothing_else(compress: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str | None, bytes]] = []

    def take(node: Any, method: str, target: str, body: bytes, headers: Any, **_: Any) -> Any:
        sent.append((headers.get("content-encoding"), body))
        headers = elastic_transport.HttpHeaders(
            {"content-type": "application/json", "x-elastic-product": "Elasticsearch"}
        )
        meta = elastic_transport.ApiResponseMeta(200, "1.1", headers, 0.0, node.config)
        items = b",".join([b'{"create":{"status":201}}'] * 2)
        return SimpleNamespace(meta=meta, body=b'{"errors":false,"items":[' + items + b"]}")

    monkeypatch.setattr(elastic_transport.Urllib3HttpNode, "perform_request", take)
    lines = [b'{"create":{}}\n{}\n'] * 2
    sender = BulkSender(SETTINGS, lambda: elastic.client(SETTINGS), compress=compress)
    assert sender.send(lines) == [Item(201)] * 2
    ((encoding, body),) = sent
    assert encoding == ("gzip" if compress else None)
    assert (gzip.decompress(body) if compress else body) == b"".join(lines)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_another_number_of_items_than_lines_is_no_success(count: int) -> None:
    body = {"errors": False, "items": [{"create": {"status": 201}}] * count}
    with pytest.raises(TransientError, match=rf"answered {count} items to a bulk request of 2"):
        sender_of(Replayed(200, body)).send([b"", b""])


@pytest.mark.parametrize(
    "body",
    [
        None,
        "",
        "<html>502 Bad Gateway</html>",
        [],
        {},
        {"items": None},
        {"items": [None]},
        {"items": [{}]},
        {"items": [[]]},
        {"items": [{"create": None}]},
        {"items": [{"create": {}}]},
        {"items": [{"create": {"status": None}}]},
        {"items": [{"create": {"status": "created"}}]},
        {"took": 3, "errors": False},
    ],
)
def test_an_unreadable_reply_is_no_success(body: Any) -> None:
    with pytest.raises(TransientError, match=r"unreadable|items"):
        sender_of(Replayed(200, body)).send([b""])


def test_what_no_json_parser_can_read_is_no_success() -> None:
    broken = elastic_transport.SerializationError("Unable to deserialize as JSON: …")
    with pytest.raises(TransientError, match=r"unreadable|does not answer"):
        sender_of(Failing(broken)).send([b""])


def test_no_answer_is_tried_again() -> None:
    refused = elastic_transport.ConnectionError("connection refused")
    with pytest.raises(TransientError, match="does not answer: ConnectionError: connection refused"):
        sender_of(Failing(refused)).send([b""])


def test_a_refused_certificate_is_a_persons() -> None:
    with pytest.raises(OperatorError, match="ES_CA_FILE"):
        sender_of(Failing(elastic_transport.TlsError("self-signed certificate"))).send([b""])


def test_another_server_than_elasticsearch_is_a_persons() -> None:
    with pytest.raises(OperatorError, match=r"X-Elastic-Product.*ES_URL_ENDPOINT"):
        sender_of(Failing(NOT_ELASTICSEARCH)).send([b""])


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("told", ["600", "600.0", "600s", "600 seconds"])
def test_the_wait_that_a_proxy_asks_for_is_passed_on_and_said(status: int, told: str) -> None:
    with pytest.raises(TransientError, match="asks to wait 600 s") as raised:
        sender_of(Replayed(status, "busy", {"retry-after": told})).send([b""])
    assert raised.value.retry_after == 600
    assert f"answers {status}: busy" in str(raised.value)


@pytest.mark.parametrize(
    "odd", ["", "-1", "soon", "²", "1.5 moons", "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 99 Foo 2026 25:61:61 GMT"]
)
def test_a_wait_that_is_no_number_leaves_the_growing_waits(odd: str) -> None:
    with pytest.raises(TransientError, match="answers 503: busy") as raised:
        sender_of(Replayed(503, "busy", {"retry-after": odd})).send([b""])
    assert raised.value.retry_after is None


@pytest.mark.parametrize("status", [401, 403])
def test_after_a_refused_login_the_next_request_reads_the_secrets_anew(status: int) -> None:
    made: list[Any] = []

    def connect() -> Any:
        made.append(Replayed(status, None) if not made else Replayed(200, {"items": [{"create": {"status": 201}}]}))
        return made[-1]

    sender = BulkSender(SETTINGS, connect)
    with pytest.raises(OperatorError):
        sender.send([b""])
    assert sender.send([b""]) == [Item(201)]
    assert len(made) == 2


def test_an_error_text_that_echoes_a_whole_record_is_cut() -> None:
    body = {"items": [{"create": {"status": 400, "error": {"type": "t", "reason": "x" * 10_000_000}}}]}
    (answer,) = sender_of(Replayed(200, body)).send([b""])
    assert len(answer.reason) == 1024
