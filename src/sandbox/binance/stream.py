"""Binance's WebSockets: topics in the address or by SUBSCRIBE, plain or wrapped with their name.

A symbol or kind that is not known is acknowledged like a good one, and silent. Errors are nested under ``error``, as
clients have seen them, not flat as they are documented.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from urllib.parse import unquote

from cryptoproxy.sandbox.streams.feed import Feed
from cryptoproxy.sandbox.streams.session import Chosen, Habits, Reply, Session
from cryptoproxy.sandbox.upstream import Hidden, dump
from cryptoproxy.sandbox.wire import Request

RAW, COMBINED = "/ws", "/stream"
TOPIC = re.compile(r"^![A-Za-z]+@[\w@]+$|^[^@!\s/]+@[\w@+:\-]+$")
TOO_MANY = 4, "Too many subscriptions"
INVALID_TOPIC = 2, "Invalid request: invalid stream"
LONGEST_ID = 36


def is_stream(path: str) -> bool:
    return path in (RAW, COMBINED) or path.startswith(f"{RAW}/")


class RefusedError(Exception):
    """Code and text of an error."""


class BinanceSession(Session):
    """Args:
    find: the feed of a topic, None where there is none.
    most: topics of one connection.
    """

    def __init__(
        self,
        request: Request,
        find: Callable[[str], Feed | None],
        chosen: Chosen,
        *,
        habits: Habits,
        most: int,
        hidden: Hidden,
    ) -> None:
        super().__init__(chosen)
        self.habits = habits
        self._find, self._most, self._hidden = find, most, hidden
        self._topics: dict[str, None] = {}
        self._combined = request.path == COMBINED
        self._prefixes: dict[str, bytes] = {}
        named = request.params.get("streams", "") if self._combined else unquote(request.path[len(RAW) + 1 :])
        for topic in [topic for topic in named.split("/") if "@" in topic][:most]:
            self._take(topic, self.chosen(topic))

    def hear(self, message: bytes) -> list[Reply]:
        asked: object = None
        try:
            asked = _decoded(message)
            result = self._carried_out(asked)
        except RefusedError as error:
            code, text = error.args
            return [Reply(dump({"error": {"code": code, "msg": text}, "id": _id_of(asked)}))]
        return [Reply(dump({"result": result, "id": _id_of(asked)}))]

    def wrapped(self, topic: str, data: bytes) -> bytes:
        if not self._combined:
            return data
        prefix = self._prefixes.get(topic)
        if prefix is None:
            prefix = self._prefixes[topic] = b'{"stream":%s,"data":' % dump(topic)
        return prefix + data + b"}"

    def hide(self, topic: str, first: int, last: int) -> None:
        """Only aggregate trades have numbers that REST goes by."""
        symbol, _, name = topic.partition("@")
        if name == "aggTrade":
            self._hidden.add(f"binance/{symbol.upper()}", first, last)

    def farewell(self, now_ms: int) -> bytes:
        """Nobody has subscribed to it."""
        return self.wrapped("!serverShutdown", dump({"e": "serverShutdown", "E": now_ms}))

    def _carried_out(self, asked: object) -> object:
        if not isinstance(asked, dict) or "method" not in asked:
            raise RefusedError(2, "Invalid request: missing field `method`")
        given = asked.get("id")
        if not (given is None or isinstance(given, int) or (isinstance(given, str) and len(given) <= LONGEST_ID)):
            raise RefusedError(2, "Invalid request: request ID must be an unsigned integer")
        method, params = asked["method"], asked.get("params", [])
        if method == "LIST_SUBSCRIPTIONS":
            return list(self._topics)
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return self._property(method, params)
        if method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
            raise RefusedError(2, f"Invalid request: unknown variant `{method}`")
        if not isinstance(params, list) or not all(isinstance(topic, str) and TOPIC.match(topic) for topic in params):
            raise RefusedError(*INVALID_TOPIC)
        if method == "UNSUBSCRIBE":
            for topic in params:
                self._topics.pop(topic, None)
                self.feeds.pop(topic, None)
            return None
        if len(self._topics.keys() | set(params)) > self._most:
            raise RefusedError(*TOO_MANY)
        chosen = {topic: self.chosen(topic) for topic in params}
        if "refuse" in chosen.values():
            raise RefusedError(*INVALID_TOPIC)
        for topic in params:
            self._take(topic, chosen[topic])
        return None

    def _take(self, topic: str, chosen: str) -> None:
        if chosen == "refuse":
            return
        self._topics[topic] = None
        feed = None if chosen == "ignore" else self._find(topic)
        if feed is not None:
            self.feeds[topic] = feed

    def _property(self, method: str, params: object) -> object:
        if not isinstance(params, list) or not params or params[0] != "combined":
            raise RefusedError(0, "Unknown property")
        if method == "GET_PROPERTY":
            return self._combined
        if len(params) < 2 or not isinstance(params[1], bool):
            raise RefusedError(1, "Invalid value type: expected Boolean")
        self._combined = params[1]
        return None


def _decoded(message: bytes) -> object:
    try:
        return json.loads(message)
    except ValueError:
        raise RefusedError(3, "Invalid JSON: expected value at line 1 column 1") from None


def _id_of(asked: object) -> object:
    return asked.get("id") if isinstance(asked, dict) else None
