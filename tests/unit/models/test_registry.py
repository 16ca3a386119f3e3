"""Versions of a model: kept whole, loaded only as they were stored, promoted and rolled back."""

from __future__ import annotations

import numpy as np
import pytest

from cryptoproxy.errors import OperatorError
from cryptoproxy.lake.store import MissingObjectError, Store
from cryptoproxy.models.registry import About, OfAsset, Registry
from cryptoproxy.models.trees import Forest, anomaly, expected_depth, from_bytes, joined, probability, together
from tests.unit.lake.conftest import Bucket, bucket, make_store, store

__all__ = ["bucket", "make_store", "store"]
NOW = 1_795_000_000_123
FEATURES = ["a", "b"]


def forest(leaf: float = 1.0) -> Forest:
    """a <= 0.5 → 0, else b <= 2 → leaf, else 5; and a tree that is one leaf."""
    return joined(
        [
            {
                "feature": np.array([0, -1, 1, -1, -1]),
                "threshold": np.array([0.5, 0, 2, 0, 0]),
                "left": np.array([1, -1, 3, -1, -1]),
                "right": np.array([2, -1, 4, -1, -1]),
                "value": np.array([0, 0, 0, leaf, 5.0]),
            },
            {
                "feature": np.array([-1]),
                "threshold": np.array([0.0]),
                "left": np.array([-1]),
                "right": np.array([-1]),
                "value": np.array([10.0]),
            },
        ],
        base=0.25,
        scale=2.0,
    )


def rows() -> np.ndarray:
    return np.array([[0.5, 9], [0.6, 2], [0.6, 2.1]], dtype=np.float32)


def test_a_forest_is_asked_by_numpy_alone() -> None:
    assert forest().total(rows()).tolist() == [20.25, 22.25, 30.25]
    again = from_bytes(forest().to_bytes(), 2)
    assert again.total(rows()).tolist() == [20.25, 22.25, 30.25]
    assert probability(forest(), rows()).min() > 0.5
    assert anomaly(forest(), rows(), 256).tolist() == sorted(anomaly(forest(), rows(), 256), reverse=True)
    assert expected_depth(2) == 1
    assert 10 < expected_depth(256) < 11


@pytest.mark.parametrize("body", [b"", b"\x80\x04K\x01.", forest().to_bytes()[:-30]])
def test_what_is_no_model_is_refused_and_nothing_of_it_is_run(body: bytes) -> None:
    with pytest.raises(OperatorError, match="no model of ours"):
        from_bytes(body, 2)


def test_a_model_of_other_rows_is_refused() -> None:
    with pytest.raises(OperatorError, match="do not fit"):
        from_bytes(forest().to_bytes(), 1)


def test_forests_of_several_assets_are_one_and_each_is_had_again_as_it_was(store: Store) -> None:
    own = {"a:1:x": forest(), "a:2:x": forest(3.0), "a:3:x": forest(4.0)}
    parts = {
        asset: OfAsset(first=2 * number, count=2, asked=number != 1, metrics={}) for number, asset in enumerate(own)
    }
    registry = Registry(store)
    about = registry.add(
        "direction", together(list(own.values())), features=FEATURES, begin_ms=0, end_ms=1, rows=3, metrics={},
        assets=parts, now_ms=NOW,
    )  # fmt: skip
    model = registry.load("direction", about.version)
    for asset in ("a:1:x", "a:3:x"):
        said = model.of(asset)
        assert said is not None
        assert said.total(rows()).tolist() == own[asset].total(rows()).tolist()
    # One that is no better than knowing nothing is not asked, and neither is what nobody has trees of.
    assert model.of("a:2:x") is model.of("a:4:x") is None
    assert together([model.forest.part(2, 2)]).total(rows()).tolist() == own["a:2:x"].total(rows()).tolist()


def test_a_version_that_tells_of_trees_that_it_has_not_is_refused(store: Store) -> None:
    registry = Registry(store)
    about = registry.add(
        "direction", forest(), features=FEATURES, begin_ms=0, end_ms=1, rows=3, metrics={},
        assets={"a:1:x": OfAsset(first=1, count=2, asked=True, metrics={})}, now_ms=NOW,
    )  # fmt: skip
    with pytest.raises(OperatorError, match="other trees than it tells of"):
        registry.load("direction", about.version)


def added(registry: Registry, leaf: float = 1.0, now_ms: int = NOW) -> About:
    return registry.add(
        "direction", forest(leaf), features=FEATURES, begin_ms=0, end_ms=86_400_000, rows=3, metrics={"loss": 0.7},
        now_ms=now_ms,
    )  # fmt: skip


def test_a_version_is_found_with_what_it_was_made_of(store: Store) -> None:
    registry = Registry(store)
    assert registry.versions("direction") == []
    about = added(registry)
    assert registry.versions("direction") == [about]
    assert (about.begin, about.end) == ("1970-01-01T00:00:00.000Z", "1970-01-02T00:00:00.000Z")
    model = registry.load("direction", about.version, features=FEATURES)
    assert model.about == about
    assert model.forest.total(rows()).tolist() == [20.25, 22.25, 30.25]


def test_other_features_and_other_bytes_are_refused(store: Store, bucket: Bucket) -> None:
    registry = Registry(store)
    about = added(registry)
    with pytest.raises(OperatorError, match="wants a, b, not b, a"):
        registry.load("direction", about.version, features=["b", "a"])
    (key,) = [each for each in bucket.objects if each.endswith("model.npz")]
    bucket.objects[key] = forest(2.0).to_bytes()
    with pytest.raises(OperatorError, match="not what was stored"):
        registry.load("direction", about.version)


def test_what_is_live_is_what_was_promoted_last_and_no_rollback_returns_to_what_was_rolled_back(store: Store) -> None:
    registry = Registry(store)
    assert registry.live("direction") is None
    first, second, third = (added(registry, leaf, NOW + 1000 * int(leaf)).version for leaf in (1.0, 2.0, 3.0))
    assert registry.live("direction") is None  # made, but nobody has said so
    for number, version in enumerate((first, second, third)):
        registry.promote("direction", version, why="better", now_ms=NOW + number)
        assert registry.live("direction") == version
    assert registry.rollback("direction", now_ms=NOW + 10) == second
    assert registry.rollback("direction", now_ms=NOW + 11) == first
    assert registry.live("direction") == first
    with pytest.raises(OperatorError, match="no other version"):
        registry.rollback("direction", now_ms=NOW + 12)
    with pytest.raises(MissingObjectError):
        registry.promote("direction", "20261128T030000Z-0123456789ab", why="-", now_ms=NOW + 13)


@pytest.mark.parametrize("name", ["", "../x", "Direction", "a/b"])
def test_a_name_is_no_path(store: Store, name: str) -> None:
    with pytest.raises(OperatorError, match="no name of a model"):
        Registry(store).versions(name)
