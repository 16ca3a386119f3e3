"""Learned scores: a shock stands out, a restart changes nothing, a forest says what numpy says of it."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import msgspec
import numpy as np
import pytest

from benchmarks.anomalies import isolation, rows_of
from cryptoproxy.errors import OperatorError
from cryptoproxy.models.registry import Registry
from cryptoproxy.models.trees import ARRAYS, anomaly, expected_depth
from cryptoproxy.watch.figures.learned import FEATURES, FORESTS, Asked, HalfSpaces, Isolation, Recent
from cryptoproxy.watch.rulebook.forests import bring
from cryptoproxy.watch.rulebook.reading import parse
from tests.unit.watch.test_judge import MINUTE_MS

SAMPLES = 256


def calm(seed: int, count: int) -> list[float]:
    dice, at, values = random.Random(seed), math.log(100), []
    for _ in range(count):
        at += dice.gauss(0, 0.001)
        values.append(math.exp(at))
    return values


@pytest.fixture(scope="module")
def forest() -> Any:
    return isolation(rows_of(calm(1, 1_000)), random.Random(2), trees=20, samples=SAMPLES)


@pytest.fixture
def asked(forest: Any) -> Asked:
    made = Asked("v", [getattr(forest, each).tolist() for each in ARRAYS], expected_depth(SAMPLES))
    FORESTS["calm", "v"] = made
    return made


def made(name: str) -> Any:
    return HalfSpaces(200) if name == "half-spaces" else Isolation("calm", "v")


@pytest.mark.parametrize("name", ["half-spaces", "isolation"])
def test_a_shock_stands_out_and_says_why(name: str, asked: Asked) -> None:
    gauge, values = made(name), calm(3, 700)
    scores = [gauge.take(i * MINUTE_MS, value) for i, value in enumerate(values)]
    known = sorted(each for each in scores if not math.isnan(each))
    assert len(known) > 400
    shock = gauge.take(700 * MINUTE_MS, values[-1] * 1.02)
    assert known[len(known) * 99 // 100] < shock <= 1.0
    assert gauge.why.startswith("a move of ")
    assert gauge.why.endswith(" sigma in a minute")
    assert gauge.normal == pytest.approx(known[len(known) // 2], abs=0.2)


@pytest.mark.parametrize("name", ["half-spaces", "isolation"])
def test_a_restart_changes_no_score(name: str, asked: Asked) -> None:
    whole, before, after = made(name), made(name), made(name)
    values = calm(4, 600)
    expected = [whole.take(i * MINUTE_MS, value) for i, value in enumerate(values)]
    found = [before.take(i * MINUTE_MS, value) for i, value in enumerate(values[:333])]
    after.load(msgspec.msgpack.decode(msgspec.msgpack.encode(before.dump())))
    found += [after.take((333 + i) * MINUTE_MS, value) for i, value in enumerate(values[333:])]
    assert str(found) == str(expected)


def test_between_two_minutes_nothing_is_said_and_after_a_hole_it_begins_anew() -> None:
    recent = Recent()
    rows = [recent.take(i * MINUTE_MS, value) for i, value in enumerate(calm(5, 100))]
    assert rows[-1] is not None
    assert recent.take(99 * MINUTE_MS + 10, 1.0) is None
    after = [recent.take((110 + i) * MINUTE_MS, value) for i, value in enumerate(calm(6, 30))]
    assert [each is None for each in after] == [True] * 5 + [False] * 25


def test_a_forest_says_row_by_row_what_numpy_says_of_all(forest: Any, asked: Asked) -> None:
    rows = rows_of(calm(7, 200))
    expected = anomaly(forest, np.array(rows, dtype=np.float32), SAMPLES)
    assert [asked.score(row) for row in rows] == pytest.approx(list(expected))


class Objects:
    """A bucket in memory."""

    def __init__(self) -> None:
        self.settings = msgspec.defstruct("Settings", [("prefix", str)])("lake")
        self.held: dict[str, bytes] = {}

    def put(self, name: str, body: bytes) -> None:
        self.held[name] = body

    def get(self, name: str) -> bytes:
        return self.held[name]

    def keys(self, begin: str) -> list[str]:
        return sorted(each for each in self.held if each.startswith(begin))


RULE = "rules: {r: {when: {forest-score: 0.7, model: minutes}}}"


def test_a_rule_asks_the_version_that_is_live_and_none_of_other_features(forest: Any) -> None:
    store: Any = Objects()
    registry = Registry(store)

    def add(features: list[str], now_ms: int) -> str:
        about = registry.add(
            "minutes", forest, features=features, begin_ms=0, end_ms=1, rows=1_000, metrics={},
            settings={"samples": SAMPLES}, now_ms=now_ms,
        )  # fmt: skip
        registry.promote("minutes", about.version, why="a test", now_ms=now_ms)
        return about.version

    with pytest.raises(OperatorError, match="no version of the model minutes is live"):
        bring(parse(RULE), lambda: registry)
    version = add(list(FEATURES), 1_000)
    bring(parse(RULE), lambda: registry)
    assert FORESTS["minutes", "live"].version == version
    add(["other"], 2_000_000)
    with pytest.raises(OperatorError):
        bring(parse(RULE), lambda: registry)
    (name,) = [each for each in store.held if each.endswith("model.npz") and version in each]
    store.held[name] += b" "
    with pytest.raises(OperatorError, match="is not what was stored"):
        bring(parse(RULE.replace("minutes}", f"minutes, version: {version}}}")), lambda: registry)
    assert json.loads(store.held[name.replace("model.npz", "about.json")])["features"] == list(FEATURES)
