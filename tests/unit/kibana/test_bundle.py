from __future__ import annotations

import json
from pathlib import Path

import pytest

from cryptoproxy.errors import OperatorError
from cryptoproxy.kibana_client import bundle


def test_the_file_is_found_from_the_package() -> None:
    assert bundle.definitions_file().is_file()


def test_what_is_sent_holds_the_objects_of_the_file() -> None:
    path = bundle.definitions_file()

    sent = [json.loads(line) for line in bundle.read(path).body().splitlines()]

    assert sent == [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_fitting_to_nothing_changes_nothing() -> None:
    read = bundle.read(bundle.definitions_file())

    assert bundle.fitted(read) == read


def test_fitting_leaves_other_data_views_and_lists_alone() -> None:
    other = {"type": "index-pattern", "id": "other", "attributes": {"title": "logs"}}
    lists = {"a": {"explicitInput": {"fieldName": "symbol", "selectedOptions": ["BTC"]}}}
    lists["b"] = {"explicitInput": {"fieldName": "source"}}
    board = {"type": "dashboard", "id": "x", "attributes": {"controlGroupInput": {"panelsJSON": json.dumps(lists)}}}
    plain = {"type": "dashboard", "id": "y", "attributes": {"title": "no lists"}}

    fitted = bundle.fitted(bundle.Bundle((other, board, plain)), aliases={"crypto-prices": "mine"}, source="binance")

    assert fitted.objects[0] == other
    assert json.loads(fitted.objects[1]["attributes"]["controlGroupInput"]["panelsJSON"]) == lists
    assert fitted.objects[2] == plain


def test_the_summary_of_an_export_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "export.ndjson"
    path.write_text('{"type":"tag","id":"a","attributes":{}}\n\n{"exportedCount":1}\n')

    assert bundle.read(path).names == (("tag", "a"),)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no saved object"),
        (b'{"exportedCount":0}\n', "no saved object"),
        (b'{"type":"tag","id":"a"}\n{', "line 2, is not JSON"),
        (b"[]\n", "line 1, is no saved object"),
        (b'{"type":"tag"}\n', "line 1, is no saved object"),
        (b"\xff\xfe\n", "cannot be read"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x.ndjson"
    path.write_bytes(content)

    with pytest.raises(OperatorError, match=words):
        bundle.read(path)


def test_a_missing_file_is_told_with_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"python -m kibana\.generate"):
        bundle.read(tmp_path / "none.ndjson")
