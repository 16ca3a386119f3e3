"""The table of outcomes, row by row, from answers that a real Elasticsearch gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig, ObjectApiResponse
from elasticsearch import ApiError

from cryptoproxy.common.clients.outcome import OUTCOMES, Outcome, blamed_field, error_of, meaning, outcome_of
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.index.bulk import BulkSender, Item
from cryptoproxy.errors import CryptoProxyError, OperatorError, SizeError, TransientError

FOLDER = Path(__file__).parents[3] / "fixtures" / "elasticsearch"

ITEMS = {
    # fixture: the kinds of its items
    "created": [Outcome.INDEXED, Outcome.INDEXED],
    "known_id": [Outcome.DUPLICATE],
    "text_as_price": [Outcome.POISON],
    "nan": [Outcome.POISON],
    "infinite": [Outcome.POISON],
    "object_as_price": [Outcome.POISON],
    "integer_range": [Outcome.POISON],
    "key_twice": [Outcome.POISON],
    "unknown_key_twice": [Outcome.POISON],
    "nested_too_deep": [Outcome.POISON],
    "number_too_long": [Outcome.POISON],
    "price_too_long": [Outcome.POISON],
    "immense_keyword": [Outcome.POISON],
    "empty_field_name": [Outcome.POISON],
    "metadata_field": [Outcome.POISON],
    "field_alias": [Outcome.POISON],
    "cut_document": [Outcome.POISON],
    # Poison by its type; the field it blames is not ours, and that is told by the next test.
    "another_mapping": [Outcome.POISON],
    "strict_mapping": [Outcome.OPERATOR],
    "closed_index": [Outcome.OPERATOR],
    "write_block": [Outcome.OPERATOR],
    "read_only": [Outcome.OPERATOR],
    "index_named_like_the_alias": [Outcome.OPERATOR],
    "alias_without_write_index": [Outcome.OPERATOR],
    "no_such_index": [Outcome.OPERATOR],
    "shard_limit": [Outcome.OPERATOR],
    "no_right_to_make_the_index": [Outcome.OPERATOR],
    "flood_stage": [Outcome.TRANSIENT],
    "flood_stage_new_index": [Outcome.TRANSIENT],
    "rejected_items": [
        Outcome.INDEXED,
        Outcome.INDEXED,
        Outcome.TRANSIENT,
        Outcome.INDEXED,
        Outcome.INDEXED,
        Outcome.TRANSIENT,
    ],
}

WHOLE: dict[str, type[CryptoProxyError]] = {
    # fixture: what a refused request means
    "pressure": TransientError,
    "circuit_breaker": TransientError,
    "too_large": SizeError,
    "id_too_long": OperatorError,
    "broken_action": OperatorError,
    "wrong_password": OperatorError,
    "no_right_to_write": OperatorError,
    "make_index_named_like_the_alias": OperatorError,
    "make_index_at_the_shard_limit": OperatorError,
}


def load(name: str) -> dict[str, Any]:
    known: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return known


class Replayed:
    """A client that gives one recorded answer."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        node = NodeConfig("http", "recorded", 9200)
        self._meta = ApiResponseMeta(status, "1.1", HttpHeaders(headers or {}), 0.0, node)
        self._body = body

    def perform_request(self, *_: Any, **__: Any) -> Any:
        if self._meta.status >= 300:
            raise ApiError("refused", self._meta, self._body)
        return ObjectApiResponse(body=self._body, meta=self._meta)


def send(name: str) -> list[Item]:
    known = load(name)
    client: Any = Replayed(known["status"], known["body"])
    sender = BulkSender(Settings.from_texts({}).elasticsearch, lambda: client)
    count = len((known["body"] or {}).get("items", [None]))
    return sender.send([b"line"] * count)


def test_every_recorded_answer_has_its_row() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == ITEMS.keys() | WHOLE.keys()
    for file in FOLDER.glob("*.json"):
        assert {"elasticsearch", "how", "status", "body"} <= json.loads(file.read_text()).keys(), file


@pytest.mark.parametrize("name", ITEMS)
def test_an_answer_to_a_document_falls_into_its_kind(name: str) -> None:
    kinds = [outcome_of(answer.status, answer.error_type) for answer in send(name)]
    assert kinds == ITEMS[name]


@pytest.mark.parametrize("name", WHOLE)
def test_a_refused_request_is_raised_by_its_kind(name: str) -> None:
    with pytest.raises(WHOLE[name]) as raised:
        send(name)
    assert str(load(name)["status"]) in str(raised.value)


@pytest.mark.parametrize("name", [name for name, kinds in ITEMS.items() if kinds == [Outcome.OPERATOR]])
def test_what_needs_a_person_says_what_to_do(name: str) -> None:
    (item,) = send(name)
    error = error_of(item.status, item.error_type, "said")
    assert type(error) is OperatorError
    assert error.remedy


def test_only_the_field_that_a_refusal_names_is_blamed() -> None:
    blamed = {name: blamed_field(send(name)[0].reason) for name, kinds in ITEMS.items() if kinds == [Outcome.POISON]}
    assert blamed["another_mapping"] == "extra"
    assert blamed["text_as_price"] == blamed["infinite"] == blamed["object_as_price"] == "price"
    assert blamed["metadata_field"] == "_id"
    assert blamed["key_twice"] is blamed["nested_too_deep"] is blamed["number_too_long"] is None


@pytest.mark.parametrize(
    ("status", "error_type", "kind"),
    [
        (200, "", Outcome.OPERATOR),  # "noop": a pipeline dropped it
        (202, "", Outcome.OPERATOR),
        (201, "", Outcome.INDEXED),
        (400, "mapper_parsing_exception", Outcome.POISON),  # before 8.6
        (400, "never_seen_exception", Outcome.OPERATOR),
        (400, "", Outcome.OPERATOR),
        (404, "index_not_found_exception", Outcome.OPERATOR),
        (405, "", Outcome.OPERATOR),
        (408, "", Outcome.TRANSIENT),
        (409, "resource_already_exists_exception", Outcome.OPERATOR),
        (413, "", Outcome.SIZE),
        (429, "never_seen_exception", Outcome.TRANSIENT),
        (500, "null_pointer_exception", Outcome.TRANSIENT),
        (502, "", Outcome.TRANSIENT),
        (503, "cluster_block_exception", Outcome.TRANSIENT),
        (504, "", Outcome.TRANSIENT),
        (507, "", Outcome.TRANSIENT),
        (302, "", Outcome.OPERATOR),
    ],
)
def test_an_answer_that_was_not_recorded_falls_into_its_kind(status: int, error_type: str, kind: Outcome) -> None:
    assert outcome_of(status, error_type) is kind


def test_item_400_alone_is_never_poison() -> None:
    poison = {key for key, outcome in OUTCOMES.items() if outcome is Outcome.POISON}
    assert poison == {(400, "document_parsing_exception"), (400, "mapper_parsing_exception")}


def test_what_needs_a_person_is_told_by_its_remedy_alone() -> None:
    assert "" not in OUTCOMES.values()
    assert Outcome.OPERATOR not in OUTCOMES.values()


def test_a_refusal_names_the_index_that_it_is_about() -> None:
    meta = ApiResponseMeta(400, "1.1", HttpHeaders({}), 0.1, NodeConfig("http", "localhost", 9200))
    for reason in ("closed", "closed: i-2026.01.01"):
        error = {"type": "index_closed_exception", "reason": reason, "index": "i-2026.01.01"}
        assert str(meaning(ApiError("refused", meta, {"error": error}))).count("i-2026.01.01") == 1
