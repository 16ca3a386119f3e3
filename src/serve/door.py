"""The door as an ASGI application: which house answers, in whose words it is refused, how it goes out.

| path | house |
|---|---|
| ``/coingecko/api/v3/…`` | CoinGecko's |
| ``/binance/api/v3/…``, beside it ``fapi``, ``dapi``, ``sapi`` | Binance's |
| ``/bybit/v5/…`` | Bybit's |
| ``/v1/…`` | our own words |

WebSockets, and ``/v1/stream``, are of ``streams``.

With and without a slash at the end, and never a redirect. ``at`` serves one upstream without its prefix, for a port of
its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple, Protocol, TypeAlias

from cryptoproxy.common.log import Limited
from cryptoproxy.common.metrics import ServeMetrics
from cryptoproxy.errors import CryptoProxyError
from cryptoproxy.serve.houses.binance import BinanceHouse
from cryptoproxy.serve.houses.bybit import BybitHouse
from cryptoproxy.serve.houses.coingecko import CoinGeckoHouse
from cryptoproxy.serve.houses.house import ROAD, House, RefusedError
from cryptoproxy.serve.houses.own import Own
from cryptoproxy.serve.reply import CORS, Reply, json_reply, sent, takes_gzip
from cryptoproxy.serve.request import ARROW, BadRequestError, Request, read
from cryptoproxy.serve.sending import give
from cryptoproxy.serve.streams.outs import HANG_UP
from cryptoproxy.serve.streams.sockets import EVENTS_AT, Sockets, refused
from cryptoproxy.serve.streams.wire import POLICY, WIRE
from cryptoproxy.serve.teams.gate import REFUSED_SECONDS, Gate, NotAdmittedError
from cryptoproxy.serve.teams.meter import STREAMS, Meter, PathNames
from cryptoproxy.serve.teams.tokens import carried

log = logging.getLogger(__name__)

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]

_ALLOW = (b"allow", b"GET, HEAD, OPTIONS")
_PREFLIGHT = (
    *CORS,
    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"86400"),
    (b"content-length", b"0"),
)
REVOKED = "the token of this stream was revoked"
PLACES = "there are /coingecko/api/v3/, /binance/api/v3/, /bybit/v5/ and /v1/"


_MOST_KNOWN, _SHORT = 2048, 512
"""So many questions are kept as they were read, of at most so many bytes each."""


class Speaks(Protocol):
    """Who refuses in its own words."""

    async def answer(self, request: Request) -> Reply: ...

    def refusal(self, status: int, words: str, *, retry_after: float | None = None) -> Reply: ...


class _Question(NamedTuple):
    """A request as far as it follows from its bytes."""

    house: Speaks
    upstream: str
    within: bool
    """Below the upstream's base; else beside it."""
    path: str
    """By which it is counted."""
    request: Request | BadRequestError


class Door:
    """See above.

    Args:
        gate, meter, names: who may ask, and what is counted of it under which names; without them everybody may.
        only: the one upstream that is served, without its prefix.
    """

    def __init__(
        self,
        *,
        coingecko: CoinGeckoHouse,
        binance: BinanceHouse,
        bybit: BybitHouse,
        own: Own,
        sockets: Sockets,
        metrics: ServeMetrics,
        gate: Gate | None = None,
        meter: Meter | None = None,
        names: PathNames | None = None,
        only: str = "",
    ) -> None:
        self._gate = gate or Gate()
        self._meter = meter or Meter(metrics, door=lambda: "door")
        self._names = names or PathNames({})
        self._known = lru_cache(maxsize=_MOST_KNOWN)(self._question)
        self._coingecko, self._binance, self._bybit, self._own = coingecko, binance, bybit, own
        self._sockets = sockets
        self._metrics = metrics
        self._limit_ms = coingecko.means.limit_ms
        self._only = only
        self._now_ms = coingecko.means.clock.now_ms
        self._told = Limited(log)
        self._counters: dict[tuple[str, str, int], Any] = {}

    def at(self, upstream: str) -> Door:
        """The same, of one upstream alone."""
        return Door(
            coingecko=self._coingecko, binance=self._binance, bybit=self._bybit, own=self._own,
            sockets=self._sockets, metrics=self._metrics, gate=self._gate,
            meter=self._meter, names=self._names, only=upstream,
        )  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_socket = scope["type"] == "websocket"
        if not is_socket and scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": list(_PREFLIGHT)})
            await send({"type": "http.response.body"})
            return
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        token, raw_path = carried(scope.get("raw_path") or scope["path"].encode(), scope["query_string"], headers)
        if self._only:
            raw_path = b"/%s%s" % (self._only.encode(), raw_path)
        if is_socket or (raw_path.rstrip(b"/") == EVENTS_AT and scope["method"] == "GET"):
            await self._stream(scope, raw_path, token, receive, send)
            return
        asked = self._asked(raw_path, scope["query_string"], headers)
        reply = await self._reply(asked, token, scope["method"])
        out = sent(
            reply,
            now_ms=self._now_ms(),
            packed=takes_gzip(headers.get(b"accept-encoding", b"")),
            known_tags=headers.get(b"if-none-match"),
            private=not self._gate.is_open,
            counted=self._binance.used_weight if asked.upstream == self._binance.upstream else tuple,
        )
        self._count(asked.upstream, reply.told.way if reply.told else "door", out.status)
        await give(send, out, body=scope["method"] != "HEAD")

    async def _stream(self, scope: Scope, raw_path: bytes, token: str, receive: Receive, send: Send) -> None:
        """A WebSocket, or events, for as long as its token counts."""
        is_socket = scope["type"] == "websocket"
        house, _, name = self._house(raw_path)
        path = f"{name}/{STREAMS}"
        try:
            admitted = self._gate.admit_stream(token)
        except NotAdmittedError as error:
            reply = await self._not_admitted(error, house, path)
            if is_socket:
                await receive()  # websocket.connect
                await refused(send, reply)
            else:
                await give(send, sent(reply, now_ms=self._now_ms(), packed=False, known_tags=None))
            return
        self._meter.asked(admitted.team, path)
        extensions, loop = scope["extensions"], asyncio.get_running_loop()
        cut = partial(extensions[WIRE].cut, POLICY, REVOKED) if is_socket else extensions[HANG_UP]
        admitted.when_revoked(lambda: loop.call_soon_threadsafe(cut))
        try:
            if is_socket:
                await self._sockets.talk(scope, raw_path, receive, send, house.refusal)
            else:
                await self._sockets.events(scope, raw_path, receive, send, self._own.refusal)
        finally:
            admitted.close()

    def _asked(self, raw_path: bytes, query: bytes, headers: Mapping[bytes, bytes]) -> _Question:
        """What is asked again and again is read once."""
        means = (
            headers.get(b"x-max-age", b""),
            headers.get(b"x-mbx-time-unit", b""),
            ARROW if ARROW in headers.get(b"accept", b"") else b"",
        )
        is_short = len(raw_path) + len(query) + sum(map(len, means)) < _SHORT
        return (self._known if is_short else self._question)(raw_path, query, *means)

    def _question(self, raw_path: bytes, query: bytes, max_age: bytes, unit: bytes, accept: bytes) -> _Question:
        house, inner, name = self._house(raw_path)
        below = b"" if inner is None else raw_path.lstrip(b"/")[inner:].strip(b"/")
        path = self._names.of(name, below.decode("latin-1"))
        request: Request | BadRequestError
        try:
            request = read(raw_path, query, {b"x-max-age": max_age, b"x-mbx-time-unit": unit, b"accept": accept})
        except BadRequestError as error:
            request = error
        else:
            if inner is not None:
                request = request.at(request.path[inner:].strip("/"))
        return _Question(house, name, inner is not None, path, request)

    async def _reply(self, asked: _Question, token: str, method: str) -> Reply:
        house = asked.house
        try:
            team = self._gate.admit(token)
        except NotAdmittedError as error:
            return await self._not_admitted(error, house, asked.path)
        reply = await self._answer(asked, method)
        told = reply.told
        served = told is not None and reply.status == 200 and house is not self._own
        self._meter.asked(team, asked.path, made=told is not None and told.made, saved=served)
        return reply

    async def _not_admitted(self, error: NotAdmittedError, house: Speaks, path: str) -> Reply:
        if error.team:
            self._meter.refused(error.team, path)
        await asyncio.sleep(REFUSED_SECONDS)
        return house.refusal(error.status, error.words, retry_after=error.retry_after)

    async def _answer(self, asked: _Question, method: str) -> Reply:
        house, name, request = asked.house, asked.upstream, asked.request
        try:
            if isinstance(request, BadRequestError):
                return house.refusal(400, f"{request}.")
            if method not in ("GET", "HEAD"):
                reply = house.refusal(405, "only GET is answered here")
                reply.more = (*reply.more, _ALLOW)
                return reply
            reply = await (self._within(house, request) if asked.within else self._beside(house, request))
            return self._fresh(reply, request, house)
        except RefusedError as refused:
            return json_reply(refused.body, status=refused.status)
        except CryptoProxyError as error:
            self._told.warning(name, f"a question to {name} was not answered: {error}")
            return house.refusal(503, "this cannot be answered now", retry_after=5)
        except Exception:
            log.exception("a question to %s failed in a way that nobody foresaw", name)
            return house.refusal(500, "this was not understood here")

    def _count(self, upstream: str, way: str, status: int) -> None:
        place = upstream, way, status
        if (counter := self._counters.get(place)) is None:
            counter = self._counters[place] = self._metrics.requests.labels(upstream, way, str(status))
        counter.inc()

    def _house(self, raw_path: bytes) -> tuple[Speaks, int | None, str]:
        """Who answers, and what stands before its path; None where the path is beside it."""
        path = raw_path.lstrip(b"/")
        for house, below in ((self._coingecko, b"api/v3"), (self._binance, b"api/v3"), (self._bybit, b"v5")):
            name = house.upstream.encode() + b"/" + below
            if path.startswith(name) and path[len(name) : len(name) + 1] in (b"", b"/"):
                return house, len(name), house.upstream
        for house in (self._coingecko, self._binance, self._bybit):
            if path.startswith(house.upstream.encode() + b"/"):
                return house, None, house.upstream
        return self._own, 0, "own"

    async def _within(self, house: Speaks, below: Request) -> Reply:
        """What is not polled any more stays on the topic for ever: it is read through like all that the road lacks."""
        reply = await house.answer(below)
        if isinstance(house, House) and house.means.through is not None and self._is_old(reply):
            anew = await house.read_through(below)
            return reply if anew.told is None else anew
        return reply

    async def _beside(self, house: Speaks, request: Request) -> Reply:
        """What an upstream has beside the API that is served here."""
        if house is self._binance and (found := self._binance.start(request.path.partition("/")[2])):
            return found
        return house.refusal(404, f"there is no {request.path} here: {PLACES}")

    def _fresh(self, reply: Reply, request: Request, house: Speaks) -> Reply:
        """The reply, or why not: it is older than what is taken for a price of now."""
        told = reply.told
        if told is None or reply.status != 200:
            return reply
        now_ms = self._now_ms()
        if request.max_age_s is not None:
            too_old = now_ms - told.asked_ms > request.max_age_s * 1000
        else:
            too_old = self._is_old(reply)
        if not too_old:
            return reply
        age = (now_ms - told.asked_ms) // 1000
        return house.refusal(503, f"the newest is {age} s old, and that is too old", retry_after=5)

    def _is_old(self, reply: Reply) -> bool:
        told = reply.told
        return told is not None and told.way == ROAD and told.too_old(self._now_ms(), self._limit_ms)
