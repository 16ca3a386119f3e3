"""The sandbox: one server with all upstreams, each under its own prefix."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptoproxy.common.clock import Clock
from cryptoproxy.sandbox.binance.api import Binance
from cryptoproxy.sandbox.bybit.api import Bybit
from cryptoproxy.sandbox.coingecko.api import CoinGecko
from cryptoproxy.sandbox.control import PREFIX, Control
from cryptoproxy.sandbox.ledger import CallLog
from cryptoproxy.sandbox.replay import Replay, load
from cryptoproxy.sandbox.rules.frame import StreamRule
from cryptoproxy.sandbox.rules.request import Rule
from cryptoproxy.sandbox.rules.script import Script, add_rules
from cryptoproxy.sandbox.server import FaultServer
from cryptoproxy.sandbox.streams.capture import Capture
from cryptoproxy.sandbox.streams.talk import Streams, Talk
from cryptoproxy.sandbox.upstream import JSON_TYPE, Setup, StandInLimits, Streaming, Upstream, dump
from cryptoproxy.sandbox.wire import Request, Response
from cryptoproxy.sandbox.world.coins import make_coins
from cryptoproxy.sandbox.world.market import SeededMarket

UPSTREAMS: Mapping[str, Callable[[Setup], Upstream]] = {
    "coingecko": CoinGecko,
    "coingecko-pro": partial(CoinGecko, host="pro"),
    "binance": Binance,
    "bybit": Bybit,
}
"""Prefix of the path, and what answers below it. Add an upstream here."""


class Sandbox(FaultServer):
    """Stand-ins for CoinGecko, Binance and Bybit on one port.

        with Sandbox(coins=250) as sandbox:
            requests.get(sandbox.base_url("coingecko") + "/coins/markets", params={"vs_currency": "usd"})
            sandbox.script.add(Rule(path="/binance/", status=418, times=1))
            sandbox.ledger.entries()[-1].body

    Args:
        port: 0 takes a free one.
        seed: decides the coins and their walk; with one clock, two sandboxes of one seed agree to the byte.
        busy: so many times as many trades as usual, each that much smaller.
        coins: 1,000 make about 2,400 Binance pairs and 1,000 Bybit instruments.
        replay: recorded files or folders per upstream, served instead of the market.
        cycle: at the end of a replay start again, instead of repeating the last.
        captures: recorded streams, told to whoever subscribes to their topics, instead of the market's.
        keys: API keys of CoinGecko by plan (``demo``, ``pro``); none: not checked.
        ledger_file: JSON lines of all that was served.
        keep_bodies: False keeps only their SHA-256.
        ledger_limit: entries kept in memory.
        compress: gzip for clients that take it, as the real ones do.
        tls: for clients that speak nothing else: the same port takes both.
    """

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        *,
        seed: int = 1,
        busy: float = 1.0,
        coins: int = 1000,
        replay: Mapping[str, Sequence[Path | str]] | None = None,
        cycle: bool = False,
        captures: Mapping[str, Capture] | None = None,
        keys: Mapping[str, str] | None = None,
        limits: StandInLimits | None = None,
        clock: Clock | None = None,
        ledger_file: Path | str | None = None,
        keep_bodies: bool = True,
        ledger_limit: int | None = None,
        compress: bool = True,
        script: Script | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.ledger: CallLog = CallLog(ledger_file, keep_bodies=keep_bodies, limit=ledger_limit)
        super().__init__(
            script or Script(), host=host, port=port, compress=compress, ledger=self.ledger, clock=clock, tls=tls
        )
        captures = captures or {}
        market = SeededMarket(make_coins(coins, seed), seed, busy=busy)
        setup = Setup(market, self.clock, limits or StandInLimits(), keys or {}, captures=captures)
        self.streams = Streams(self.clock, captures=captures)
        self._upstreams = {name: make(setup) for name, make in UPSTREAMS.items()}
        self._replays = {name: self._replay(name, paths, cycle=cycle) for name, paths in (replay or {}).items()}
        self._control = Control(
            self.script, self.ledger, self.streams, lambda: {name: self.base_url(name) for name in UPSTREAMS}
        )

    def base_url(self, upstream: str) -> str:
        """What a client of this upstream takes as its base address."""
        return f"{self.url}/{upstream}{self._upstreams[upstream].base}"

    def stream_url(self, upstream: str, *, tls: bool = False) -> str:
        """The same for its WebSockets: ``ws://…/binance``, below which are ``/ws`` and ``/stream``."""
        return ("wss" if tls else "ws") + self.base_url(upstream).removeprefix("http")

    def add(self, *rules: Rule | StreamRule) -> None:
        """Rules for requests and for streams alike."""
        add_rules(rules, self.script, self.streams.script)

    def stop(self) -> None:
        """The ledger in memory stays readable."""
        super().stop()
        self.ledger.close()

    def peer(self) -> _Peer:
        return _Peer(self.answer)

    def asked(self, request: Request) -> str | None:
        return None if request.path.startswith(PREFIX) else request.path.split("/")[1]

    def refusal(self, request: Request, status: int) -> Response:
        upstream = self._upstreams.get(self.asked(request) or "")
        return _nowhere(request) if upstream is None else upstream.error(status)

    def answer(self, request: Request) -> Response:
        name = self.asked(request)
        if name is None:
            return self._control.answer(request)
        upstream = self._upstreams.get(name)
        if upstream is None or request.method not in ("GET", "HEAD"):
            return _nowhere(request)
        inner = request.below(f"/{name}")
        if request.wants_websocket:
            return upstream.handshake(inner) if isinstance(upstream, Streaming) else _nowhere(request)
        replay = self._replays.get(name)
        return (replay.answer(inner, upstream) if replay else None) or upstream.answer(inner)

    def talk(self, request: Request, sock: socket.socket, stopping: threading.Event) -> None:
        name = self.asked(request) or ""
        upstream = self._upstreams[name]
        if isinstance(upstream, Streaming):
            inner = request.below(f"/{name}")
            make = partial(upstream.session, inner)
            Talk(sock, request, make, upstream=name, streams=self.streams, stopping=stopping).run()

    def _replay(self, name: str, paths: Sequence[Path | str], *, cycle: bool) -> Replay:
        if name not in UPSTREAMS:
            raise ValueError(f"no upstream {name!r}; there are {', '.join(UPSTREAMS)}")
        return Replay(load(paths, self._upstreams[name]), cycle=cycle)


@dataclass(frozen=True)
class _Peer:
    """The same for every connection, of which nothing is kept."""

    answer: Callable[[Request], Response]

    def abort(self) -> None: ...

    def close(self) -> None: ...


def _nowhere(request: Request) -> Response:
    text = f"{request.method} {request.path}: there are GET /{', GET /'.join(UPSTREAMS)} and {PREFIX}"
    return Response(404, (("Content-Type", JSON_TYPE),), dump({"error": text}))
