"""Set-up of an index beside another set-up; all else of it is tried on a real Elasticsearch."""

from __future__ import annotations

from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import BadRequestError

from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.index import template


@pytest.mark.parametrize("kind", ["resource_already_exists_exception", "illegal_argument_exception"])
def test_an_index_that_somebody_else_makes_between_look_and_making_is_there(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    meta = ApiResponseMeta(400, "1.1", HttpHeaders(), 0.0, NodeConfig("http", "localhost", 9200))

    def create(**_: Any) -> None:
        raise BadRequestError(kind, meta, {"error": {"type": kind}})

    indices = SimpleNamespace(put_index_template=lambda **_: None, exists=lambda **_: False, create=create)
    monkeypatch.setattr(template, "refuse_an_index_named_like_the_alias", lambda *_: None)
    monkeypatch.setattr(template, "_stored_template", lambda *_: None)
    client: Any = SimpleNamespace(indices=indices)
    words = template.set_up(client, Settings.from_texts({}).elasticsearch, now="2026-11-01T00:00:00.000Z")
    if kind == "resource_already_exists_exception":
        assert list(islice(words, 2))[1] == "index crypto-prices-2026.11.01: there already"
    else:
        with pytest.raises(BadRequestError):
            list(words)
