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

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

from cryptoproxy.common.log import Limited
from cryptoproxy.common.metrics import ServeMetrics
from cryptoproxy.errors import CryptoProxyError
from cryptoproxy.serve.houses.binance import BinanceHouse
from cryptoproxy.serve.houses.bybit import BybitHouse
from cryptoproxy.serve.houses.coingecko import CoinGeckoHouse
from cryptoproxy.serve.houses.house import ROAD, House, RefusedError
from cryptoproxy.serve.houses.own import Own
from cryptoproxy.serve.reply import CORS, Reply, json_reply, sent, takes_gzip
from cryptoproxy.serve.request import BadRequestError, Request, read
from cryptoproxy.serve.streams.sockets import EVENTS_AT, Sockets

log = logging.getLogger(__name__)

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]

_PREFLIGHT = (
    *CORS,
    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"86400"),
    (b"content-length", b"0"),
)
PLACES = "there are /coingecko/api/v3/, /binance/api/v3/, /bybit/v5/ and /v1/"


class Speaks(Protocol):
    """Who refuses in its own words."""

    async def answer(self, request: Request) -> Reply: ...

    def refusal(self, status: int, words: str, *, retry_after: float | None = None) -> Reply: ...


class Door:
    """See above.

    Args:
        limit_ms: what is older is refused, unless a client says how old it takes.
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
        limit_ms: int,
        only: str = "",
    ) -> None:
        self._coingecko, self._binance, self._bybit, self._own = coingecko, binance, bybit, own
        self._sockets = sockets
        self._metrics = metrics
        self._limit_ms = limit_ms
        self._only = only
        self._now_ms = coingecko.means.clock.now_ms
        self._told = Limited(log)

    def at(self, upstream: str) -> Door:
        """The same, of one upstream alone."""
        return Door(
            coingecko=self._coingecko, binance=self._binance, bybit=self._bybit, own=self._own,
            sockets=self._sockets, metrics=self._metrics, limit_ms=self._limit_ms, only=upstream,
        )  # fmt: skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw_path = scope.get("raw_path") or scope["path"].encode()
        if self._only:
            raw_path = b"/%s%s" % (self._only.encode(), raw_path)
        if scope["type"] == "websocket":
            await self._sockets.talk(scope, raw_path, receive, send, self._house(raw_path)[0].refusal)
        elif raw_path.rstrip(b"/") == EVENTS_AT and scope["method"] == "GET":
            await self._sockets.events(scope, raw_path, receive, send, self._own.refusal)
        else:
            await self._answer(scope, raw_path, send)

    async def _answer(self, scope: Scope, raw_path: bytes, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": list(_PREFLIGHT)})
            await send({"type": "http.response.body"})
            return
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        reply, house = await self._reply(scope, raw_path, headers)
        status, out, body = sent(
            reply,
            now_ms=self._now_ms(),
            packed=takes_gzip(headers.get(b"accept-encoding", b"")),
            known_tags=headers.get(b"if-none-match"),
        )
        self._metrics.requests.labels(house, reply.told.way if reply.told else "door", str(status)).inc()
        await send({"type": "http.response.start", "status": status, "headers": out})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _reply(self, scope: Scope, raw_path: bytes, headers: Mapping[bytes, bytes]) -> tuple[Reply, str]:
        house, inner, name = self._house(raw_path)
        try:
            request = read(raw_path, scope["query_string"], headers)
            if scope["method"] not in ("GET", "HEAD"):
                return house.refusal(405, "only GET is answered here"), name
            reply = await (self._beside(house, request) if inner is None else self._within(house, request, inner))
            return self._fresh(reply, request, house), name
        except BadRequestError as error:
            return house.refusal(400, f"{error}."), name
        except RefusedError as refused:
            return json_reply(refused.body, status=refused.status), name
        except CryptoProxyError as error:
            self._told.warning(name, f"a question to {name} was not answered: {error}")
            return house.refusal(503, "this cannot be answered now", retry_after=5), name
        except Exception:
            log.exception("a question to %s failed in a way that nobody foresaw", name)
            return house.refusal(500, "this was not understood here"), name

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

    async def _within(self, house: Speaks, request: Request, inner: int) -> Reply:
        """What is not polled any more stays on the topic for ever: it is read through like all that the road lacks."""
        below = request.at(request.path[inner:].strip("/"))
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
