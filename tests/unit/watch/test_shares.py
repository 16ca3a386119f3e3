"""The place in the group of those that watch."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from kafka.structs import MemberState

from cryptoproxy.common.service import Health, Loop
from cryptoproxy.common.settings import Settings
from cryptoproxy.watch.sharing.shares import Shares
from tests.conftest import PATIENCE, wait_until


class Member:
    """Of a topic with two partitions."""

    def __init__(self) -> None:
        self.polls = 0
        self.closed = threading.Event()
        self.rejoins = 0
        self._coordinator = SimpleNamespace(rejoining=False, request_rejoin=self._rejoin)

    def _rejoin(self) -> None:
        self.rejoins += 1

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {0, 1}

    def subscribe(self, topics: list[str]) -> None: ...

    def poll(self, timeout_ms: int) -> dict[Any, Any]:
        self.polls += 1
        return {}

    def assignment(self) -> set[Any]:
        return set()

    def pause(self, *_: Any) -> None: ...

    def group_metadata(self) -> Any:
        return SimpleNamespace(state=MemberState.STABLE)

    def close(self, **_: Any) -> None:
        self.closed.set()


def test_at_a_stop_it_leaves_when_what_it_knows_of_its_shares_is_kept() -> None:
    member, stop = Member(), threading.Event()
    shares = Shares(Settings.from_texts({}).kafka, lambda **_: member, Health())
    thread = threading.Thread(target=shares.run, args=(Loop("shares", stop),), daemon=True)
    thread.start()
    wait_until(lambda: member.polls)
    stop.set()
    polls = member.polls
    wait_until(lambda: member.polls > polls + 2 or member.closed.is_set())
    assert not member.closed.is_set()
    shares.kept.set()
    thread.join(PATIENCE)
    assert member.closed.is_set()
