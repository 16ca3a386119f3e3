from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cryptoproxy.producer.outbox import Outbox

SLOT_MS = 1_763_632_800_000
GIB = 1024**3
Open = Callable[..., Outbox]


def content(number: int = 0, *, records: int = 3, size: int = 100) -> bytes:
    """As many lines, told apart by ``number``."""
    return b"".join(b'{"n":%d,"r":%d,"x":"%s"}\n' % (number, record, b"x" * size) for record in range(records))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


@pytest.fixture
def open_outbox(folder: Path) -> Iterator[Open]:
    """Opens the outbox; opened again, as after a crash: what the one before had in memory is gone."""
    opened: list[Outbox] = []

    def open_(max_bytes: int = GIB) -> Outbox:
        if opened:
            opened.pop().close()
        opened.append(Outbox(folder, max_bytes=max_bytes))
        return opened[0]

    yield open_
    for outbox in opened:
        outbox.close()


@pytest.fixture
def outbox(open_outbox: Open) -> Outbox:
    return open_outbox()
