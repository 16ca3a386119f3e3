"""A small sandbox for what is tried with the poller as a whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cryptoproxy.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(coins=20) as made:
        yield made
