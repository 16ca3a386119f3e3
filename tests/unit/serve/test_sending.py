"""How an answer gets onto uvicorn's connection."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from cryptoproxy.serve.reply import json_reply, sent
from cryptoproxy.serve.sending import give, write_all

OUT = sent(json_reply({"a": 1}), now_ms=0, packed=False, known_tags=None)


class Wire:
    """A transport that tells what was done, in order."""

    def __init__(self, done: list[str], *, keep_alive: bool = True) -> None:
        self.done, self.closing = done, False
        log = logging.getLogger("quiet")
        self.cycle = RequestResponseCycle(
            scope={"method": "GET"},  # type: ignore[typeddict-item, arg-type]
            transport=self,  # type: ignore[arg-type]
            flow=FlowControl(self),  # type: ignore[arg-type]
            logger=log,
            access_logger=log,
            access_log=False,
            default_headers=[],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=keep_alive,
            on_response=lambda: done.append("over"),
        )

    def writelines(self, pieces: Any) -> None:
        assert b"".join(pieces).endswith(b'\r\n\r\n{"a":1}')
        self.done.append("written")

    def close(self) -> None:
        self.closing = True
        self.done.append("closed")

    def is_closing(self) -> bool:
        return self.closing


async def _given(*wires: Wire) -> None:
    for each in wires:
        await give(each.cycle.send, OUT)
        assert each.cycle.response_complete


def test_answers_of_one_turn_are_written_behind_it() -> None:
    done: list[str] = []

    async def turns() -> None:
        await _given(Wire(done), Wire(done, keep_alive=False))
        assert done == []
        await asyncio.sleep(0)

    asyncio.run(turns())
    assert done == ["written", "over", "written", "closed", "over"]


def test_before_a_connection_is_closed_from_outside_its_answer_is_written_once() -> None:
    done: list[str] = []

    async def turns() -> None:
        await _given(Wire(done))
        write_all(asyncio.get_running_loop())
        assert done == ["written", "over"]
        await _given(Wire(done))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(turns())
    assert done == ["written", "over"] * 2


def test_who_has_gone_meanwhile_gets_nothing() -> None:
    done: list[str] = []

    async def turns() -> None:
        gone = Wire(done)
        await _given(gone, Wire(done))
        gone.close()
        await asyncio.sleep(0)

    asyncio.run(turns())
    assert done == ["closed", "over", "written", "over"]
