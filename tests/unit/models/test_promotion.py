"""What `jobs/models/choice.py` makes live: only what is better than what is live now."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from cryptoproxy.lake.store import Store
from cryptoproxy.models.registry import About, Registry
from tests.unit.lake.conftest import bucket, make_store, store
from tests.unit.models.test_registry import FEATURES, NOW, forest

__all__ = ["bucket", "make_store", "store"]
NAME = "direction-1h"


@pytest.fixture
def choice() -> Any:
    file = Path(__file__).parents[3] / "jobs" / "models" / "choice.py"
    spec = importlib.util.spec_from_file_location("choice", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def add(registry: Registry, leaf: float, loss: float, at_ms: int) -> About:
    return registry.add(
        NAME, forest(leaf), features=FEATURES, begin_ms=0, end_ms=1, rows=1, metrics={"loss": loss}, now_ms=at_ms
    )


def better_than_half(about: About) -> tuple[bool, str]:
    return about.metrics["loss"] < 0.5, f"loss {about.metrics['loss']}"


def test_the_newest_is_made_live_if_it_is_better_and_only_once(store: Store, choice: Any) -> None:
    registry = Registry(store)
    with pytest.raises(SystemExit, match="train one first"):
        choice.decide(registry, NAME, better_than_half, now_ms=NOW)
    worse = add(registry, 1.0, 0.7, NOW)
    assert "kept, not promoted (loss 0.7)" in choice.decide(registry, NAME, better_than_half, now_ms=NOW)
    assert registry.live(NAME) is None
    good = add(registry, 2.0, 0.4, NOW + 60_000)
    assert "promoted (loss 0.4)" in choice.decide(registry, NAME, better_than_half, now_ms=NOW + 60_000)
    assert registry.live(NAME) == good.version != worse.version
    assert "live already" in choice.decide(registry, NAME, better_than_half, now_ms=NOW + 60_000)
    assert registry.names() == [NAME]


def test_what_was_held_against_another_version_than_is_live_now_is_kept(store: Store, choice: Any) -> None:
    registry = Registry(store)
    first = add(registry, 1.0, 0.4, NOW)
    second = add(registry, 2.0, 0.3, NOW + 60_000)
    registry.promote(NAME, first.version, why="by hand", now_ms=NOW + 120_000)
    assert second.beside == ""
    said = choice.decide(registry, NAME, better_than_half, now_ms=NOW + 180_000)
    assert f"held against none, and {first.version} is live now" in said
    assert registry.live(NAME) == first.version
