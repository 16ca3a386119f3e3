from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from cryptoproxy.sandbox import Sandbox

RECORDED = Path(__file__).parents[2] / "fixtures" / "recorded"
NOW_MS = 1_795_253_400_123  # 2026-11-21 09:30:00.123 UTC


class HandClock:
    """Stands still until turned."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000

    def turn(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture
def sandbox(clock: HandClock) -> Iterator[Sandbox]:
    with Sandbox(coins=120, clock=clock) as box:
        yield box


@pytest.fixture(scope="package")
def market() -> Iterator[Sandbox]:
    """The whole market at one moment: to look at, not to turn."""
    with Sandbox(coins=1000, clock=HandClock()) as box:
        yield box


@pytest.fixture
def recorded() -> Callable[[str], bytes]:
    return lambda name: (RECORDED / name).read_bytes()


@pytest.fixture
def recorded_json() -> Callable[[str], Any]:
    return lambda name: json.loads((RECORDED / name).read_bytes())


@pytest.fixture
def recorded_path() -> Path:
    return RECORDED
