"""The index template and the alias: made by `cryptoproxy setup`, verified by the indexer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.settings.catalogue import Elasticsearch as ElasticsearchSettings
from cryptoproxy.datasets import TICKER, Period, index_name, mapping
from cryptoproxy.errors import OperatorError

MIGRATION_PAGE = "docs/migration.md"


_PERIOD = re.compile(r"\d{4}(\.\d\d){0,2}", re.ASCII)
_CHANGEABLE = ("ignore_above", "fields")
"""Of what :func:`wrong_mapping` compares, all else stays as it was when the field was made."""


def template_body(settings: ElasticsearchSettings) -> dict[str, Any]:
    """The composable index template for ``settings``."""
    return mapping.template(
        TICKER, alias=settings.alias, period=settings.period, shards=settings.shards, replicas=settings.replicas
    )


@cache
def expected_properties() -> Mapping[str, Any]:
    """The field mappings that every index must have."""
    return mapping.properties(TICKER)


def set_up(client: Elasticsearch, settings: ElasticsearchSettings, *, now: str) -> Iterator[str]:
    """Makes template, the index of ``now`` (an ISO time) and by it the alias. Idempotent; yields a word for each.

    Raises:
        OperatorError: something of another kind is in the way, or an existing choice differs. When all is made: no node
            has a place for the index's shard.
    """
    refuse_an_index_named_like_the_alias(client, settings.alias)
    there = _stored_template(client, settings.alias)
    wanted = template_body(settings)
    if there is None:
        client.indices.put_index_template(name=settings.alias, **_arguments(wanted))
        yield f"index template {settings.alias}: made"
    else:
        _refuse_another_period(there, settings)
        changed = there.get("template", {}).get("mappings") != wanted["template"]["mappings"]
        client.indices.put_index_template(name=settings.alias, **_arguments(wanted))
        yield f"index template {settings.alias}: {'updated for new indices' if changed else 'there already'}"
    first = index_name(settings.alias, now, Period(settings.period))
    if client.indices.exists(index=first):
        yield f"index {first}: there already"
    else:
        client.indices.create(index=first, wait_for_active_shards="0")  # that is waited for, and explained, below
        yield f"index {first}: made"
    homeless = None
    try:
        elastic.require_a_place(client, first, patience="20s")
    except OperatorError as error:
        homeless = error  # what else there is to make needs no shard
    yield from _complete_mappings(client, settings.alias)
    yield f"alias {settings.alias}: {len(client.indices.get_alias(name=settings.alias))} indices"
    yield from faults_of_alias(client, settings.alias)
    if homeless:
        raise homeless


def faults_of_alias(client: Elasticsearch, alias: str) -> Iterator[str]:
    """One line for each index by which readers of ``alias`` would see too little, or something else, and what to do."""
    there = client.indices.resolve_index(name=f"{alias},{alias}-*", expand_wildcards="all")
    ours = {index["name"]: index for index in there["indices"] if index["name"].startswith(f"{alias}-")}
    for name, index in ours.items():
        if "closed" in index["attributes"] and alias in index.get("aliases", ()):
            yield f"index {name} is closed, so questions to the alias {alias} fail. Open it: POST {name}/_open"
        elif alias not in index.get("aliases", ()) and _PERIOD.fullmatch(name.removeprefix(f"{alias}-")):
            yield (
                f"index {name} lacks the alias {alias}, so readers do not see its records. "
                f"Add it: PUT {name}/_alias/{alias}"
            )
    yield from _blocked(client, alias)
    if not any(each["name"] == alias for each in there["aliases"]):
        if not any(index["name"] == alias for index in there["indices"]):
            yield f"no index has the alias {alias}, so questions to it fail. Run `cryptoproxy setup`"
        return
    for name, index in client.indices.get_alias(name=alias, expand_wildcards="all").items():
        if name not in ours:
            yield (
                f"index {name} is none of ours but has the alias {alias}, so readers take its documents for records. "
                f"Take it out: DELETE {name}/_alias/{alias}"
            )
        elif (narrowed := narrowed_alias(index["aliases"][alias])) is not None:
            yield f"index {name}: {narrowed}. {widen(name, alias)}"


def _blocked(client: Elasticsearch, alias: str) -> Iterator[str]:
    """Blocks that nobody sets on an old index on purpose: by a full disk, and against reading."""
    blocks = client.indices.get_settings(
        index=f"{alias}-*", name="index.blocks.*", flat_settings=True, expand_wildcards="all"
    )
    for name, index in blocks.items():
        settings = index["settings"]
        if settings.get("index.blocks.read_only_allow_delete") == "true":
            yield (
                f"index {name} takes no documents: the disk of its node is nearly full (flood-stage watermark). Free "
                f"that disk or remove old indices (cryptoproxy retention): Elasticsearch then lifts the block by itself"
            )
        if settings.get("index.blocks.read") == "true":
            yield (
                f"index {name} has a block against reading, so questions to the alias {alias} fail. "
                f"Lift it: PUT {name}/_settings with index.blocks.read: null"
            )


def narrowed_alias(entry: Mapping[str, Any]) -> str | None:
    """What hides documents of an index from those who ask by an alias; ``entry`` is the index's entry of it."""
    for word in ("filter", "search_routing"):
        if word in entry:
            return f"its alias has a {word} ({json.dumps(entry[word])[:200]}), so readers do not see all of it"
    return None


def widen(index: str, alias: str) -> str:
    """What to do about it."""
    return f"Set the alias anew without it: PUT {index}/_alias/{alias}"


def _complete_mappings(client: Elasticsearch, alias: str) -> Iterator[str]:
    """Indices made before a field was added to the template get it, too: the indexer writes to no other mapping."""
    for name, index in client.indices.get(index=f"{alias}-*").items():
        mappings = index.get("mappings", {})
        if (fault := wrong_mapping(mappings)) is None:
            continue
        there = mappings.get("properties", {})
        # Only what must change: of a field that is there, parameters that do not matter here may be others and stay so.
        missing = dict(_missing(there))
        if (other := wrong_mapping({"dynamic": "false", "properties": {**there, **missing}})) is not None:
            yield f"index {name}: has another mapping ({other}); nothing is written to it, see {MIGRATION_PAGE}"
        else:
            client.indices.put_mapping(index=name, dynamic="false", properties=missing)
            yield f"index {name}: mapping completed ({fault})"


def _missing(there: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The fields to put: those that are not ``there``, and those that lack what can still be given to a field."""
    for field, wanted in expected_properties().items():
        found = there.get(field)
        if found is None:
            yield field, wanted
        elif lacks := {
            word: wanted[word] for word in _CHANGEABLE if word in wanted and wanted[word] != found.get(word)
        }:
            yield field, {**found, **lacks}


def verify(client: Elasticsearch, settings: ElasticsearchSettings) -> None:
    """What the indexer asks before it writes at all.

    Raises:
        OperatorError: the template is missing or was made with another choice, or an index has the alias's name.
    """
    refuse_an_index_named_like_the_alias(client, settings.alias)
    there = _stored_template(client, settings.alias)
    if there is None:
        raise OperatorError(
            f"the index template {settings.alias!r} is missing, so Elasticsearch would guess the mappings",
            remedy="Run `cryptoproxy setup`",
        )
    _refuse_another_period(there, settings)


def refuse_an_index_named_like_the_alias(client: Elasticsearch, alias: str) -> None:
    try:
        found = client.indices.get_settings(index=alias, name="index.uuid")  # of all that is there of it, the shortest
    except NotFoundError:
        return
    if alias in found:
        raise OperatorError(
            f"{alias!r} is an index of its own, where the alias of that name must be",
            remedy=f"Set ES_INDEX to another name, or migrate it as {MIGRATION_PAGE} says",
        )


def wrong_mapping(mappings: Mapping[str, Any]) -> str | None:
    """The first difference between an index's ``mappings`` and what they must be, in words; None if there is none.

    Fields that only the index has are no fault by themselves: somebody may have added them on purpose.
    """
    properties = mappings.get("properties", {})
    for field, wanted in expected_properties().items():
        found = properties.get(field)
        if found is None:
            return f"field {field} is not mapped"
        for word in ("type", "path", "format", "ignore_above", "fields"):
            if found.get(word) != wanted.get(word):
                return f"field {field} has {word} {found.get(word)!r} instead of {wanted.get(word)!r}"
    if str(mappings.get("dynamic", True)).lower() != "false":
        return f"dynamic is {mappings.get('dynamic', True)} instead of false, so unknown fields would be guessed"
    return None


def _stored_template(client: Elasticsearch, name: str) -> dict[str, Any] | None:
    try:
        found = client.indices.get_index_template(name=name)
    except NotFoundError:
        return None
    template: dict[str, Any] = found["index_templates"][0]["index_template"]
    return template


def _refuse_another_period(template: Mapping[str, Any], settings: ElasticsearchSettings) -> None:
    meta = template.get("_meta") or {}
    if "period" not in meta:
        raise OperatorError(
            f"an index template {settings.alias!r} is there that this program did not make",
            remedy="Set ES_INDEX to another name, or remove that template and run `cryptoproxy setup`",
        )
    if meta["period"] != settings.period:
        raise OperatorError(
            f"indices hold a {meta['period']} each (chosen at set-up), but ES_INDEX_PERIOD={settings.period}",
            remedy=f"Set ES_INDEX_PERIOD={meta['period']}; another period needs another ES_INDEX",
        )


def _arguments(body: Mapping[str, Any]) -> dict[str, Any]:
    return {("meta" if name == "_meta" else name): value for name, value in body.items()}
