"""Binance's combined streams: ``wss://…/stream``, topics by SUBSCRIBE, ``{"stream":…,"data":{…}}``.

| limit | value |
|---|---|
| streams of a connection | 1,024 |
| frames of ours, pongs among them | 5 a second |
| attempts to connect | 300 in 5 minutes and address |
| life of a connection | 24 hours |
| the server's ping | every 20 s; without our pong for a minute it cuts |

An unknown symbol is acknowledged like a good one and stays silent. ``serverShutdown`` comes without being asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.upstreams.answers.refusals import not_spoken, words
from cryptoproxy.upstreams.base import Call, Rejected, Response
from cryptoproxy.upstreams.binance.tickers import NAME
from cryptoproxy.upstreams.streaming.stream import BAD_FRAME, Ack, Heard, Heartbeat

WS_URL = "wss://stream.binance.com:9443"
MOST_TOPICS = 1024
SHUTDOWN = "serverShutdown"


class _Error(msgspec.Struct, gc=False):
    code: int = 0
    msg: str = ""


class _Frame(msgspec.Struct, gc=False):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()
    id: int | str | None = None
    error: _Error | None = None
    result: Any = msgspec.UNSET
    e: str = ""
    code: int = 0
    msg: str = ""


class _Time(msgspec.Struct, rename="camel"):
    server_time: int


_frames = msgspec.json.Decoder(list[_Frame])
_frame = msgspec.json.Decoder(_Frame)
_time = msgspec.json.Decoder(_Time)


class BinanceVenue:
    """All of Binance spot."""

    name = NAME
    upstream = NAME
    most_topics = topics_of_a_frame = MOST_TOPICS
    life_seconds = 23.5 * 3600
    silence_seconds = 60.0
    attempts = (300, 300.0)
    frame_seconds = 0.25
    heartbeat: Heartbeat | None = None

    def __init__(self, *, ws_url: str = WS_URL, base_url: str) -> None:
        self.url = f"{ws_url.rstrip('/')}/stream"
        self._time_url = f"{base_url.rstrip('/')}/api/v3/time"

    def subscribe(self, topics: Sequence[str], *, number: int) -> bytes:
        return msgspec.json.encode({"method": "SUBSCRIBE", "params": list(topics), "id": number})

    def hear(self, frames: Sequence[bytes]) -> Heard:
        rejected: list[Rejected] = []
        try:
            found = _frames.decode(b"[" + b",".join(frames) + b"]")
        except UNREADABLE:
            found = []
            for frame in frames:
                try:
                    found.append(_frame.decode(frame))
                except UNREADABLE as error:
                    rejected.append(Rejected(BAD_FRAME, "", f"{error}: {words(frame)}"))
        data: dict[str, list[bytes | msgspec.Raw]] = {}
        acks: list[Ack] = []
        ends = False
        for each in found:
            if each.stream and not each.stream.startswith("!"):
                try:
                    data[each.stream].append(each.data)
                except KeyError:
                    data[each.stream] = [each.data]
            elif SHUTDOWN in (each.e, each.stream.lstrip("!")):
                ends = True
            elif each.error is not None or each.code:
                said = each.error or _Error(each.code, each.msg)
                acks.append(Ack(_number(each.id), why=f"{said.msg} ({said.code})"))
            elif each.result is None:
                acks.append(Ack(_number(each.id)))
            else:
                rejected.append(Rejected("strange_frame", "", f"neither data nor an answer: {each}"[:300]))
        return Heard(data, acks, ends, rejected)

    def time_call(self) -> Call:
        return Call(self._time_url)

    def time_in(self, answer: Response) -> int:
        try:
            return _time.decode(answer.body).server_time
        except UNREADABLE as error:
            raise not_spoken(NAME, answer.body, error) from error


def _number(told: int | str | None) -> int:
    try:
        return int(told or 0)
    except ValueError:
        return 0
