"""What each index setting, and each shape of an id, costs: Elasticsearch's CPU while indexing, and bytes per document
afterwards.

One setting at a time against the template of `cryptoproxy setup`, by the pass-through with as many connections as the
indexer has, so that nothing else of ours is in the figures.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmarks.context import Context
from benchmarks.figures import Report
from benchmarks.indexing import passthrough
from benchmarks.measure import Run
from benchmarks.passthrough import COUNTED, IDS
from benchmarks.quiet import words
from benchmarks.world import Place
from cryptoproxy.consumer.index.template import template_body

Change = Callable[[dict[str, Any]], None]
AS_SET_UP = "as set up"
NUMBERS = ("double", "long", "integer")


def index_setting(name: str, value: Any) -> Change:
    def change(template: dict[str, Any]) -> None:
        template["settings"]["index"][name] = value

    return change


def nothing(template: dict[str, Any]) -> None:
    """As it is."""


def not_sorted(template: dict[str, Any]) -> None:
    template["settings"]["index"].pop("sort", None)


def without_points(template: dict[str, Any]) -> None:
    """Numbers keep their doc values (aggregations, sorting, slow filters) and lose their search tree."""
    for field in template["mappings"]["properties"].values():
        if field["type"] in NUMBERS:
            field["index"] = False


def with_points(template: dict[str, Any]) -> None:
    for field in template["mappings"]["properties"].values():
        if field["type"] in NUMBERS:
            field.pop("index", None)


VARIANTS: Mapping[str, Change] = {
    AS_SET_UP: nothing,
    "numbers: doc values only": without_points,
    "numbers: searchable as well": with_points,
    "codec default": index_setting("codec", "default"),
    "sorted by source, asset, time": index_setting("sort", {"field": ["source", "asset_id", "timestamp"]}),
    "sorted by time": index_setting("sort", {"field": ["timestamp"]}),
    "not sorted": not_sorted,
    "refresh 5 s": index_setting("refresh_interval", "5s"),
    "refresh 30 s": index_setting("refresh_interval", "30s"),
    "2 shards": index_setting("number_of_shards", 2),
    "translog async": index_setting("translog", {"durability": "async"}),
}


def benchmark(context: Context) -> Report:
    report = Report("settings", facts={"records": context.count})
    rounds = min(2, context.rounds)
    variants = {
        name: partial(_measure, context, change)
        for name, change in VARIANTS.items()
        if not _is_as_set_up(context, name)
    } | {f"id: {ids}": partial(_measure, context, nothing, ids) for ids in IDS if ids != COUNTED}
    found: dict[str, list[tuple[Run, float]]] = {name: [] for name in variants}
    context.warm_up()
    disturbed = []
    for _ in range(rounds):
        for name, measure in variants.items():
            made = context.quiet.rounds(measure, wanted=1, spare=min(1, context.spare), what=name)
            found[name].append(made[0].value)
            disturbed += [each for each in made if each.why]
    report.disturbed = words(disturbed) if disturbed else ""
    for name, values in found.items():
        report.add(f"{name}: Elasticsearch's CPU", [run.engine_us for run, _ in values], "µs/record")
        report.add(f"{name}: size", [size for _, size in values], "bytes/record")
    return report


def _is_as_set_up(context: Context, name: str) -> bool:
    """A variant that changes nothing is the first one once more."""
    template = template_body(context.loaded().settings.elasticsearch)["template"]
    changed = copy.deepcopy(template)
    VARIANTS[name](changed)
    return name != AS_SET_UP and changed == template


def _measure(context: Context, change: Change, ids: str = COUNTED) -> tuple[Run, float]:
    place = context.loaded()
    sizes: list[float] = []

    def make_index() -> None:
        body = template_body(place.settings.elasticsearch)
        change(body["template"])
        with place.elasticsearch() as client:
            client.indices.put_index_template(
                name=place.settings.elasticsearch.alias,
                index_patterns=body["index_patterns"],
                template=body["template"],
                priority=body["priority"],
            )

    variant = Variant(place.texts, make_index)
    run = context.over_elasticsearch(
        lambda at: passthrough(
            at, at.settings.indexer.bulk_in_flight, records=at.settings.indexer.bulk_records, ids=ids
        ),
        variant.sized(sizes),
    )
    return run, sizes[0] / context.count


class Variant(Place):
    """A place whose index is made by another template, and measured before it is removed."""

    def __init__(self, texts: dict[str, str], make: Callable[[], None]) -> None:
        super().__init__(texts)
        self._make = make
        self._sizes: list[float] = []

    def sized(self, sizes: list[float]) -> Variant:
        self._sizes = sizes
        return self

    def make_index(self, begin_ms: int = 0) -> None:
        self._make()

    def remove_index(self) -> None:
        alias = self.settings.elasticsearch.alias
        with self.elasticsearch() as client:
            client.options(request_timeout=300).indices.forcemerge(index=f"{alias}-*", max_num_segments=1)
            client.indices.refresh(index=f"{alias}-*")
            # Not the size of the store: that comes from a cache, seconds old and of another age for each shard.
            stats = client.indices.stats(index=f"{alias}-*", metric="docs")
            self._sizes.append(float(stats["_all"]["primaries"]["docs"]["total_size_in_bytes"]))
        super().remove_index()
