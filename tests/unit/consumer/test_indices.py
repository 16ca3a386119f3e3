"""Which indices are made, and how many within an hour; the cluster is played."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import elasticsearch
import pytest

from cryptoproxy.common.announcement import VALID_MS, Word, announced
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.index import indices as module
from cryptoproxy.consumer.index.indices import CHECK_SECONDS, HOUR_MS, Indices
from cryptoproxy.consumer.letters.state_topic import Announced
from cryptoproxy.datasets import CANDLE, TICKER, Dataset, from_iso
from cryptoproxy.datasets.documents import mapping
from cryptoproxy.datasets.times import Span
from cryptoproxy.errors import OperatorError

NOW_MS = from_iso("2026-11-30T23:55:00.000Z")
OLD = [f"prices-20{year}.01.01" for year in range(10, 20)]


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now_ms(self) -> int:
        return NOW_MS + int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


class Cluster:
    """By name of an index: when it was made. Its own clock is an hour ahead of the indexer's."""

    def __init__(self, clock: Clock, dataset: Dataset[Any] = TICKER, alias: str = "prices") -> None:
        self._properties, self._alias = mapping.properties(dataset), alias
        self.made: dict[str, int] = {}
        self.entry: dict[str, Any] = {}
        self.looks = 0
        self.may_create = True
        self._clock = clock
        self.cat = SimpleNamespace(health=lambda **_: [{"epoch": str(self.now_ms() // 1000)}])
        self.indices = SimpleNamespace(get=self.get, create=self.create, get_settings=self.get_settings)

    def now_ms(self) -> int:
        return self._clock.now_ms() + HOUR_MS

    def get(self, *, index: str) -> dict[str, Any]:
        self.looks += 1
        if index not in self.made:
            meta: Any = SimpleNamespace(status=404, headers={})
            raise elasticsearch.NotFoundError("no such index", meta, {})
        mappings = {"dynamic": "false", "properties": self._properties}
        return {index: {"mappings": mappings, "aliases": {self._alias: self.entry}}}

    def create(self, *, index: str) -> None:
        if not self.may_create:
            meta: Any = SimpleNamespace(status=403, headers={})
            raise elasticsearch.AuthorizationException("indices:admin/create is unauthorized", meta, {})
        self.made[index] = self.now_ms()

    def get_settings(self, *, index: str, name: str) -> dict[str, Any]:
        assert (index, name) == (f"{self._alias}-*", "index.creation_date")
        return {each: {"settings": {"index": {"creation_date": str(at)}}} for each, at in self.made.items()}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cluster(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(module, "verify", lambda *_: None)
    return Cluster(clock)


def indices_of(clock: Clock, **parts: Any) -> Indices:
    texts = {"ES_INDEX": "prices", "ES_NEW_INDICES_PER_HOUR": "3"}
    return Indices(Settings.from_texts(texts).elasticsearch, TICKER, clock=clock, **parts)


def test_old_periods_get_so_many_indices_within_an_hour_by_whomever_made(clock: Clock, cluster: Any) -> None:
    first = indices_of(clock)
    refused = [name for name in OLD if first.ensure(cluster, {name})]
    assert (list(cluster.made), refused) == (OLD[:3], OLD[3:])
    (why,) = indices_of(clock).ensure(cluster, {OLD[5]}).values()  # another indexer, or a restart
    assert "3 indices were made within the hour" in why
    assert "ES_NEW_INDICES_PER_HOUR" in why
    clock.seconds = 3601
    assert [name for name in OLD if not first.ensure(cluster, {name})] == OLD[:6]


def test_the_periods_of_today_are_made_whatever_else_was(clock: Clock, cluster: Any) -> None:
    """In ten minutes it is another month, and a record of yesterday may come late."""
    cluster.made = dict.fromkeys(OLD, cluster.now_ms())
    assert indices_of(clock).ensure(cluster, {"prices-2026.11.01", "prices-2026.12.01"}) == {}
    assert indices_of(clock).ensure(cluster, {"prices-2026.10.01"}).keys() == {"prices-2026.10.01"}


def test_what_is_there_is_never_refused(clock: Clock, cluster: Any) -> None:
    cluster.made = dict.fromkeys(OLD, cluster.now_ms())
    assert indices_of(clock).ensure(cluster, set(OLD)) == {}


def test_with_the_least_rights_the_first_document_makes_the_index_which_is_then_looked_at(
    clock: Clock, cluster: Any
) -> None:
    """Or a month would not begin for an indexer with the role of docs/security."""
    cluster.may_create = False
    indices = indices_of(clock)
    assert indices.ensure(cluster, {"prices-2026.12.01"}) == {}
    cluster.made["prices-2026.12.01"] = cluster.now_ms()
    cluster.entry = {"filter": {}}
    with pytest.raises(OperatorError, match="filter"):
        indices.ensure(cluster, {"prices-2026.12.01"})


def test_a_history_run_that_is_announced_is_not_bound(clock: Clock, cluster: Any) -> None:
    announced = indices_of(clock, announced=lambda name: name < "prices-2015")
    assert announced.ensure(cluster, set(OLD[:5])) == {}
    assert announced.ensure(cluster, set(OLD)).keys() == set(OLD[5:])


def test_a_refusal_is_looked_at_again_each_minute_only(clock: Clock, cluster: Any) -> None:
    cluster.made = dict.fromkeys(OLD[:3], cluster.now_ms())
    indices = indices_of(clock)
    for _ in range(5):
        assert indices.ensure(cluster, {OLD[7]})
    assert cluster.looks == 1
    clock.seconds = CHECK_SECONDS
    assert indices.ensure(cluster, {OLD[7]})
    assert cluster.looks == 2


@pytest.mark.parametrize("entry", [{"filter": {"term": {"symbol": "BTC"}}}, {"search_routing": "7"}])
def test_an_index_that_its_alias_hides_in_part_is_not_written_to(
    clock: Clock, cluster: Any, entry: dict[str, Any]
) -> None:
    cluster.made["prices-2026.11.01"] = 0
    cluster.entry = entry
    with pytest.raises(OperatorError, match=r"PUT prices-2026\.11\.01/_alias/prices"):
        indices_of(clock).ensure(cluster, {"prices-2026.11.01"})


# --- a history run that was announced


def announcing(clock: Clock, *words: Word) -> Indices:
    state = SimpleNamespace(read=lambda: {word.key.decode(): word.value for word in words if word.value is not None})
    settings = Settings.from_texts({"ES_NEW_INDICES_PER_HOUR": "1"}).elasticsearch
    announced = Announced(state, settings, CANDLE, now_ms=clock.now_ms)  # type: ignore[arg-type]
    return Indices(settings, CANDLE, clock=clock, announced=announced)


SPAN = Span(from_iso("2017-08-01T00:00:00.000Z"), from_iso("2026-11-01T00:00:00.000Z"))
YEARS = [f"crypto-candles-hours-{year}.01.01" for year in range(2017, 2027)]


def candles_of(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(module, "verify", lambda *_: None)
    return Cluster(clock, CANDLE, "crypto-candles")


def test_all_indices_of_an_announced_span_are_made_at_once(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = candles_of(clock, monkeypatch)
    word = announced("binance.candle-1d", "candle", "1d", SPAN, now_ms=NOW_MS)
    assert announcing(clock, word).ensure(cluster, set(YEARS)) == {}
    assert cluster.made.keys() == set(YEARS)


@pytest.mark.parametrize(
    ("word", "names"),
    [
        (announced("binance.candle-1m", "candle", "1m", SPAN, now_ms=NOW_MS), YEARS[:2]),
        (announced("binance.candle-1d", "candle", "1d", SPAN, now_ms=NOW_MS), ["crypto-candles-hours-2016.01.01"]),
        (announced("binance.candle-1d", "candle", "1d", SPAN, now_ms=NOW_MS - VALID_MS), YEARS[:2]),
        (announced("x.ticker", "ticker", "", SPAN, now_ms=NOW_MS), YEARS[:2]),
        (announced("x.candle-9m", "candle", "9m", SPAN, now_ms=NOW_MS), YEARS[:2]),
        (Word(b"history:binance.candle-1d", b"no JSON"), YEARS[:2]),
        (Word(b"history:binance.candle-1d", None), YEARS[:2]),
    ],
    ids=["another part", "beyond the span", "too old", "another dataset", "no such part", "unreadable", "taken back"],
)
def test_what_was_not_announced_is_bound_as_ever(
    word: Word, names: list[str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = candles_of(clock, monkeypatch)
    cluster.made["crypto-candles-hours-2026.01.01"] = cluster.now_ms()
    assert announcing(clock, word).ensure(cluster, set(names)).keys() == set(names)


def test_an_index_of_this_moment_needs_no_word(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = candles_of(clock, monkeypatch)
    now = {"crypto-candles-hours-2026.01.01", "crypto-candles-minutes-2026.11.01", "crypto-candles-seconds-2026.11.30"}
    assert announcing(clock).ensure(cluster, now) == {}
