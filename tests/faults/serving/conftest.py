"""The world of the indexing half, with a door over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cryptoproxy.engines.ports import free_ports
from tests.faults.indexing.conftest import elasticsearch, rig
from tests.faults.indexing.rig import IndexerRig
from tests.faults.process import PollerProcess

__all__ = ["elasticsearch", "rig"]


class Door(PollerProcess):
    module = "cryptoproxy.serve"


class Doors:
    """Made one after the other, all at one port."""

    def __init__(self, rig: IndexerRig, folder: Path) -> None:
        [port] = free_ports(1)
        self._rig, self._folder = rig, folder
        self._texts = {
            "SERVE_PORT": str(port),
            "PYTHON_SERVE_SERVER_PORT": "0",
            "READ_THROUGH_DIR": str(folder / "read-through"),
        }
        self.url = f"http://127.0.0.1:{port}"
        self.made: list[Door] = []

    def __call__(self) -> Door:
        door = Door(f"door-{len(self.made)}", self._folder, self._rig.texts | self._texts)
        self.made.append(door)
        return door


@pytest.fixture
def doors(rig: IndexerRig, tmp_path: Path) -> Iterator[Callable[[], Door]]:
    made = Doors(rig, tmp_path)
    yield made
    for door in made.made:
        door.close()
        print(f"--- {door.name}\n{door.log[-4000:]}")  # pytest shows it where the case has failed
