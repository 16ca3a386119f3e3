"""What `jobs/models/choice.py` makes live: only what is better than what is live now."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.lake.store import Store
from cryptoproxy.models.registry import About, OfAsset, Registry
from tests.unit.lake.conftest import bucket, make_store, store
from tests.unit.models.test_registry import FEATURES, NOW, forest

__all__ = ["bucket", "make_store", "store"]
NAME = "anomaly-1h"


@pytest.fixture
def choice() -> Any:
    file = Path(__file__).parents[3] / "jobs" / "models" / "choice.py"
    spec = importlib.util.spec_from_file_location("choice", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def add(registry: Registry, leaf: float, share: float, at_ms: int) -> About:
    return kept(registry, NAME, {"share": 0.002, "share_held_out": share}, leaf, at_ms)


def kept(registry: Registry, name: str, metrics: Mapping[str, float], leaf: float = 1.0, at_ms: int = NOW) -> About:
    return registry.add(
        name, forest(leaf), features=FEATURES, begin_ms=0, end_ms=1, rows=1, metrics=dict(metrics), now_ms=at_ms
    )


def test_the_newest_is_made_live_if_it_is_better_and_only_once(store: Store, choice: Any) -> None:
    registry = Registry(store)
    with pytest.raises(SystemExit, match="train one first"):
        choice.decide(registry, NAME, now_ms=NOW)
    worse = add(registry, 1.0, 0.0041, NOW)
    assert "kept, not promoted (0.4100% of the held-out bars" in choice.decide(registry, NAME, now_ms=NOW)
    assert registry.live(NAME) is None
    good = add(registry, 2.0, 0.004, NOW + 60_000)
    assert "promoted (0.4000% of the held-out bars" in choice.decide(registry, NAME, now_ms=NOW + 60_000)
    assert registry.live(NAME) == good.version != worse.version
    assert "live already" in choice.decide(registry, NAME, now_ms=NOW + 60_000)
    assert registry.names() == [NAME]


def test_what_was_held_against_another_version_than_is_live_now_is_kept(store: Store, choice: Any) -> None:
    registry = Registry(store)
    first = add(registry, 1.0, 0.002, NOW)
    second = add(registry, 2.0, 0.001, NOW + 60_000)
    registry.promote(NAME, first.version, why="by hand", now_ms=NOW + 120_000)
    assert second.beside == ""
    said = choice.decide(registry, NAME, now_ms=NOW + 180_000)
    assert f"held against none, and {first.version} is live now" in said
    assert registry.live(NAME) == first.version


def test_a_model_that_nobody_trains_is_refused_by_its_name(store: Store, choice: Any) -> None:
    with pytest.raises(SystemExit, match="'directoin-1h'; there are direction-1h"):
        choice.decide(Registry(store), "directoin-1h", now_ms=NOW)


ALONE = {"share": 0.001, "jumps_found": 0.9, "share_held_out": 0.002}
BESIDE = {"live_jumps_found": 0.9, "live_share_held_out": 0.0015}


@pytest.mark.parametrize(
    ("metrics", "better", "words"),
    [
        (ALONE, True, "0.100% were asked for"),
        (ALONE | {"share_held_out": 0.0021}, False, "0.210% of held-out minutes strange, 0.100% were asked for"),
        # Too many strange is too many, whatever is live.
        (ALONE | BESIDE | {"share_held_out": 0.0021, "jumps_found": 1.0}, False, "0.100% were asked for"),
        (ALONE | BESIDE | {"jumps_found": 0.91}, True, "by what is live 90% and 0.150%"),
        (ALONE | BESIDE | {"jumps_found": 0.89, "share_held_out": 0.0001}, False, "89% of the jumps found"),
        # As many jumps: fewer false alarms decide, and what is live stays if it is the same.
        (ALONE | BESIDE | {"share_held_out": 0.0014}, True, "0.140%"),
        (ALONE | BESIDE | {"share_held_out": 0.0015}, False, "0.150%"),
        (ALONE | BESIDE, False, "0.200%"),
        # What is live calls too many strange by now.
        (ALONE | {"jumps_found": 0.5, "live_jumps_found": 1.0, "live_share_held_out": 0.0021}, True, "100% and 0.210%"),
    ],
)
def test_a_model_of_minutes_is_better_by_jumps_then_by_false_alarms(
    store: Store, choice: Any, metrics: Mapping[str, float], better: bool, words: str
) -> None:
    found, why = choice.of_minutes(kept(Registry(store), "minutes", metrics))
    assert found is better
    assert words in why


LOSSES = {"loss": 0.69, "no_change_loss": 0.6931, "walk_forward_loss": 0.6925, "return_after_fees": -0.0004}


@pytest.mark.parametrize(
    ("metrics", "better"),
    [
        (LOSSES, True),
        (LOSSES | {"loss": 0.6931}, False),
        (LOSSES | {"walk_forward_loss": 0.694}, False),  # the last fold was luck
        (LOSSES | {"live_loss": 0.691}, True),
        (LOSSES | {"live_loss": 0.69}, False),
    ],
)
def test_an_asset_s_trees_must_beat_no_change_and_what_is_live(
    choice: Any, metrics: Mapping[str, float], better: bool
) -> None:
    found, words = choice.better(metrics)
    assert found is better
    assert words.endswith("-0.04000% a bar after fees")


def test_a_version_is_made_live_if_it_is_better_for_one_asset(store: Store, choice: Any) -> None:
    registry = Registry(store)

    def made(at_ms: int, **asked: tuple[bool, str]) -> About:
        assets = {
            asset: OfAsset(first=0, count=2, asked=at_work, since=since, metrics=LOSSES)
            for asset, (at_work, since) in asked.items()
        }
        return registry.add(
            "direction-1h", forest(), features=FEATURES, begin_ms=0, end_ms=1, rows=1, metrics={}, assets=assets,
            now_ms=at_ms,
        )  # fmt: skip

    made(NOW, btc=(False, ""))
    said = choice.decide(registry, "direction-1h", now_ms=NOW)
    assert said.endswith("kept, not promoted (better for 0 of 1 assets; 0 keep what is live, 1 have none)")
    first = made(NOW + 60_000, btc=(True, ""), eth=(False, ""))
    assert "promoted (better for 1 of 2 assets" in choice.decide(registry, "direction-1h", now_ms=NOW + 60_000)
    made(NOW + 120_000, btc=(True, first.version), eth=(False, ""))
    said = choice.decide(registry, "direction-1h", now_ms=NOW + 120_000)
    assert said.endswith("kept, not promoted (better for 0 of 2 assets; 1 keep what is live, 1 have none)")
    assert registry.live("direction-1h") == first.version
