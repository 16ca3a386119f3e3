"""What the template promises, and what set-up says of a cluster that does not keep it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cryptoproxy.common.service import Health
from cryptoproxy.consumer.index.alias_look import AliasLook, Watched
from cryptoproxy.consumer.index.template import faults_of_alias, verify_alias
from cryptoproxy.datasets import TICKER
from cryptoproxy.datasets.documents import mapping
from cryptoproxy.errors import OperatorError
from cryptoproxy.queries.fields import WINDOWS

NUMBERS = ("double", "long", "integer")


def test_what_questions_filter_by_can_be_searched() -> None:
    searched = {change.percent for change in WINDOWS.values()} | {
        change.fraction for change in WINDOWS.values() if change.fraction
    }
    indexed = {name for name, field in mapping.properties(TICKER).items() if field.get("index", True)}
    assert searched <= indexed


def test_no_other_number_but_the_price_costs_a_search_tree() -> None:
    trees = {
        name
        for name, field in mapping.properties(TICKER).items()
        if field["type"] in NUMBERS and field.get("index", True)
    }
    assert trees == {"price", "change_1h", "change_24h", "change_7d", "price_1h_pcnt", "price_24h_pcnt"}


def cluster(
    aliases: dict[str, Any], closed: str = "", *, without: tuple[str, ...] = (), blocks: dict[str, str] | None = None
) -> Any:
    """A client that knows these indices with the alias ``prices``, each with its entry of it; and others ``without``
    it. ``blocks`` is one block by name of the index."""
    aliases = {"prices-2026.11.01": {}, **aliases} if aliases or not without else {}
    indices = [
        {"name": name, "aliases": ["prices"], "attributes": ["closed" if name == closed else "open"]}
        for name in aliases
    ]
    indices += [{"name": name, "attributes": ["open"]} for name in without]

    def resolve_index(*, name: str, expand_wildcards: str) -> dict[str, Any]:
        assert (name, expand_wildcards) == ("prices,prices-*", "all")
        return {
            "indices": indices,
            "aliases": [{"name": "prices", "indices": list(aliases)}] if aliases else [],
        }

    def get_alias(*, name: str, expand_wildcards: str) -> dict[str, Any]:
        return {index: {"aliases": {name: entry}} for index, entry in aliases.items()}

    def get_settings(*, index: str, name: str, flat_settings: bool, expand_wildcards: str) -> dict[str, Any]:
        assert (index, name, flat_settings, expand_wildcards) == ("prices-*", "index.blocks.*", True, "all")
        return {name: {"settings": {f"index.blocks.{block}": "true"}} for name, block in (blocks or {}).items()}

    return SimpleNamespace(
        indices=SimpleNamespace(resolve_index=resolve_index, get_alias=get_alias, get_settings=get_settings)
    )


@pytest.mark.parametrize(
    ("aliases", "closed", "said"),
    [
        ({}, "", []),
        ({"prices-2026.10.01": {}}, "prices-2026.10.01", ["is closed", "POST prices-2026.10.01/_open"]),
        (
            {"prices-2026.10.01": {"filter": {"term": {"symbol": "BTC"}}}},
            "",
            ["filter", "BTC", "PUT prices-2026.10.01/"],
        ),
        ({"prices-2026.10.01": {"search_routing": "7"}}, "", ["search_routing", "PUT prices-2026.10.01/_alias/prices"]),
        ({"somebodys": {}}, "", ["none of ours", "DELETE somebodys/_alias/prices"]),
    ],
)
def test_an_alias_that_hides_or_adds_something_is_named(aliases: dict[str, Any], closed: str, said: list[str]) -> None:
    lines = list(faults_of_alias(cluster(aliases, closed), "prices"))
    assert len(lines) == len(aliases)
    assert all(word in line for line in lines for word in said)


@pytest.mark.parametrize(
    ("client", "said"),
    [
        (cluster({}, without=("prices-2026.11.01",)), ["lacks the alias", "no index has the alias prices"]),
        (cluster({"prices-2026.10.01": {}}, without=("prices-2026.09.01", "prices-mended")), ["2026.09.01/_alias"]),
        (cluster({}, without=("somebodys",)), ["cryptoproxy setup"]),
        (cluster({}, blocks={"prices-2026.11.01": "read_only_allow_delete"}), ["Free that disk"]),
        (cluster({}, blocks={"prices-2026.10.01": "read"}), ["fail. Lift it"]),
        (cluster({}, blocks={"prices-2026.10.01": "write"}), []),
    ],
)
def test_a_missing_alias_and_a_block_that_nobody_wants_are_named(client: Any, said: list[str]) -> None:
    lines = list(faults_of_alias(client, "prices"))
    assert len(lines) == len(said)
    assert all(word in line for line, word in zip(lines, said, strict=True))


def test_a_full_disk_is_not_in_the_way_of_who_only_reads() -> None:
    full = cluster({"prices-2026.10.01": {}}, blocks={"prices-2026.11.01": "read_only_allow_delete"})
    with pytest.raises(OperatorError, match="Free that disk"):
        verify_alias(full, "prices")
    verify_alias(full, "prices", blocks=False)


@pytest.mark.parametrize(
    ("what", "answer"),
    [
        ("resolve_index", {"prices-2026.11.01": {}}),
        ("resolve_index", "<html>"),
        ("get_settings", {"prices-2026.11.01": {"aliases": {}}}),
        ("get_settings", []),
        ("get_alias", {"prices-2026.11.01": None}),
    ],
)
def test_what_is_not_elasticsearchs_answer_is_said_and_ends_no_indexer(what: str, answer: Any) -> None:
    client = cluster({"prices-2026.11.01": {}})
    setattr(client.indices, what, lambda **_: answer)
    with pytest.raises(OperatorError, match=r"of the alias prices is not Elasticsearch's.*at its address"):
        list(faults_of_alias(client, "prices"))
    client.close = lambda: None
    assert not AliasLook([Watched("prices", Health())], lambda: client).look()
