"""The searches of a dashboard, made from the definitions in ``kibana/`` as Lens makes them.

Two differences, as the embedded Elasticsearch lacks what Lens uses: ``top_hits`` reads the last value instead of
``top_metrics``, which costs more; and symbols that Lens keeps apart by source and quote (``multi_terms``) are grouped
by symbol alone, which costs less.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cryptoproxy.datasets import iso
from kibana.builders.dashboard import Dashboard
from kibana.builders.panels import Panel

Json = dict[str, Any]
Spec = Mapping[str, Any]

BAR_TARGET = 50
"""Kibana's ``histogram:barTarget``: about so many steps for an interval of ``auto``."""
_STEPS = [60_000 * minutes for minutes in (1, 5, 10, 30, 60, 180, 720, 1440, 10080)]


def searches(dashboard: Dashboard, begin_ms: int, end_ms: int) -> Iterator[tuple[str, Json]]:
    """(panel, search body) for each panel that asks anything, over ``[begin_ms, end_ms)``."""
    chosen = {control.field: list(control.chosen) for control in dashboard.controls if control.chosen}
    for row in dashboard.rows:
        for panel in row.panels:
            if panel.type == "lens":
                yield panel.id, _lens(panel, chosen, begin_ms, end_ms)
            elif panel.type == "search":
                yield (
                    panel.id,
                    {
                        "size": 500,
                        "sort": [{"timestamp": "desc"}],
                        "query": _query([], chosen, begin_ms, end_ms),
                        "aggs": {"chart": {"date_histogram": _histogram("auto", begin_ms, end_ms)}},
                    },
                )


def _lens(panel: Panel, chosen: Mapping[str, list[str]], begin_ms: int, end_ms: int) -> Json:
    state = panel.config["attributes"]["state"]
    layer = next(iter(state["datasourceStates"]["formBased"]["layers"].values()))
    columns: Mapping[str, Spec] = layer["columns"]
    buckets = [name for name in layer["columnOrder"] if columns[name]["isBucketed"]]
    metrics = {name: _metric(columns[name], end_ms) for name in columns if name not in buckets}
    aggregations = dict(metrics)
    for name in reversed(buckets):
        inner = dict(aggregations)
        bucket, ranking = _bucket(columns[name], begin_ms, end_ms)
        if ranking:
            inner |= ranking
        order = columns[name]["params"].get("orderBy", {})
        if order.get("type") == "column":
            path = order["columnId"]
            bucket["terms"]["order"] = {_order_path(path, columns[path]): columns[name]["params"]["orderDirection"]}
            inner[path] = metrics[path]
        aggregations = {name: {**bucket, **({"aggs": inner} if inner else {})}}
    where = [state["query"]["query"]] if state["query"]["query"] else []
    return {"size": 0, "query": _query(where, chosen, begin_ms, end_ms), "aggs": aggregations}


def _bucket(spec: Spec, begin_ms: int, end_ms: int) -> tuple[Json, Json]:
    """The aggregation, and one beside its metrics that ranks it."""
    params = spec["params"]
    match spec["operationType"]:
        case "date_histogram":
            return {"date_histogram": _histogram(params["interval"], begin_ms, end_ms)}, {}
        case "filters":
            filters = {each["label"]: _kql(each["input"]["query"]) for each in params["filters"]}
            return {"filters": {"filters": filters}}, {}
        case "terms":
            terms: Json = {"field": spec["sourceField"], "size": params["size"]}
            if params["orderBy"]["type"] != "custom":
                return {"terms": terms}, {}
            ranked_by = params["orderAgg"]
            terms["order"] = {_order_path("rank", ranked_by): params["orderDirection"]}
            return {"terms": terms}, {"rank": _metric(ranked_by, end_ms)}
    raise NotImplementedError(spec["operationType"])


def _metric(spec: Spec, end_ms: int) -> Json:
    field, operation = spec["sourceField"], spec["operationType"]
    simple = {"average": "avg", "min": "min", "max": "max", "unique_count": "cardinality"}
    if operation in simple:
        return {simple[operation]: {"field": field}}
    if operation == "standard_deviation":
        return {"extended_stats": {"field": field}}
    if operation == "median":
        return {"percentiles": {"field": field, "percents": [50]}}
    if operation == "percentile":
        return {"percentiles": {"field": field, "percents": [spec["params"]["percentile"]]}}
    if operation == "last_value":
        hits = {"size": 1, "sort": [{"timestamp": "desc"}], "_source": False, "docvalue_fields": [field]}
        return {"filter": _kql(spec["filter"]["query"]), "aggs": {"last": {"top_hits": hits}}}
    if operation == "count":
        within: list[Json] = []
        if "filter" in spec:
            within.append(_kql(spec["filter"]["query"]))
        if "reducedTimeRange" in spec:
            length = {"m": 60_000, "h": 3_600_000}[spec["reducedTimeRange"][-1]] * int(spec["reducedTimeRange"][:-1])
            within.append({"range": {"timestamp": {"gte": iso(end_ms - length)}}})
        return {"filter": {"bool": {"filter": within}}} if within else {"value_count": {"field": "timestamp"}}
    raise NotImplementedError(operation)


def _order_path(name: str, spec: Spec) -> str:
    """How a bucket is ordered by a metric. By ``top_hits`` it cannot be; the count stands in for a last value."""
    if spec["operationType"] == "last_value":
        return "_count"
    return name


def _histogram(interval: str, begin_ms: int, end_ms: int) -> Json:
    if interval == "auto":
        step = next((each for each in _STEPS if (end_ms - begin_ms) / each <= 1.5 * BAR_TARGET), _STEPS[-1])
    else:
        step = int(interval[:-1]) * {"m": 60_000, "h": 3_600_000}[interval[-1]]
    return {"field": "timestamp", "fixed_interval": f"{step // 1000}s", "min_doc_count": 0}


def _query(where: list[str], chosen: Mapping[str, list[str]], begin_ms: int, end_ms: int) -> Json:
    wanted: list[Json] = [_kql(each) for each in where]
    wanted += [{"terms": {field: values}} for field, values in chosen.items()]
    wanted.append({"range": {"timestamp": {"gte": iso(begin_ms), "lt": iso(end_ms)}}})
    return {"bool": {"filter": wanted}}


def _kql(text: str) -> Json:
    """The little KQL that the definitions use, as Lucene's syntax."""
    lucene = re.sub(r"(\w+): \*", r"_exists_:\1", text)
    lucene = re.sub(r"(\w+) >= (\S+?)(?=[\s)]|$)", r"\1:[\2 TO *]", lucene)
    lucene = re.sub(r"(\w+) <= (\S+?)(?=[\s)]|$)", r"\1:[* TO \2]", lucene)
    lucene = re.sub(r"(\w+) > (\S+?)(?=[\s)]|$)", r"\1:{\2 TO *}", lucene)
    lucene = re.sub(r"(\w+) < (\S+?)(?=[\s)]|$)", r"\1:{* TO \2}", lucene)
    lucene = re.sub(r"\b(and|or|not)\b", lambda found: found[0].upper(), lucene)
    return {"query_string": {"query": lucene}}
