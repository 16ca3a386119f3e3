from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from cryptoproxy.kibana_client import InstallReport, definitions_file, install
from tests.unit.kibana.stand_in import Kibana, running


@dataclass
class HandClock:
    """Time passes only by waiting."""

    seconds: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds


@dataclass
class Installer:
    """``install`` against the stand-in, with its words kept."""

    kibana: Kibana
    clock: HandClock = field(default_factory=HandClock)
    said: list[str] = field(default_factory=list)

    def __call__(self, url: str | None = None, **options: Any) -> InstallReport:
        path = options.pop("path", definitions_file())
        return install(
            url or self.kibana.url,
            path,
            say=self.said.append,
            monotonic=self.clock.monotonic,
            sleep=self.clock.sleep,
            **{"wait_seconds": 60.0, **options},
        )


@pytest.fixture
def kibana() -> Iterator[Kibana]:
    with running(Kibana()) as served:
        yield served


@pytest.fixture
def run(kibana: Kibana) -> Installer:
    return Installer(kibana)
