"""How to make Elasticsearch give each of the answers that the table of outcomes knows.

The unit tests read what `record_answers.py` kept of them; `test_real_answers.py` provokes those that any node gives
once more, so that a new version that answers otherwise is noticed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from elasticsearch import ApiError, Elasticsearch

from cryptoproxy.consumer.index.bulk import FILTER
from cryptoproxy.datasets import Period, encode, index_name, iso
from tests.conftest import wait_until
from tests.integration.consumer.records import record

NOW = 1_793_000_000_000 - 1_793_000_000_000 % 60_000
GOOD = encode(record(1, slot_ms=NOW))


class Answer(NamedTuple):
    status: int
    body: Any


@dataclass
class Place:
    """An alias of its own with one index, on some node."""

    client: Elasticsearch
    alias: str
    made: int = field(default=0)

    @property
    def index(self) -> str:
        return index_name(self.alias, iso(NOW), Period.MONTH)

    def settings(self, **index: Any) -> None:
        self.client.indices.put_settings(index=self.index, settings={"index": index})

    def cluster(self, **settings: Any) -> None:
        self.client.cluster.put_settings(persistent={name.replace("__", "."): text for name, text in settings.items()})

    def bulk(self, *documents: bytes, index: str | None = None, id: str | None = None, path: str = "") -> Answer:  # noqa: A002
        lines = b""
        for document in documents:
            self.made += 1
            action = {"create": {"_index": index or self.index, "_id": id or f"{self.alias}-{self.made}"}}
            lines += json.dumps(action).encode() + b"\n" + document + b"\n"
        return self.send(lines, path)

    def make(self, index: str) -> Answer:
        try:
            answer = self.client.indices.create(index=index)
        except ApiError as error:
            return Answer(error.status_code, error.body)
        return Answer(answer.meta.status, answer.body)

    def send(self, body: bytes, path: str = "") -> Answer:
        try:
            answer = self.client.options(request_timeout=90).perform_request(
                "POST",
                f"/_bulk?filter_path={FILTER}{path}",
                headers={"content-type": "application/x-ndjson", "accept": "application/json"},
                body=body,
            )
        except ApiError as error:
            return Answer(error.status_code, error.body)
        return Answer(answer.meta.status, answer.body)


@dataclass(frozen=True)
class Provocation:
    """One answer: how it is made, in words for a person and in code."""

    how: str
    provoke: Callable[[Place], Answer]
    node: str = ""
    """Of :data:`NODES`; any node without."""
    mend: Callable[[Place], object] = lambda place: None


NODES: Mapping[str, Mapping[str, Any]] = {
    "busy": {
        "node.processors": 1,
        "thread_pool.write.size": 1,
        "thread_pool.write.queue_size": 1,
    },
    "pressed": {"indexing_pressure.memory.limit": "16kb", "http.max_content_length": "64kb"},
    "limits": {
        "cluster.routing.allocation.disk.threshold_enabled": True,
        "cluster.info.update.interval": "10s",
        "action.auto_create_index": "-no-auto-*,*",
    },
    "secure": {"xpack.security.enabled": True, "xpack.security.autoconfiguration.enabled": False},
}


def with_field(text: bytes) -> bytes:
    return GOOD[:-1] + b"," + text + b"}"


def with_price(text: bytes) -> bytes:
    return GOOD.replace(b'"price":2.5', b'"price":' + text)


def _then(step: Callable[[Place], object], *documents: bytes) -> Callable[[Place], Answer]:
    def provoke(place: Place) -> Answer:
        step(place)
        return place.bulk(*(documents or (GOOD,)))

    return provoke


def _document(document: bytes) -> Callable[[Place], Answer]:
    return lambda place: place.bulk(document)


def _twice(place: Place) -> Answer:
    place.bulk(GOOD, id="the-same")
    return place.bulk(GOOD, id="the-same")


def _no_such_index(place: Place) -> Answer:
    return place.bulk(GOOD, index=f"no-auto-{place.alias}")


def _alias_in_the_way(place: Place) -> Answer:
    """A concrete index has the alias's name, so the template cannot be applied to a new one."""
    place.client.indices.delete(index=place.index)
    place.client.indices.create(index=place.alias)
    return place.bulk(GOOD)


def _made_with_the_alias_in_the_way(place: Place) -> Answer:
    _alias_in_the_way(place)
    return place.make(place.index)


def _two_indices_by_the_alias(place: Place) -> Answer:
    place.client.indices.create(index=f"{place.alias}-2001.01.01")
    return place.bulk(GOOD, index=place.alias)


def _shard_limit(place: Place) -> Answer:
    place.cluster(cluster__max_shards_per_node=1)
    return place.bulk(GOOD, index=f"{place.alias}-2001.01.01")


def _made_at_the_shard_limit(place: Place) -> Answer:
    place.cluster(cluster__max_shards_per_node=1)
    return place.make(f"{place.alias}-2001.01.01")


def _three_shards(place: Place) -> None:
    place.client.indices.delete(index=place.index)
    place.client.indices.create(index=place.index, settings={"index": {"number_of_shards": 3}})


WATERMARKS = [f"cluster__routing__allocation__disk__watermark__{name}" for name in ("low", "high", "flood_stage")]


def _flood(place: Place) -> None:
    place.cluster(**dict.fromkeys(WATERMARKS, "1%"))
    wait_until(lambda: _flooded(place), what="the flood stage")


def _ebb(place: Place) -> None:
    place.cluster(**dict.fromkeys(WATERMARKS))
    wait_until(lambda: not _flooded(place), what="the end of the flood stage")


def _flooded(place: Place) -> bool:
    return "read_only_allow_delete" in str(place.client.indices.get_settings(index=place.index))


def _to_a_new_index_in_the_flood(place: Place) -> Answer:
    _flood(place)
    return place.bulk(GOOD, index=f"{place.alias}-2001.01.01", path="&timeout=2s")


def _as(user: str, password: str) -> Callable[[Place], Place]:
    return lambda place: Place(place.client.options(basic_auth=(user, password)), place.alias)


PROVOCATIONS: Mapping[str, Provocation] = {
    # --- a document's end
    "created": Provocation("create of two new ids", lambda place: place.bulk(GOOD, GOOD)),
    "known_id": Provocation("create of an id that is there", _twice),
    # --- the document itself is at fault
    "text_as_price": Provocation('"price":"abc"', _document(with_price(b'"abc"'))),
    "nan": Provocation('"price":NaN', _document(with_price(b"NaN"))),
    "infinite": Provocation('"price":1e400', _document(with_price(b"1e400"))),
    "object_as_price": Provocation('"price":{"a":1}', _document(with_price(b'{"a":1}'))),
    "integer_range": Provocation(
        '"market_cap_rank":99999999999', _document(with_field(b'"market_cap_rank":99999999999'))
    ),
    "key_twice": Provocation('"price" twice', _document(with_field(b'"price":3'))),
    "unknown_key_twice": Provocation("an unknown key twice, in an object", _document(with_field(b'"o":{"a":1,"a":2}'))),
    "nested_too_deep": Provocation(
        "1,001 arrays in each other in an unknown field", _document(with_field(b'"x":' + b"[" * 1001 + b"]" * 1001))
    ),
    "number_too_long": Provocation(
        "an unknown field with a number of 1,001 digits", _document(with_field(b'"x":' + b"1" * 1001))
    ),
    "price_too_long": Provocation("a price of 1,001 characters", _document(with_price(b"1." + b"5" * 1000))),
    "immense_keyword": Provocation(
        "asset_id of 33,000 bytes", _document(GOOD.replace(b'"coin-1"', b'"' + b"x" * 33_000 + b'"'))
    ),
    "empty_field_name": Provocation('"":1', _document(with_field(b'"":1'))),
    "metadata_field": Provocation('"_id":"1"', _document(with_field(b'"_id":"1"'))),
    "field_alias": Provocation('"last_price":1, a field alias', _document(with_field(b'"last_price":1'))),
    "cut_document": Provocation("a document without its last bytes", _document(GOOD[:-2])),
    # --- the mapping is at fault
    "another_mapping": Provocation(
        "the index maps an unknown field as long, and the document holds text in it",
        _then(
            lambda place: place.client.indices.put_mapping(index=place.index, properties={"extra": {"type": "long"}}),
            with_field(b'"extra":"abc"'),
        ),
    ),
    "strict_mapping": Provocation(
        "dynamic: strict, and the document has an unknown field",
        _then(
            lambda place: place.client.indices.put_mapping(index=place.index, dynamic="strict"),
            with_field(b'"unknown":1'),
        ),
    ),
    # --- the index or the cluster is at fault
    "closed_index": Provocation(
        "POST index/_close", _then(lambda place: place.client.indices.close(index=place.index))
    ),
    "write_block": Provocation(
        "index.blocks.write: true", _then(lambda place: place.settings(**{"blocks.write": True}))
    ),
    "read_only": Provocation(
        "index.blocks.read_only: true",
        _then(lambda place: place.settings(**{"blocks.read_only": True})),
        mend=lambda place: place.settings(**{"blocks.read_only": None}),
    ),
    "index_named_like_the_alias": Provocation(
        "a concrete index has the alias's name; bulk to an index that the template would make", _alias_in_the_way
    ),
    "make_index_named_like_the_alias": Provocation("the same; PUT of that index", _made_with_the_alias_in_the_way),
    "alias_without_write_index": Provocation("bulk to an alias of two indices", _two_indices_by_the_alias),
    "no_such_index": Provocation(
        "action.auto_create_index forbids the index that the bulk names", _no_such_index, node="limits"
    ),
    "shard_limit": Provocation(
        "cluster.max_shards_per_node: 1; bulk to an index that does not exist yet",
        _shard_limit,
        node="limits",
        mend=lambda place: place.cluster(cluster__max_shards_per_node=None),
    ),
    "make_index_at_the_shard_limit": Provocation(
        "the same; PUT of that index",
        _made_at_the_shard_limit,
        node="limits",
        mend=lambda place: place.cluster(cluster__max_shards_per_node=None),
    ),
    # --- too much
    "rejected_items": Provocation(
        "node.processors: 1, thread_pool.write.size: 1, .queue_size: 1; a bulk of 60 to 3 shards",
        _then(_three_shards, *([GOOD] * 60)),
        node="busy",
    ),
    "pressure": Provocation(
        "indexing_pressure.memory.limit: 16kb; a bulk of 60", lambda place: place.bulk(*[GOOD] * 60), node="pressed"
    ),
    "circuit_breaker": Provocation(
        "network.breaker.inflight_requests.limit: 10kb; a bulk of 60",
        _then(lambda place: place.cluster(network__breaker__inflight_requests__limit="10kb"), *([GOOD] * 60)),
        node="limits",
        mend=lambda place: place.cluster(network__breaker__inflight_requests__limit=None),
    ),
    "too_large": Provocation(
        "http.max_content_length: 64kb; a bulk of 300", lambda place: place.bulk(*[GOOD] * 300), node="pressed"
    ),
    # --- the disk is full
    "flood_stage": Provocation(
        "all three disk watermarks at 1 %, cluster.info.update.interval: 10s", _then(_flood), node="limits", mend=_ebb
    ),
    "flood_stage_new_index": Provocation(
        "the same; bulk with timeout=2s to an index that the template makes then",
        _to_a_new_index_in_the_flood,
        node="limits",
        mend=_ebb,
    ),
    # --- not a bulk request, for Elasticsearch
    "id_too_long": Provocation("an id of 513 bytes", lambda place: place.bulk(GOOD, id="i" * 513)),
    "broken_action": Provocation(
        "an action line without its last bytes", lambda place: place.send(b'{"create":{"_index":"x"\n' + GOOD + b"\n")
    ),
    # --- who may what
    "wrong_password": Provocation(
        "a user with a wrong password",
        lambda place: _as("elastic", "wrong")(place).bulk(GOOD),
        node="secure",
    ),
    "no_right_to_write": Provocation(
        "a user who may only read", lambda place: _as("reader", "reader-secret")(place).bulk(GOOD), node="secure"
    ),
    "no_right_to_make_the_index": Provocation(
        "a user who may create documents but no index (no auto_configure), bulk to an index that is not there",
        lambda place: _as("writer", "writer-secret")(place).bulk(GOOD, index=f"{place.alias}-2001.01.01"),
        node="secure",
    ),
}
