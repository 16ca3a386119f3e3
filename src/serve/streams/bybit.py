"""Bybit's public WebSockets below ``/bybit``: ``/v5/public/spot``, ``linear``, ``inverse``; subscribe, unsubscribe,
ping.

| topic | from |
|---|---|
| ``publicTrade.<s>`` | trades |
| ``kline.<i>.<s>`` | closed bars; of symbols that are live all frames as they came |
| ``tickers.<s>`` | the polls' answers, each a snapshot |
| ``orderbook.<n>.<s>`` | books of symbols that are live: as many levels as are streamed, or fewer of 1, 50, 200, 1000 |

What is not carried refuses its whole request, by name, as Bybit refuses what it does not know.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.serve.streams.binance import Kind
from cryptoproxy.serve.streams.hub import Hub
from cryptoproxy.serve.streams.wire import Wire
from cryptoproxy.upstreams.bybit.candles import BybitCandles
from cryptoproxy.upstreams.bybit.symbols import Category
from cryptoproxy.upstreams.bybit.tickers import UPSTREAM

PUBLIC = "v5/public/"
MOST_ARGS, MOST_TEXT, MOST_TOPICS = 10, 21_000, 2_000
"""Topics of one request on spot; characters of a request's topics; topics of a connection."""
DEPTHS = (1, 50, 200, 1000)
_DEPTHS = frozenset(map(str, DEPTHS))
"""As they are spelled: no other spelling of them would ever be told anything."""
_INTERVALS = {theirs: ours for ours, theirs in BybitCandles.intervals.items()}


def market_of(path: str) -> Category | None:
    """Of an address below ``/bybit``."""
    name = path.removeprefix(PUBLIC)
    return Category(name) if path.startswith(PUBLIC) and name in set(Category) else None


def kind_of(topic: str) -> Kind | None:
    """None of a topic that is none, or of a kind that the road does not carry."""
    name, _, rest = topic.partition(".")
    if name in ("kline", "orderbook"):
        what, _, symbol = rest.partition(".")
        if name == "orderbook":
            return Kind("live", symbol) if what in _DEPTHS and symbol else None
        return Kind(f"candle-{_INTERVALS[what]}", symbol) if what in _INTERVALS and symbol else None
    named = {"publicTrade": "trade", "tickers": "answers"}
    return Kind(named[name], rest) if name in named and rest else None


class BybitListener:
    """One connection.

    Args:
        carries: whether the road has a topic.
    """

    combined = False

    def __init__(self, wire: Wire, hub: Hub, market: Category, *, carries: Callable[[str], bool]) -> None:
        self.wire, self._hub, self._market, self._carries = wire, hub, market, carries
        self.venue = f"{UPSTREAM}-{market}"
        self.topics: dict[str, None] = {}
        self._id = str(uuid.uuid4())

    def enter(self) -> list[str]:
        """None is named by the address."""
        return []

    def hear(self, text: str) -> tuple[bytes, Sequence[str]]:
        """A message of the client: the answer, and the topics that it has now for the first time."""
        try:
            asked: Any = msgspec.json.decode(text)
        except UNREADABLE:
            asked = None
        if not isinstance(asked, dict):
            return self._reply(asked, "", "Request parsing error", success=False), ()
        op, args = asked.get("op"), asked.get("args", [])
        if op == "ping":
            return self._reply(asked, "ping", "pong"), ()
        named = isinstance(args, list) and bool(args) and all(isinstance(each, str) for each in args)
        if op not in ("subscribe", "unsubscribe") or not named:
            return self._reply(asked, str(op or "")[:50], "Params Error", success=False), ()
        if op == "unsubscribe":
            self._hub.drop(self, args)
        elif refused := self._refused(args):
            return self._reply(asked, op, refused, success=False), ()
        else:
            self._hub.add(self, args)
        return self._reply(asked, op, op if self._market is Category.SPOT else ""), args if op == "subscribe" else ()

    def _refused(self, args: list[str]) -> str:
        """Why not; empty where all of it is carried."""
        if self._market is Category.SPOT and len(args) > MOST_ARGS:
            return "args size >10"
        if sum(map(len, args)) > MOST_TEXT or len(self.topics) + len(args) > MOST_TOPICS:
            return "args length too long"
        for each in args:
            if each in self.topics:
                return f"error:already subscribed,topic:{each}"
            if not self._carries(each):
                return f"error:handler not found,topic:{each}"
        return ""

    def _reply(self, asked: Any, op: str, text: str, *, success: bool = True) -> bytes:
        """Spot repeats ``req_id`` only where there was one."""
        given = asked.get("req_id") if isinstance(asked, dict) else None
        named = {"req_id": given or ""} if given or self._market is not Category.SPOT else {}
        return msgspec.json.encode({"success": success, "ret_msg": text, "conn_id": self._id, **named, "op": op})
