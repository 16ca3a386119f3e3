"""How answers get onto uvicorn's connections: those of one turn of the loop behind it, each before anything else happens to
its connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from cryptoproxy.serve.reply import json_reply, sent
from cryptoproxy.serve.sending import Together, give


class Connection:
    """A transport and its protocol; ``done`` is what happened to it, in order."""

    def __init__(self, slow: asyncio.Event) -> None:
        self.done: list[str] = []
        self.closing = False

        async def app(scope: Any, _receive: Any, send: Any) -> None:
            if scope["path"] == "/slow":
                await slow.wait()
            await give(send, sent(json_reply(scope["path"]), now_ms=0, packed=False, known_tags=None))

        self.protocol: Any = Together(uvicorn.Config(app), ServerState(), {})
        self.protocol.connection_made(self)

    def asks(self, *paths: str, more: bytes = b"") -> None:
        """In one piece."""
        self.protocol.data_received(b"".join(b"GET %s HTTP/1.1\r\n\r\n" % each.encode() for each in paths) + more)

    # --- of the transport

    def get_protocol(self) -> Any:
        return self.protocol

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_extra_info(self, _name: str) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def write(self, body: bytes) -> None:
        self.done.append(body.partition(b"\r\n")[0].decode())

    def writelines(self, pieces: Any) -> None:
        assert not self.closing
        self.done.append(b"".join(pieces).partition(b"\r\n\r\n")[2].decode().strip('"'))

    def close(self) -> None:
        self.closing = True
        self.done.append("closed")

    def is_closing(self) -> bool:
        return self.closing


async def turn() -> None:
    await asyncio.sleep(0)


def run(story: Callable[[Callable[[], Connection], asyncio.Event], Awaitable[None]]) -> None:
    async def told() -> None:
        slow = asyncio.Event()
        await story(lambda: Connection(slow), slow)

    asyncio.run(told())


def test_answers_of_one_turn_are_written_behind_it() -> None:
    async def story(make: Callable[[], Connection], _slow: asyncio.Event) -> None:
        one, other = make(), make()
        one.asks("/a")
        other.protocol.data_received(b"GET /b HTTP/1.1\r\nConnection: close\r\n\r\n")
        await turn()
        assert one.done + other.done == []
        await turn()
        assert (one.done, other.done) == (["/a"], ["/b", "closed"])
        assert one.protocol.timeout_keep_alive_task is not None

    run(story)


def test_what_is_asked_before_the_answer_is_written_is_answered_in_its_order() -> None:
    async def story(make: Callable[[], Connection], slow: asyncio.Event) -> None:
        wire = make()
        wire.asks("/a")
        await turn()
        wire.asks("/slow", "/fast")
        assert wire.done == ["/a"]
        for _ in range(5):
            await turn()
        assert wire.done == ["/a"]
        assert wire.protocol.timeout_keep_alive_task is None, "a question is under way"
        slow.set()
        for _ in range(5):
            await turn()
        assert wire.done == ["/a", "/slow", "/fast"]

    run(story)


@pytest.mark.parametrize(
    ("end", "behind"),
    [
        (lambda protocol: protocol.eof_received(), []),
        (lambda protocol: protocol.shutdown(), ["closed"]),
        (lambda protocol: protocol.data_received(b"?\r\n\r\n"), ["HTTP/1.1 400 Bad Request", "closed"]),
    ],
)
def test_whatever_ends_the_connection_comes_behind_the_answer(end: Callable[[Any], None], behind: list[str]) -> None:
    async def story(make: Callable[[], Connection], _slow: asyncio.Event) -> None:
        wire = make()
        wire.asks("/a")
        await turn()
        end(wire.protocol)
        assert wire.done == ["/a", *behind]
        await turn()
        assert wire.done == ["/a", *behind]

    run(story)


def test_behind_an_upgrade_in_the_same_piece_it_is_written_at_once() -> None:
    async def story(make: Callable[[], Connection], _slow: asyncio.Event) -> None:
        wire = make()
        wire.asks("/a")
        wire.set_protocol(object())
        await turn()
        assert wire.done == ["/a"]

    run(story)


def test_who_has_gone_meanwhile_gets_nothing_and_the_others_do() -> None:
    async def story(make: Callable[[], Connection], _slow: asyncio.Event) -> None:
        gone, other = make(), make()
        for each in (gone, other):
            each.asks("/a")
        await turn()
        gone.close()
        await turn()
        assert (gone.done, other.done) == (["closed"], ["/a"])

    run(story)
