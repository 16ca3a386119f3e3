"""Binance's WebSockets below ``/binance``: ``/ws``, ``/ws/<topic>``, ``/stream?streams=<topic>/<topic>``; on each of
them SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS.

| topic | from |
|---|---|
| ``<s>@aggTrade`` | trades |
| ``<s>@kline_<i>`` | closed bars; of symbols that are live all frames as they came |
| ``<s>@miniTicker``, ``!miniTicker@arr`` | tickers |
| ``<s>@ticker`` | the polls' answers |
| ``<s>@bookTicker``, ``<s>@depth5``, ``10``, ``20`` | books, at their slots |
| ``<s>@depth``, ``<s>@depth@100ms`` | changes of books as they came, of symbols that are live |

What is not carried is refused, at the address and by SUBSCRIBE: Binance itself would say nothing, for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.serve.streams.hub import Hub
from cryptoproxy.serve.streams.wire import Wire
from cryptoproxy.upstreams.binance.candles import BinanceCandles
from cryptoproxy.upstreams.binance.tickers import NAME

MOST_TOPICS = 1024
LONGEST_ID = 36
ALL_MINI = ("!miniTicker@arr", "!miniTicker@arr@1000ms", "!miniTicker@arr@3000ms")
DIFFS = ("depth", "depth@100ms", "depth@1000ms")
LEVELS = (5, 10, 20)
PARTIAL = {f"depth{count}{every}": count for count in LEVELS for every in ("", "@100ms", "@1000ms")}
_INTERVALS = {theirs: ours for ours, theirs in BinanceCandles.intervals.items()}
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_CONNECTION = re.compile(r"\d{0,6}")
"""ccxt numbers its connections where a topic could stand."""


class Kind(NamedTuple):
    """What a topic is made of: records of a dataset, ``live`` frames, or the ``answers`` of polls."""

    dataset: str
    symbol: str


def kind_of(topic: str) -> Kind | None:
    """None of a topic that is none, or of a kind that the road does not carry."""
    if topic in ALL_MINI:
        return Kind("ticker", "")
    symbol, _, name = topic.partition("@")
    if not symbol or symbol != symbol.lower():
        return None
    symbol = symbol.upper()
    if name.startswith("kline_"):
        interval = _INTERVALS.get(name.removeprefix("kline_"))
        return Kind(f"candle-{interval}", symbol) if interval else None
    if name in DIFFS:
        return Kind("live", symbol)
    if name in PARTIAL or name == "bookTicker":
        return Kind("book", symbol)
    named = {"aggTrade": "trade", "miniTicker": "ticker", "ticker": "answers"}
    return Kind(named[name], symbol) if name in named else None


class RefusedTopicsError(Exception):
    """At the address; in words."""


class _Refused(Exception):  # noqa: N818 - an answer, not a fault
    """Code and text."""


class BinanceListener:
    """One connection.

    Args:
        path: below ``/binance``: ``ws``, ``ws/btcusdt@aggTrade``, ``stream``.
        carries: whether the road has a topic.

    Raises:
        RefusedTopicsError: the address names what is not carried.
    """

    venue = NAME

    def __init__(self, wire: Wire, hub: Hub, path: str, streams: str, *, carries: Callable[[str], bool]) -> None:
        self.wire, self._hub, self._carries = wire, hub, carries
        self.topics: dict[str, None] = {}
        place, _, rest = path.partition("/")
        self.combined = place == "stream"
        named = [each for each in (*rest.split("/"), *streams.split("/")) if not _CONNECTION.fullmatch(each)]
        if lacking := [each for each in named if not carries(each)]:
            raise RefusedTopicsError(f"not carried here: {', '.join(lacking)[:500]}")
        if len(named) > MOST_TOPICS:
            raise RefusedTopicsError(f"more than {MOST_TOPICS} streams")
        self._named = named

    def enter(self) -> list[str]:
        """Once it is accepted: the topics of its address."""
        self._hub.add(self, self._named)
        return self._named

    def hear(self, text: str) -> tuple[bytes, Sequence[str]]:
        """A message of the client: the answer, and the topics that it has now for the first time."""
        asked: Any = None
        try:
            asked = _decoded(text)
            result, new = self._carried_out(asked)
        except _Refused as refused:
            code, words = refused.args
            return msgspec.json.encode({"error": {"code": code, "msg": words}, "id": _id_of(asked)}), ()
        return msgspec.json.encode({"result": result, "id": _id_of(asked)}), new

    def _carried_out(self, asked: Any) -> tuple[Any, Sequence[str]]:
        if not isinstance(asked, dict) or "method" not in asked:
            raise _Refused(2, "Invalid request: missing field `method`")
        given = asked.get("id")
        if not (given is None or isinstance(given, int) or (isinstance(given, str) and len(given) <= LONGEST_ID)):
            raise _Refused(2, "Invalid request: request ID must be an unsigned integer")
        method, params = asked["method"], asked.get("params", [])
        if method not in _METHODS:
            raise _Refused(2, f"Invalid request: unknown variant `{str(method)[:50]}`")
        if method == "LIST_SUBSCRIPTIONS":
            return list(self.topics), ()
        if not isinstance(params, list):
            raise _Refused(2, "Invalid request: params must be a list")
        if method.endswith("_PROPERTY"):
            return self._property(method, params), ()
        if not all(isinstance(each, str) for each in params):
            raise _Refused(2, "Invalid request: invalid stream")
        if method == "UNSUBSCRIBE":
            self._hub.drop(self, params)
            return None, ()
        if len(self.topics.keys() | set(params)) > MOST_TOPICS:
            raise _Refused(4, "Too many subscriptions")
        if lacking := [each for each in params if not self._carries(each)]:
            raise _Refused(2, f"Invalid request: invalid stream; not carried here: {', '.join(lacking)[:500]}")
        new = [each for each in dict.fromkeys(params) if each not in self.topics]
        self._hub.add(self, new)
        return None, new

    def _property(self, method: str, params: list[Any]) -> Any:
        if not params or params[0] != "combined":
            raise _Refused(0, "Unknown property")
        if method == "GET_PROPERTY":
            return self.combined
        if len(params) < 2 or not isinstance(params[1], bool):
            raise _Refused(1, "Invalid value type: expected Boolean")
        self.combined = params[1]
        return None


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except UNREADABLE:
        raise _Refused(3, "Invalid JSON: expected value at line 1 column 1") from None


def _id_of(asked: Any) -> Any:
    return given if isinstance(asked, dict) and isinstance(given := asked.get("id"), int | str) else None
