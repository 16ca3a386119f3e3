"""Bybit v5's public streams: ``wss://…/v5/public/linear``, one address for each market.

| limit | value |
|---|---|
| topics asked for in one frame | spot 10; else as many as fit into 21,000 characters |
| attempts to connect | 500 in 5 minutes and domain, which all markets share; 150 of each are used here |
| heartbeat | ours: ``{"op":"ping"}`` each 20 s; without it Bybit cuts after 10 minutes |

Data may come before the answer to its subscription. One bad topic refuses the whole frame, and is named:
``error:handler not found,topic:…``. A pong is answered with ``"op":"ping"``, or ``"op":"pong"``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.upstreams.answers.refusals import not_spoken, words
from cryptoproxy.upstreams.base import Call, Rejected, Response
from cryptoproxy.upstreams.bybit.symbols import Category
from cryptoproxy.upstreams.bybit.tickers import UPSTREAM
from cryptoproxy.upstreams.streaming.stream import BAD_FRAME, Ack, Heard, Heartbeat

WS_URL = "wss://stream.bybit.com"
MOST_TOPICS = 1_000
_topic = re.compile(rb'"topic"\s*:\s*"([\w.-]+)"', re.ASCII)
_bad_topic = re.compile(r"topic:\s*([^\s,]+)")


class _Frame(msgspec.Struct, gc=False):
    topic: str = ""
    op: str = ""
    success: bool | None = None
    ret_msg: str = ""
    req_id: str = ""


class _Result(msgspec.Struct, rename={"nanos": "timeNano"}):
    nanos: str = ""


class _Time(msgspec.Struct):
    result: _Result
    time: int = 0


_frame = msgspec.json.Decoder(_Frame)
_time = msgspec.json.Decoder(_Time)


class BybitVenue:
    """One market."""

    upstream = UPSTREAM
    most_topics = MOST_TOPICS
    life_seconds = 23.5 * 3600
    silence_seconds = 60.0
    attempts = (150, 300.0)
    frame_seconds = 0.1
    heartbeat: Heartbeat | None = Heartbeat(20.0, b'{"op":"ping"}')

    def __init__(self, market: Category, *, ws_url: str = WS_URL, base_url: str) -> None:
        self.name = f"{UPSTREAM}-{market}"
        self.market = market
        self.url = f"{ws_url.rstrip('/')}/v5/public/{market}"
        self.topics_of_a_frame = 10 if market is Category.SPOT else 300
        self._time_url = f"{base_url.rstrip('/')}/v5/market/time"

    def subscribe(self, topics: Sequence[str], *, number: int) -> bytes:
        return msgspec.json.encode({"req_id": str(number), "op": "subscribe", "args": list(topics)})

    def hear(self, frames: Sequence[bytes]) -> Heard:
        """The whole frame is data: its type and time stand beside the rows. One that cannot be read goes to the topic
        that it names: something of that lacks now, and no id would tell."""
        data: dict[str, list[bytes | msgspec.Raw]] = {}
        acks: list[Ack] = []
        rejected: list[Rejected] = []
        for raw in frames:
            try:
                frame = _frame.decode(raw)
            except UNREADABLE as error:
                if topic := _topic.search(raw):
                    data.setdefault(topic[1].decode(), []).append(raw)
                else:
                    rejected.append(Rejected(BAD_FRAME, "", f"{error}: {words(raw)}"))
                continue
            if frame.topic:
                data.setdefault(frame.topic, []).append(raw)
            elif frame.op == "subscribe":
                number = int(frame.req_id) if frame.req_id.isdecimal() and len(frame.req_id) < 20 else 0
                bad = _bad_topic.search(frame.ret_msg)
                why = "" if frame.success else frame.ret_msg or "refused"
                acks.append(Ack(number, why, bad[1] if bad and why else ""))
            elif frame.op not in ("ping", "pong", "unsubscribe"):
                rejected.append(Rejected("strange_frame", "", f"neither data nor an answer: {words(raw)}"))
        return Heard(data, acks, rejected=rejected)

    def time_call(self) -> Call:
        return Call(self._time_url)

    def time_in(self, answer: Response) -> int:
        try:
            told = _time.decode(answer.body)
        except UNREADABLE as error:
            raise not_spoken(UPSTREAM, answer.body, error) from error
        nanos = told.result.nanos
        return int(nanos) // 1_000_000 if nanos.isdecimal() and len(nanos) < 20 else told.time
