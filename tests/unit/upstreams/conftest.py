"""What the tests of the sources share: real answers from ``tests/fixtures/sources``, and a way to make others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cryptoproxy.upstreams.base import IncompleteError, Poll, Response, Source

FIXTURES = Path(__file__).parents[2] / "fixtures" / "sources"

SLOT_MS = 1_763_632_800_000  # 2025-11-20T10:00:00.000Z
FETCHED_AT_MS = SLOT_MS + 321


@pytest.fixture
def recorded() -> Callable[[str], bytes]:
    def load(name: str) -> bytes:
        return (FIXTURES / f"{name}.json").read_bytes()

    return load


@pytest.fixture
def answer(recorded: Callable[[str], bytes]) -> Callable[..., Response]:
    """An answer with a recorded body (by name) or any other (as bytes)."""

    def make(status: int, body: str | bytes = b"", **headers: str) -> Response:
        lower = {name.lower().replace("_", "-"): value for name, value in headers.items()}
        return Response(status, lower, recorded(body) if isinstance(body, str) else body)

    return make


@pytest.fixture
def read() -> Callable[..., Poll]:
    """As the poller does it: what is not whole is asked for once more. Most tests answer fewer coins than asked for."""

    def poll(source: Source, *bodies: bytes) -> Poll:
        try:
            return source.read(bodies, slot_ms=SLOT_MS, fetched_at_ms=FETCHED_AT_MS)
        except IncompleteError:
            return source.read(bodies, slot_ms=SLOT_MS, fetched_at_ms=FETCHED_AT_MS)

    return poll


@pytest.fixture
def reasons() -> Callable[[Poll], list[tuple[str, str]]]:
    """Why which row is none, but for pages that are short."""

    def of(poll: Poll) -> list[tuple[str, str]]:
        return [(row.reason, row.asset_id) for row in poll.rejected if row.reason != "short"]

    return of
