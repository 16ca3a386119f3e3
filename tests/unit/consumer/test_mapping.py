"""Numbers have a search tree only where a question filters by them."""

from __future__ import annotations

from cryptoproxy.consumer.template import expected_properties
from cryptoproxy.queries.fields import WINDOWS

NUMBERS = ("double", "long", "integer")


def test_what_questions_filter_by_can_be_searched() -> None:
    searched = {change.percent for change in WINDOWS.values()} | {
        change.fraction for change in WINDOWS.values() if change.fraction
    }
    indexed = {name for name, field in expected_properties().items() if field.get("index", True)}
    assert searched <= indexed


def test_no_other_number_but_the_price_costs_a_search_tree() -> None:
    trees = {
        name for name, field in expected_properties().items() if field["type"] in NUMBERS and field.get("index", True)
    }
    assert trees == {"price", "change_1h", "change_24h", "change_7d", "price_1h_pcnt", "price_24h_pcnt"}
