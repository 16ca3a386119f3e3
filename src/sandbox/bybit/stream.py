"""Bybit's public WebSockets v5, one address per product: subscriptions, heartbeats, refusals.

An acknowledgement comes after the first data of its topics, as recorded. One topic that is not known refuses the whole
request, with the name of that topic.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable

from cryptoproxy.sandbox.bybit.instruments import CATEGORIES
from cryptoproxy.sandbox.streams.feed import Feed
from cryptoproxy.sandbox.streams.session import Chosen, Habits, Reply, Session
from cryptoproxy.sandbox.upstream import Hidden, dump

PATH = "/v5/public/"
MOST_ARGS, MOST_TEXT = 10, 21_000
"""Topics of one request on spot; characters of ``args`` everywhere."""


def category(path: str) -> str | None:
    """The product of a WebSocket's address, None where it is none."""
    name = path.removeprefix(PATH)
    return name if path.startswith(PATH) and name in CATEGORIES else None


class BybitSession(Session):
    """Args:
    find: the feed of a topic, None where there is none.
    ack_ms: an acknowledgement waits so long.
    """

    def __init__(
        self,
        product: str,
        find: Callable[[str], Feed | None],
        chosen: Chosen,
        *,
        habits: Habits,
        ack_ms: int,
        hidden: Hidden,
    ) -> None:
        super().__init__(chosen)
        self.habits = habits
        self._product, self._find, self._ack_ms, self._hidden = product, find, ack_ms, hidden
        self._topics: set[str] = set()
        self._id = str(uuid.uuid4())

    def hear(self, message: bytes) -> list[Reply]:
        try:
            asked: object = json.loads(message)
        except ValueError:
            asked = None
        if not isinstance(asked, dict):
            return [self._reply(asked, "", "Request parsing error", success=False)]
        op, args = asked.get("op"), asked.get("args", [])
        if op == "ping":
            return [self._reply(asked, "ping", "pong")]
        if op not in ("subscribe", "unsubscribe") or not _topics(args):
            return [self._reply(asked, str(op or ""), "Params Error", success=False)]
        refused = self._subscribe(args) if op == "subscribe" else self._unsubscribe(args)
        if refused:
            return [self._reply(asked, op, refused, success=False)]
        done = self._reply(asked, op, op if self._product == "spot" else "")
        return [done._replace(after_ms=self._ack_ms if op == "subscribe" else 0)]

    def hide(self, topic: str, first: int, last: int) -> None:
        kind, _, symbol = topic.rpartition(".")
        if kind == "publicTrade":
            self._hidden.add(f"bybit/{self._product}/{symbol}", first, last)

    def _subscribe(self, args: list[str]) -> str:
        """Why not; empty where all are subscribed to."""
        if self._product == "spot" and len(args) > MOST_ARGS:
            return "args size >10"
        if sum(map(len, args)) > MOST_TEXT:
            return "args length too long"
        found: dict[str, Feed | None] = {}
        for topic in args:
            chosen = self.chosen(topic)
            feed = self._find(topic)
            if feed is None or chosen == "refuse":
                return f"error:handler not found,topic:{topic}"
            if topic in self._topics:
                return f"error:already subscribed,topic:{topic}"
            found[topic] = None if chosen == "ignore" else feed
        self._topics |= set(found)
        self.feeds |= {topic: feed for topic, feed in found.items() if feed is not None}
        return ""

    def _unsubscribe(self, args: list[str]) -> str:
        for topic in args:
            self._topics.discard(topic)
            self.feeds.pop(topic, None)
        return ""

    def _reply(self, asked: object, op: str, text: str, *, success: bool = True) -> Reply:
        """Spot repeats ``req_id`` only where there was one."""
        given = asked.get("req_id") if isinstance(asked, dict) else None
        named = {"req_id": given or ""} if given or self._product != "spot" else {}
        return Reply(dump({"success": success, "ret_msg": text, "conn_id": self._id, **named, "op": op}))


def _topics(args: object) -> bool:
    return isinstance(args, list) and bool(args) and all(isinstance(topic, str) for topic in args)
