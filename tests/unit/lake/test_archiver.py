"""What archives a topic by itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from cryptoproxy.common.service import Health
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import ALERT
from cryptoproxy.lake.archiver import TopicArchiver


@pytest.mark.parametrize("rejoining", [False, True])
def test_a_join_that_is_under_way_is_seen_through(rejoining: bool) -> None:
    """kafka-python may forget it between two polls, and would then neither join nor read any more."""
    calls: list[str] = []
    consumer = SimpleNamespace(
        subscribe=lambda topics: None,
        poll=lambda timeout_ms: calls.append("poll") or {},
        _coordinator=SimpleNamespace(rejoining=rejoining, request_rejoin=lambda: calls.append("rejoin")),
    )
    archiver = TopicArchiver(
        kafka=Settings.from_texts({}).kafka, dataset=ALERT, store=cast("Any", None), connect=lambda **_: consumer,
        seconds=1, health=Health(),
    )  # fmt: skip
    archiver._turn()
    assert calls == (["rejoin", "poll"] if rejoining else ["poll"])
