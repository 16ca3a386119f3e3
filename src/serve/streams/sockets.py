"""WebSockets of the door as ASGI: which address is whose, and the talk of one connection.

| address | speaks as |
|---|---|
| ``/binance/ws…``, ``/binance/stream…`` | Binance |
| ``/bybit/v5/public/{spot,linear,inverse}`` | Bybit |
| ``/v1/stream`` | ourselves |

All others are refused by 404, in the words of whose they are, before there is a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from cryptoproxy.serve.reply import CORS, Reply
from cryptoproxy.serve.request import BadRequestError, Request, read
from cryptoproxy.serve.streams.binance import BinanceListener, RefusedTopicsError
from cryptoproxy.serve.streams.bybit import PUBLIC, BybitListener, market_of
from cryptoproxy.serve.streams.outs import HANG_UP, EventsOut, Receive, Send, SocketOut, until_gone
from cryptoproxy.serve.streams.station import Station
from cryptoproxy.serve.streams.wire import POLICY, WIRE, Wire, framed
from cryptoproxy.upstreams.binance.tickers import NAME
from cryptoproxy.upstreams.bybit.tickers import UPSTREAM

MOST_MESSAGES, IN_SECONDS = 10, 1.0
"""That a client may send; Binance allows five a second, Bybit tells no number."""

EVENTS_AT = b"/v1/stream"
Refuse = Callable[[int, str], Reply]


class Sockets:
    """See above."""

    def __init__(self, station: Station) -> None:
        self._station = station

    async def talk(self, scope: Mapping[str, Any], path: bytes, receive: Receive, send: Send, refuse: Refuse) -> None:
        """One connection, from its handshake to its end.

        Args:
            path: with the upstream's prefix.
            refuse: in the words of whose address it is.
        """
        wire = cast(Wire, scope["extensions"][WIRE])
        await receive()  # websocket.connect
        try:
            request = read(path, scope["query_string"], dict(scope["headers"]))
            go = self._found(wire, request)
        except (BadRequestError, RefusedTopicsError, ValueError) as error:
            await refused(send, refuse(404 if isinstance(error, RefusedTopicsError) else 400, str(error)))
            return
        if go is None:
            await refused(send, refuse(404, f"there is no stream at /{request.path} here"))
            return
        await send({"type": "websocket.accept"})
        await go(receive)

    async def events(self, scope: Mapping[str, Any], path: bytes, receive: Receive, send: Send, refuse: Refuse) -> None:
        """``/v1/stream`` as server-sent events, until the client has gone."""
        headers = dict(scope["headers"])
        try:
            request = read(path, scope["query_string"], headers)
            chosen = self._station.ours.chosen(request.params, headers.get(b"last-event-id", b"").decode("latin-1"))
        except (BadRequestError, ValueError) as error:
            reply = refuse(400, str(error))
            said = [(b"content-type", reply.content_type), (b"content-length", b"%d" % len(reply.body)), *CORS]
            await send({"type": "http.response.start", "status": reply.status, "headers": said})
            await send({"type": "http.response.body", "body": reply.body})
            return
        out = EventsOut(send)
        reader = self._station.ours.enter(chosen, out)
        try:
            if await out.run(receive):
                scope["extensions"][HANG_UP]()
                await until_gone(receive)  # or uvicorn says in the log that the answer has no end
        finally:
            self._station.ours.leave(reader)

    def _found(self, wire: Wire, request: Request) -> Callable[[Receive], Awaitable[None]] | None:
        upstream, _, rest = request.path.partition("/")
        station = self._station
        listener: BinanceListener | BybitListener
        if upstream == NAME and rest.partition("/")[0] in ("ws", "stream"):
            streams = request.params.get("streams", "")
            listener = BinanceListener(
                wire, station.hub, rest, streams, carries=lambda name: station.carries(NAME, name)
            )
        elif upstream == UPSTREAM and rest.startswith(PUBLIC) and (market := market_of(rest)) is not None:
            venue = f"{UPSTREAM}-{market}"
            listener = BybitListener(wire, station.hub, market, carries=lambda name: station.carries(venue, name))
        elif request.path == "v1/stream":
            chosen = station.ours.chosen(request.params)
            return lambda receive: self._read(wire, chosen, receive)
        else:
            return None
        return lambda receive: self._listen(listener, receive)

    async def _listen(self, listener: BinanceListener | BybitListener, receive: Receive) -> None:
        """An answer stands before what it brings."""
        hub = self._station.hub
        hub.enter(listener)
        pace = _Pace()
        try:
            self._station.begin(listener, listener.enter())
            while (message := await receive())["type"] == "websocket.receive":
                if not pace.allows():
                    listener.wire.cut(POLICY, "Too many requests")
                    continue
                reply, new = listener.hear(message.get("text") or "")
                told = listener.wire.write(framed(reply))
                self._station.begin(listener, new)
                if not told:
                    hub.cut(listener)
        finally:
            hub.leave(listener)

    async def _read(self, wire: Wire, chosen: Any, receive: Receive) -> None:
        """Nothing is asked for by messages here."""
        reader = self._station.ours.enter(chosen, SocketOut(wire))
        try:
            while (await receive())["type"] == "websocket.receive":
                wire.cut(POLICY, "this stream is chosen by its address")
        finally:
            self._station.ours.leave(reader)


class _Pace:
    def __init__(self) -> None:
        self._since, self._count = 0.0, 0

    def allows(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now - self._since > IN_SECONDS:
            self._since, self._count = now, 0
        self._count += 1
        return self._count <= MOST_MESSAGES


async def refused(send: Send, reply: Reply) -> None:
    """Refuses a handshake."""
    status = reply.status if reply.status >= 400 else 404  # Bybit says errors as 200, of which there is no handshake
    headers = [(b"content-type", reply.content_type), *CORS, *reply.more]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": reply.body})
