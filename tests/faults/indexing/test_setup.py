"""What a person set up is not as it must be: password, template, mapping, alias."""

from __future__ import annotations

import base64
import json
import time

from cryptoproxy.consumer.index import template
from cryptoproxy.datasets import TICKER, Period, index_name, iso
from cryptoproxy.datasets.documents.mapping import properties
from cryptoproxy.sandbox import FaultProxy
from cryptoproxy.sandbox.server import Peer
from cryptoproxy.sandbox.wire import Request, Response
from tests.faults.conftest import Report
from tests.faults.indexing.rig import IndexerRig

REFUSAL = {"error": {"type": "security_exception", "reason": "unable to authenticate user [indexer]"}, "status": 401}


class Guarded(FaultProxy):
    """Elasticsearch behind a password that can be changed. The server itself knows none here."""

    password = "first"

    def peer(self) -> Peer:
        return _Guard(self, super().peer())


class _Guard:
    def __init__(self, owner: Guarded, inner: Peer) -> None:
        self._owner = owner
        self._inner = inner
        self.abort, self.close = inner.abort, inner.close

    def answer(self, request: Request) -> Response | None:
        right = base64.b64encode(f"indexer:{self._owner.password}".encode()).decode()
        if request.header("authorization") != f"Basic {right}":
            return Response(401, (("Content-Type", "application/json"), ("X-Elastic-Product", "Elasticsearch")),
                          json.dumps(REFUSAL).encode())  # fmt: skip
        return self._inner.answer(request)


def test_401_after_a_changed_password_until_its_file_says_the_new_one(rig: IndexerRig, report: Report) -> None:
    file = rig.folder / "password"
    file.write_text("first\n")
    with Guarded(rig.direct.elasticsearch.url) as guarded:
        indexer = rig.start_indexer(ES_URL_ENDPOINT=guarded.url, ES_USER="indexer", ES_PASSWORD_FILE=str(file))
        rig.feeder.feed(100)
        rig.wait_committed()
        guarded.password = "second"
        rig.feeder.feed(100)
        indexer.wait_reason("401", "ES_USER and ES_PASSWORD")
        assert indexer.lives()
        assert rig.lag() == 100
        file.write_text("second\n")
        since = time.monotonic()
        seconds = rig.recovered(since)
        assert "second" not in indexer.log
        indexer.terminate()
    report(rig.judged(), seconds)


def test_the_template_is_missing(rig: IndexerRig, report: Report) -> None:
    for name in rig.es.indices.get(index=f"{rig.alias}-*"):
        rig.es.indices.delete(index=name)
    rig.es.indices.delete_index_template(name=rig.alias)
    rig.feeder.feed(100)
    indexer = rig.start_indexer()
    indexer.wait_reason("template", "cryptoproxy setup")
    assert not rig.es.indices.exists(index=rig.index), "made with guessed mappings"
    assert rig.lag() == 100
    rig.set_up_index()
    since = time.monotonic()
    seconds = rig.recovered(since)
    report(rig.judged(), seconds)


def test_an_index_with_a_wrong_mapping_is_there_already(rig: IndexerRig, report: Report) -> None:
    """Its good records are not poison: it is the index that cannot take them."""
    old = index_name(rig.alias, iso(1_700_000_000_000), Period.MONTH)
    rig.es.indices.delete_index_template(name=rig.alias)
    rig.es.indices.create(index=old, mappings={"properties": {"name": {"type": "long"}}}, aliases={rig.alias: {}})
    assert any("another mapping" in word for word in rig.set_up_index())
    rig.feeder.feed(100, slot_ms=1_700_000_000_000)
    indexer = rig.start_indexer()
    indexer.wait_reason(old, "another mapping than the template", "docs/migration.md")
    assert rig.lag() == 100
    rig.es.indices.delete(index=old)
    since = time.monotonic()
    seconds = rig.recovered(since)
    assert template.wrong_mapping(rig.es.indices.get_mapping(index=old)[old]["mappings"], properties(TICKER)) is None
    report(rig.judged(), seconds)


def test_a_field_that_somebody_else_mapped_makes_no_dead_letters(rig: IndexerRig, report: Report) -> None:
    """The record is good: an unknown field is allowed. It is the index that cannot take it."""
    indexer = rig.start_indexer()
    rig.feeder.feed(10, partition=0)
    rig.wait_committed()
    rig.es.indices.put_mapping(index=rig.index, properties={"extra": {"type": "long"}})
    name, value = next(iter(rig.feeder.fed.items()))
    name, value = (
        name.replace("coin-0", "coin-extra"),
        value.replace(b"coin-0", b"coin-extra")[:-1] + b',"extra":"text"}',
    )
    rig.feeder.feed_raw(name, value)
    indexer.wait_reason("maps extra, which the template does not")
    assert rig.lag() == 1
    rig.destroyed = rig.feeder.fed.keys() - {name}
    rig.es.indices.delete(index=rig.index)
    since = time.monotonic()
    seconds = rig.recovered(since)
    report(rig.judged(), seconds)


def test_an_index_has_the_name_of_the_alias(rig: IndexerRig, report: Report) -> None:
    for name in rig.es.indices.get(index=f"{rig.alias}-*"):
        rig.es.indices.delete(index=name)
    rig.es.indices.create(index=rig.alias)
    rig.feeder.feed(50)
    indexer = rig.start_indexer()
    indexer.wait_reason(f"'{rig.alias}' is an index of its own", "docs/migration.md")
    assert rig.lag() == 50
    rig.es.indices.delete(index=rig.alias)
    since = time.monotonic()
    seconds = rig.recovered(since)
    report(rig.judged(), seconds)


def test_an_older_index_is_closed_then_somebody_else_s_has_the_alias(rig: IndexerRig, report: Report) -> None:
    """Nothing is written to either, so only a look at the alias tells what readers see."""
    old, foreign = index_name(rig.alias, iso(1_700_000_000_000), Period.MONTH), f"somebodys-{rig.alias}"
    rig.es.indices.create(index=old)
    rig.es.indices.close(index=old)
    indexer = rig.start_indexer()
    indexer.wait_reason(f"index {old} is closed", f"POST {old}/_open")
    rig.es.indices.create(index=foreign, aliases={rig.alias: {}})
    try:
        indexer.wait_reason(f"index {foreign} is none of ours", f"DELETE {foreign}/_alias/{rig.alias}")
        rig.feeder.feed(50)
        rig.wait_committed()  # what can be written is
    finally:
        rig.es.indices.delete(index=foreign)
    rig.es.indices.open(index=old)
    since = time.monotonic()
    seconds = rig.recovered(since)
    report(rig.judged(), seconds)
