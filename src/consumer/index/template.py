"""The index template and the alias of a dataset: made by `cryptoproxy setup`, verified by the indexer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from elasticsearch import BadRequestError, Elasticsearch, NotFoundError

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.settings.catalogue import Elasticsearch as ElasticsearchSettings
from cryptoproxy.datasets import DATASETS, TICKER, Dataset
from cryptoproxy.datasets.documents import mapping
from cryptoproxy.errors import OperatorError

MIGRATION_PAGE = "docs/migration.md"


_PERIOD = re.compile(r"([a-z]+-)?\d{4}(\.\d\d){0,2}|all", re.ASCII)
_CHANGEABLE = ("ignore_above", "fields")
"""Of what :func:`wrong_mapping` compares, all else stays as it was when the field was made."""


def template_body(settings: ElasticsearchSettings, dataset: Dataset[Any] = TICKER) -> dict[str, Any]:
    """The composable index template for ``settings``."""
    return mapping.template(
        dataset,
        alias=settings.alias_of(dataset),
        period=_period(settings, dataset),
        shards=settings.shards,
        replicas=settings.replicas,
    )


def _period(settings: ElasticsearchSettings, dataset: Dataset[Any]) -> str:
    """Of its first part, for all of them."""
    return str(settings.period_of(dataset, next(iter(dataset.parts.values()))))


def set_up(
    client: Elasticsearch,
    settings: ElasticsearchSettings,
    dataset: Dataset[Any] = TICKER,
    *,
    now: str,
    patience: str = "20s",
) -> Iterator[str]:
    """Makes template, an index of ``now`` (an ISO time) and by it the alias. Idempotent; yields a word for each.

    Args:
        patience: how long a shard may take to find its place.

    Raises:
        OperatorError: something of another kind is in the way, or an existing choice differs. When all is made: no node
            has a place for the index's shard.
    """
    alias = settings.alias_of(dataset)
    refuse_an_index_named_like_the_alias(client, alias)
    there = _stored_template(client, alias)
    wanted = template_body(settings, dataset)
    if there is None:
        client.indices.put_index_template(name=alias, **_arguments(wanted))
        yield f"index template {alias}: made"
    else:
        _refuse_another_period(there, settings, dataset)
        changed = there.get("template", {}).get("mappings") != wanted["template"]["mappings"]
        client.indices.put_index_template(name=alias, **_arguments(wanted))
        yield f"index template {alias}: {'updated for new indices' if changed else 'there already'}"
    first = settings.first_index(dataset, now)
    made = False
    if not client.indices.exists(index=first):
        try:
            client.indices.create(index=first, wait_for_active_shards="0")  # that is waited for, and explained, below
            made = True
        except BadRequestError as error:
            if error.error != "resource_already_exists_exception":  # another set-up, or an indexer, was faster
                raise
    yield f"index {first}: {'made' if made else 'there already'}"
    homeless = None
    try:
        elastic.require_a_place(client, first, patience=patience)
    except OperatorError as error:
        homeless = error  # what else there is to make needs no shard
    yield from _complete_mappings(client, alias, wanted["template"]["mappings"]["properties"])
    yield f"alias {alias}: {len(client.indices.get_alias(name=alias))} indices"
    yield from faults_of_alias(client, alias)
    if homeless:
        raise homeless


def there(client: Elasticsearch, settings: ElasticsearchSettings) -> list[Dataset[Any]]:
    """The datasets that are set up: those that have a template."""
    return [
        each
        for each in DATASETS.values()
        if each.alias is not None and client.indices.exists_index_template(name=settings.alias_of(each))
    ]


def verify_alias(client: Elasticsearch, alias: str, *, blocks: bool = True) -> None:
    """Raises:
    OperatorError: :func:`faults_of_alias` has something to say.
    """
    if faults := list(faults_of_alias(client, alias, blocks=blocks)):
        raise OperatorError(f"alias {alias} does not show just what is there", remedy="; ".join(faults))


def faults_of_alias(client: Elasticsearch, alias: str, *, blocks: bool = True) -> Iterator[str]:
    """One line for each index by which readers of ``alias`` would see too little, or something else, and what to do.

    Args:
        blocks: and for each that has a block that nobody sets on purpose.

    Raises:
        OperatorError: what was answered is not Elasticsearch's.
    """
    try:
        yield from _faults_of_alias(client, alias, blocks=blocks)
    except (KeyError, TypeError, AttributeError) as error:
        raise OperatorError(
            f"what was answered of the alias {alias} is not Elasticsearch's ({error!r})",
            remedy="Is another program, or a proxy that changes answers, at its address?",
        ) from error


def _faults_of_alias(client: Elasticsearch, alias: str, *, blocks: bool) -> Iterator[str]:
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
    if blocks:
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


def _complete_mappings(client: Elasticsearch, alias: str, wanted: Mapping[str, Any]) -> Iterator[str]:
    """Indices made before a field was added to the template get it, too: the indexer writes to no other mapping."""
    for name, index in client.indices.get(index=f"{alias}-*").items():
        mappings = index.get("mappings", {})
        if (fault := wrong_mapping(mappings, wanted)) is None:
            continue
        there = mappings.get("properties", {})
        # Only what must change: of a field that is there, parameters that do not matter here may be others and stay so.
        missing = dict(_missing(there, wanted))
        completed = {"dynamic": "false", "properties": {**there, **missing}}
        if (other := wrong_mapping(completed, wanted)) is not None:
            yield f"index {name}: has another mapping ({other}); nothing is written to it, see {MIGRATION_PAGE}"
        else:
            client.indices.put_mapping(index=name, dynamic="false", properties=missing)
            yield f"index {name}: mapping completed ({fault})"


def _missing(there: Mapping[str, Any], properties: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The fields to put: those that are not ``there``, and those that lack what can still be given to a field."""
    for field, wanted in properties.items():
        found = there.get(field)
        if found is None:
            yield field, wanted
        elif lacks := {
            word: wanted[word] for word in _CHANGEABLE if word in wanted and wanted[word] != found.get(word)
        }:
            yield field, {**found, **lacks}


def verify(client: Elasticsearch, settings: ElasticsearchSettings, dataset: Dataset[Any] = TICKER) -> None:
    """What the indexer asks before it writes at all.

    Raises:
        OperatorError: the template is missing or was made with another choice, or an index has the alias's name.
    """
    alias = settings.alias_of(dataset)
    refuse_an_index_named_like_the_alias(client, alias)
    there = _stored_template(client, alias)
    if there is None:
        raise OperatorError(
            f"the index template {alias!r} is missing, so Elasticsearch would guess the mappings",
            remedy="Run `cryptoproxy setup`",
        )
    _refuse_another_period(there, settings, dataset)


def refuse_an_index_named_like_the_alias(client: Elasticsearch, alias: str) -> None:
    try:
        found = client.indices.get_settings(index=alias, name="index.uuid")  # of all that is there of it, the shortest
    except NotFoundError:
        return
    if alias in found:
        raise OperatorError(
            f"{alias!r} is an index of its own, where the alias of that name must be",
            remedy=f"Set ES_INDEX (ES_INDICES) to another name, or migrate it as {MIGRATION_PAGE} says",
        )


def wrong_mapping(mappings: Mapping[str, Any], properties: Mapping[str, Any]) -> str | None:
    """The first difference between an index's ``mappings`` and what they must be, in words; None if there is none.

    Fields that only the index has are no fault by themselves: somebody may have added them on purpose.
    """
    there = mappings.get("properties", {})
    for field, wanted in properties.items():
        found = there.get(field)
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


def _refuse_another_period(template: Mapping[str, Any], settings: ElasticsearchSettings, dataset: Dataset[Any]) -> None:
    meta, period = template.get("_meta") or {}, _period(settings, dataset)
    if "period" not in meta:
        raise OperatorError(
            f"an index template {settings.alias_of(dataset)!r} is there that this program did not make",
            remedy="Set ES_INDEX (ES_INDICES) to another name, or remove that template and run `cryptoproxy setup`",
        )
    if meta["period"] != period:
        raise OperatorError(
            f"indices of {settings.alias_of(dataset)} hold a {meta['period']} each (chosen at set-up), not a {period}",
            remedy=f"Set ES_INDEX_PERIOD={meta['period']}; another period needs another ES_INDEX"
            if dataset is TICKER
            else f"Another period needs another alias: ES_INDICES={dataset.name}=…",
        )


def _arguments(body: Mapping[str, Any]) -> dict[str, Any]:
    return {("meta" if name == "_meta" else name): value for name, value in body.items()}
