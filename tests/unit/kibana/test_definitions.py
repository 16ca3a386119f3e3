"""The committed NDJSON: what the definitions make, sound in itself, and true to the mapping.

Read here from the file alone, as Kibana does, without the code that made it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.datasets import DATASETS
from cryptoproxy.datasets.documents import mapping
from cryptoproxy.kibana_client import definitions_file
from kibana import generate
from kibana.builders.charts import tiles, xy
from kibana.builders.columns import average, last, over_time, records, top
from kibana.builders.dashboard import Row
from kibana.builders.panels import note, question

Json = dict[str, Any]

RAW = definitions_file().read_bytes()
OBJECTS: list[Json] = [json.loads(line) for line in RAW.splitlines()]
DASHBOARDS = {one["id"]: one for one in OBJECTS if one["type"] == "dashboard"}

NUMBERS = {"double", "long", "integer"}
# What each operation takes. Elasticsearch's mapping types.
TAKES = {
    "terms": {"keyword"},
    "date_histogram": {"date"},
    "min": NUMBERS | {"date"},
    "max": NUMBERS | {"date"},
    "unique_count": NUMBERS | {"keyword", "date"},
    "last_value": NUMBERS | {"keyword", "date"},
    **dict.fromkeys(("average", "median", "sum", "standard_deviation", "percentile", "percentile_rank"), NUMBERS),
}
# Versions that Kibana 8.11 knows: of a newer one it refuses the object, of none it runs every migration since 6.x.
VERSIONS = {"index-pattern": "8.0.0", "search": "8.0.0", "dashboard": "8.9.0"}
# Kibana 8.11 refuses a dashboard with any other attribute.
DASHBOARD_ATTRIBUTES = {
    "title", "description", "kibanaSavedObjectMeta", "timeRestore", "timeFrom", "timeTo", "refreshInterval",
    "controlGroupInput", "panelsJSON", "optionsJSON",
}  # fmt: skip


def mapped(properties: Json) -> dict[str, str]:
    """Type by field, sub-fields and aliases included."""
    types = {}
    for name, spec in properties.items():
        types[name] = properties[spec["path"]]["type"] if spec["type"] == "alias" else spec["type"]
        types |= {f"{name}.{sub}": sub_spec["type"] for sub, sub_spec in spec.get("fields", {}).items()}
    return types


VIEWS = {str(dataset.alias): mapped(mapping.properties(dataset)) for dataset in DATASETS.values() if dataset.alias}
"""By data view."""
FIELDS = VIEWS["crypto-prices"]


def views_of(one: Json, part: str = "") -> set[str]:
    """The data views that an object reads, or its panel or control of that name."""
    read = {
        reference["id"]
        for reference in one["references"]
        if reference["type"] == "index-pattern" and reference["name"].startswith(f"{part}:" if part else "")
    }
    return read or {one["id"]} & VIEWS.keys() or {"crypto-prices"}


def fields_of(one: Json, part: str = "") -> dict[str, str]:
    return {name: kind for view in views_of(one, part) for name, kind in VIEWS[view].items()}


def panels_of(dashboard: Json) -> list[Json]:
    panels: list[Json] = json.loads(dashboard["attributes"]["panelsJSON"])
    return panels


LENS = [
    pytest.param(dashboard, panel, id=f"{dashboard['id'].removeprefix('crypto-prices-')}/{panel['panelIndex']}")
    for dashboard in DASHBOARDS.values()
    for panel in panels_of(dashboard)
    if panel["type"] == "lens"
]


def layer_of(panel: Json) -> Json:
    (layer,) = panel["embeddableConfig"]["attributes"]["state"]["datasourceStates"]["formBased"]["layers"].values()
    return dict(layer)


def computed(panel: Json) -> Iterator[Json]:
    """Every column, and what values are ranked by without being shown."""
    for column in layer_of(panel)["columns"].values():
        yield column
        if "orderAgg" in column["params"]:
            yield column["params"]["orderAgg"]


def queries(value: Any) -> Iterator[str]:
    """All KQL below a value."""
    if isinstance(value, dict):
        if value.get("language") == "kuery":
            yield value["query"]
        for inner in value.values():
            yield from queries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from queries(inner)


# ---- the file


def test_the_file_is_what_the_definitions_make() -> None:
    assert generate.everything() == RAW, "run: python -m kibana.generate"


def test_the_definitions_make_the_same_each_time() -> None:
    assert generate.everything() == generate.everything()


def test_the_command_writes_checks_and_fits_to_an_alias(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "made.ndjson"

    assert generate.main(["--output", str(output), "--alias", "team-prices", "--source", "binance"]) == 0
    assert generate.main(["--output", str(output), "--alias", "team-prices", "--source", "binance", "--check"]) == 0
    assert generate.main(["--output", str(output), "--check"]) == 1

    made = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [made[0]["attributes"]["title"], made[1]["attributes"]["title"]] == ["team-prices", "crypto-candles"]
    assert [one["id"] for one in made] == [one["id"] for one in OBJECTS]


def test_an_alias_that_elasticsearch_refuses_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        generate.main(["--alias", "Prices*"])


# ---- the objects


def test_ids_are_unique_and_there_is_what_there_should_be() -> None:
    counts = Counter((one["type"], one["id"]) for one in OBJECTS)

    assert set(counts.values()) == {1}
    assert set(counts) == {
        *(("index-pattern", view) for view in VIEWS),
        ("search", "crypto-prices-newest-records"),
        ("dashboard", "crypto-prices-market"),
        ("dashboard", "crypto-candles-bars"),
        ("dashboard", "crypto-trades-flow"),
        ("dashboard", "crypto-books-depth"),
        ("dashboard", "crypto-market-wide"),
        ("dashboard", "crypto-prices-volatility"),
        ("dashboard", "crypto-alerts-found"),
        ("dashboard", "crypto-usage-asked"),
        ("dashboard", "crypto-prices-pipeline"),
    }


@pytest.mark.parametrize("one", OBJECTS, ids=lambda one: one["id"])
def test_versions_are_those_that_8_11_and_9_x_both_read(one: Json) -> None:
    assert one["coreMigrationVersion"] == "8.8.0"
    assert one["typeMigrationVersion"] == VERSIONS[one["type"]]


@pytest.mark.parametrize("one", OBJECTS, ids=lambda one: one["id"])
def test_every_reference_has_its_own_name_and_a_target_in_the_file(one: Json) -> None:
    names = [reference["name"] for reference in one["references"]]
    targets = {(target["type"], target["id"]) for target in OBJECTS}

    assert len(set(names)) == len(names)
    assert {(reference["type"], reference["id"]) for reference in one["references"]} <= targets


def test_the_data_view_reads_the_alias_by_the_records_time() -> None:
    view = OBJECTS[0]["attributes"]
    formats, attributes = json.loads(view["fieldFormatMap"]), json.loads(view["fieldAttrs"])

    assert (view["title"], view["timeFieldName"]) == ("crypto-prices", "timestamp")
    assert FIELDS["timestamp"] == "date"
    assert set(formats) | set(attributes) <= set(FIELDS)
    assert formats["price"]["id"] == "number"
    assert formats["price_24h_pcnt"]["id"] == "percent"
    assert all(json.loads(view[key]) in ([], {}) for key in ("fields", "sourceFilters", "runtimeFieldMap"))


def test_the_saved_search_shows_fields_that_exist_newest_first() -> None:
    (search,) = [one for one in OBJECTS if one["type"] == "search"]
    source = json.loads(search["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])

    assert set(search["attributes"]["columns"]) <= set(FIELDS)
    assert search["attributes"]["sort"] == [["timestamp", "desc"]]
    assert source["indexRefName"] in {reference["name"] for reference in search["references"]}


# ---- the dashboards


@pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)
def test_a_dashboard_has_only_what_8_11_accepts_and_brings_its_time(dashboard: Json) -> None:
    attributes = dashboard["attributes"]

    assert set(attributes) == DASHBOARD_ATTRIBUTES
    assert attributes["timeRestore"] is True
    assert attributes["timeTo"] == "now"


def test_volatility_opens_on_seven_days() -> None:
    assert DASHBOARDS["crypto-prices-volatility"]["attributes"]["timeFrom"] == "now-7d"


@pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)
def test_panels_fill_the_grid_without_overlap(dashboard: Json) -> None:
    panels = panels_of(dashboard)
    taken: Counter[tuple[int, int]] = Counter()
    for panel in panels:
        grid = panel["gridData"]
        assert grid["i"] == panel["panelIndex"]
        taken.update(
            (x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])
        )

    assert len({panel["panelIndex"] for panel in panels}) == len(panels)
    assert set(taken.values()) == {1}
    assert {x for x, _ in taken} == set(range(48))


@pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)
def test_each_reference_of_a_dashboard_belongs_to_a_panel_or_a_control(dashboard: Json) -> None:
    owners = {panel["panelIndex"] for panel in panels_of(dashboard)}
    owners |= {
        f"controlGroup_{name}" for name in json.loads(dashboard["attributes"]["controlGroupInput"]["panelsJSON"])
    }

    assert {reference["name"].split(":")[0] for reference in dashboard["references"]} <= owners


@pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)
def test_controls_choose_among_keywords(dashboard: Json) -> None:
    controls = json.loads(dashboard["attributes"]["controlGroupInput"]["panelsJSON"])
    names = {reference["name"] for reference in dashboard["references"]}

    assert sorted(control["order"] for control in controls.values()) == list(range(len(controls)))
    for name, control in controls.items():
        assert control["explicitInput"]["id"] == name
        assert fields_of(dashboard, f"controlGroup_{name}")[control["explicitInput"]["fieldName"]] == "keyword"
        assert f"controlGroup_{name}:optionsListDataView" in names


def chosen(dashboard: str) -> dict[str, list[str]]:
    controls = json.loads(DASHBOARDS[dashboard]["attributes"]["controlGroupInput"]["panelsJSON"])
    inputs = [control["explicitInput"] for control in controls.values()]
    return {one["fieldName"]: one.get("selectedOptions", []) for one in inputs}


def test_market_opens_on_one_source_so_that_no_average_mixes_quotes() -> None:
    assert chosen("crypto-prices-market") == {"source": ["coingecko"], "symbol": [], "quote": [], "asset_id": []}


def test_volatility_opens_on_one_source_as_well() -> None:
    """Every source sends change_24h."""
    assert chosen("crypto-prices-volatility") == chosen("crypto-prices-market")


def test_pipeline_hides_nothing_from_the_start() -> None:
    assert not any(chosen("crypto-prices-pipeline").values())


def test_a_panel_by_reference_names_its_object() -> None:
    dashboard = DASHBOARDS["crypto-prices-pipeline"]
    (panel,) = [panel for panel in panels_of(dashboard) if panel["type"] == "search"]
    named = {reference["name"]: reference for reference in dashboard["references"]}

    assert named[f"{panel['panelIndex']}:{panel['panelRefName']}"]["id"] == "crypto-prices-newest-records"


def test_links_lead_to_dashboards_of_the_file() -> None:
    texts = [
        panel["embeddableConfig"]["savedVis"]["params"]["markdown"]
        for dashboard in DASHBOARDS.values()
        for panel in panels_of(dashboard)
        if panel["type"] == "visualization" and "markdown" in panel["embeddableConfig"]["savedVis"]["params"]
    ]
    linked = {name for text in texts for name in re.findall(r"\(#/view/([^)]+)\)", text)}

    assert linked == set(DASHBOARDS)


# ---- the charts


@pytest.mark.parametrize(("dashboard", "panel"), LENS)
def test_a_chart_asks_a_short_question_and_explains_itself(dashboard: Json, panel: Json) -> None:
    assert "?" in panel["title"]
    assert len(panel["title"]) <= 40
    assert panel["embeddableConfig"]["attributes"]["description"]


@pytest.mark.parametrize(("dashboard", "panel"), LENS)
def test_a_charts_data_view_is_named_twice_alike(dashboard: Json, panel: Json) -> None:
    """Kibana takes from the dashboard only the references that the panel names as well."""
    (inner,) = panel["embeddableConfig"]["attributes"]["references"]
    outer = {reference["name"]: reference for reference in dashboard["references"]}

    assert outer[f"{panel['panelIndex']}:{inner['name']}"]["id"] == inner["id"]
    assert inner["id"] in VIEWS
    assert inner["name"] == f"indexpattern-datasource-layer-{panel['panelIndex']}"


@pytest.mark.parametrize(("dashboard", "panel"), LENS)
def test_a_chart_computes_from_fields_of_a_fitting_type(dashboard: Json, panel: Json) -> None:
    for column in computed(panel):
        operation = column["operationType"]
        if operation == "count":
            assert column["sourceField"] == "___records___"
        elif operation == "filters":
            assert "sourceField" not in column
        else:
            assert fields_of(dashboard, panel["panelIndex"])[column["sourceField"]] in TAKES[operation]
        if operation == "last_value":
            assert fields_of(dashboard, panel["panelIndex"])[column["params"]["sortField"]] == "date"


@pytest.mark.parametrize("one", OBJECTS, ids=lambda one: one["id"])
def test_kql_names_fields_that_exist(one: Json) -> None:
    inner = [json.loads(value) for value in one["attributes"].values() if isinstance(value, str) and value[:1] in "[{"]

    named = {name for query in queries(inner) for name in re.findall(r"([A-Za-z_][\w.]*)\s*(?::|[<>]=?)", query)}

    assert named <= set(fields_of(one))


@pytest.mark.parametrize(("dashboard", "panel"), LENS)
def test_a_charts_columns_are_ordered_buckets_first_and_all_drawn(dashboard: Json, panel: Json) -> None:
    layer = layer_of(panel)
    columns, order = layer["columns"], layer["columnOrder"]
    buckets = [columns[name]["isBucketed"] for name in order]
    drawing = panel["embeddableConfig"]["attributes"]["state"]["visualization"]

    assert sorted(order) == sorted(columns)
    assert buckets == sorted(buckets, reverse=True)
    assert not all(buckets)
    for name in columns:
        assert json.dumps(name) in json.dumps(drawing)


@pytest.mark.parametrize(("dashboard", "panel"), LENS)
def test_values_are_ranked_by_what_elasticsearch_can_order(dashboard: Json, panel: Json) -> None:
    columns = layer_of(panel)["columns"]
    for column in columns.values():
        if column["operationType"] == "terms":
            order = column["params"]["orderBy"]
            by = columns[order["columnId"]] if order["type"] == "column" else column["params"].get("orderAgg")
            assert by is None or by["operationType"] in {"average", "max", "last_value"}
            assert by is None or by["dataType"] == "number"


@pytest.mark.parametrize(("dashboard", "panel"), LENS)
def test_a_split_over_time_is_chosen_over_the_whole_time(dashboard: Json, panel: Json) -> None:
    operations = [layer_of(panel)["columns"][name]["operationType"] for name in layer_of(panel)["columnOrder"]]

    if {"terms", "date_histogram"} <= set(operations):
        assert operations.index("terms") < operations.index("date_histogram")


@pytest.mark.parametrize(("dashboard", "panel"), LENS)
def test_no_chart_stands_on_a_formula(dashboard: Json, panel: Json) -> None:
    assert not {column["operationType"] for column in computed(panel)} & {"formula", "math"}


def grouped(panel: Json) -> set[str]:
    """The fields that a panel's groups are told apart by."""
    terms = [column for column in layer_of(panel)["columns"].values() if column["operationType"] == "terms"]
    return {field for one in terms for field in (one["sourceField"], *one["params"].get("secondaryFields", []))}


@pytest.mark.parametrize(("dashboard", "panel"), LENS)
def test_nothing_mixes_sources_and_no_average_of_prices_mixes_quotes(dashboard: Json, panel: Json) -> None:
    """BTCUSDT is another thing at each source, and every source sends change_24h. Also where no source is chosen."""
    by = grouped(panel)
    of_none = {"crypto-alerts": {"rule", "severity"}, "crypto-usage": {"team", "path"}}  # what is of no one source
    (view,) = views_of(dashboard, panel["panelIndex"])
    assert by & of_none.get(view, {"source"}) or not by
    mixing = {"average", "median", "percentile", "standard_deviation"}
    of_prices = {
        column["sourceField"] for column in computed(panel) if column["operationType"] in mixing
    } - {"fetch_delay_ms"}  # fmt: skip
    assert not of_prices or "quote" in by


@pytest.mark.parametrize(("dashboard", "panel"), LENS)
def test_a_group_of_several_fields_is_as_lens_stores_it(dashboard: Json, panel: Json) -> None:
    for column in layer_of(panel)["columns"].values():
        if column["operationType"] == "terms":
            several = column["params"].get("secondaryFields", [])
            assert column["params"]["parentFormat"]["id"] == ("multi_terms" if several else "terms")
            assert all(fields_of(dashboard, panel["panelIndex"])[field] == "keyword" for field in several)


WHOLE = {"long", "integer"}


def formats_of_numbers() -> Iterator[tuple[str, str, Json]]:
    """(where, field, format): of the data view, and of columns that have one of their own."""
    for field, shown in json.loads(OBJECTS[0]["attributes"]["fieldFormatMap"]).items():
        yield "data view", field, shown
    for dashboard, panel in (one.values for one in LENS):
        if views_of(dashboard, panel["panelIndex"]) != {"crypto-prices"}:
            continue
        for column in layer_of(panel)["columns"].values():
            if "format" in column["params"]:
                yield panel["panelIndex"], column["sourceField"], column["params"]["format"]


def test_small_numbers_get_no_commas() -> None:
    """Kibana's numeral library makes "1.2,345e-7" of 1.2345e-7, with every pattern that has a thousands separator."""
    for where, field, shown in formats_of_numbers():
        if FIELDS[field] not in WHOLE and shown["id"] in ("number", "percent"):
            assert where == "data view", f"{where}: Lens's own format of {field} sets commas"
            assert "," not in shown["params"]["pattern"], field


# ---- the builders refuse what would not draw


def test_a_field_that_the_mapping_lacks_cannot_be_used() -> None:
    with pytest.raises(KeyError):
        average("prise", "Price")


def test_bars_get_no_logarithmic_axis() -> None:
    with pytest.raises(ValueError, match="logarithmic"):
        xy("bar", x=top("symbol", 10, "Symbol"), y=[records("Records")], log=True)


def test_a_row_that_does_not_fill_the_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="48"):
        Row(4, [note("a", ""), note("b", "")], widths=[20, 20]).placed(0)


def test_time_steps_keep_their_gaps() -> None:
    assert over_time().spec()["params"]["includeEmptyRows"] is True


# ---- the drawings

DRAWN = [
    pytest.param(json.loads(shown["params"]["spec"]), id=panel["panelIndex"])
    for dashboard in DASHBOARDS.values()
    for panel in panels_of(dashboard)
    if (shown := panel["embeddableConfig"].get("savedVis", {})).get("type") == "vega"
]


@pytest.mark.parametrize("spec", DRAWN)
def test_a_drawing_obeys_the_dashboard_and_asks_for_fields_that_exist(spec: Json) -> None:
    url = spec["data"]["url"]
    fields = VIEWS[url["index"]]

    assert (url["%context%"], fields[url["%timefield%"]]) == (True, "date")
    assert set(url["body"]["_source"]) <= set(fields)
    made = [each["as"] for each in spec["transform"] if "as" in each]
    calculated = {name for each in made for name in ([each] if isinstance(each, str) else each)}
    drawn = set(re.findall(r'"field": "(\w+)"', json.dumps(spec)))
    assert drawn <= calculated
    named = {name for each in spec["transform"] for name in re.findall(r"_source\.(\w+)", each.get("calculate", ""))}
    assert named == set(url["body"]["_source"])


def test_a_panel_refuses_a_field_of_another_dataset() -> None:
    with pytest.raises(KeyError):
        question(
            "now",
            "?",
            tiles(top("source", 1, "Source"), last("open", "Open"), beside=last("price", "Price")),
            help_text="",
        )
