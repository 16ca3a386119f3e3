"""The sandbox: one server with all upstreams, each under its own prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptoproxy.common.clock import Clock, SystemClock
from cryptoproxy.sandbox.binance import Binance
from cryptoproxy.sandbox.bybit import Bybit
from cryptoproxy.sandbox.coingecko import CoinGecko
from cryptoproxy.sandbox.control import PREFIX, Control
from cryptoproxy.sandbox.faults import Rule, Script
from cryptoproxy.sandbox.ledger import Ledger
from cryptoproxy.sandbox.limits import Limits
from cryptoproxy.sandbox.market import Market
from cryptoproxy.sandbox.replay import Replay, load
from cryptoproxy.sandbox.server import FaultServer
from cryptoproxy.sandbox.universe import make_coins
from cryptoproxy.sandbox.upstream import JSON_TYPE, Setup, Upstream, dump
from cryptoproxy.sandbox.wire import Answer, Request

UPSTREAMS: Mapping[str, Callable[[Setup], Upstream]] = {
    "coingecko": CoinGecko,
    "coingecko-pro": partial(CoinGecko, host="pro"),
    "binance": Binance,
    "bybit": Bybit,
}
"""Prefix of the path, and what answers below it. Add an upstream here."""
BASES: Mapping[str, str] = {"coingecko": "/api/v3", "coingecko-pro": "/api/v3"}
"""What the usual base address of a client has after the host."""


class Sandbox:
    """Stand-ins for CoinGecko, Binance and Bybit on one port.

        with Sandbox(coins=250) as sandbox:
            requests.get(sandbox.base_url("coingecko") + "/coins/markets", params={"vs_currency": "usd"})
            sandbox.script.add(Rule(path="/binance/", status=418, times=1))
            sandbox.ledger.entries()[-1].body

    Args:
        port: 0 takes a free one.
        seed: decides the coins and their walk; with one clock, two sandboxes of one seed agree to the byte.
        coins: 1,000 make about 2,400 Binance pairs and 1,000 Bybit instruments.
        replay: recorded files or folders per upstream, served instead of the market.
        cycle: at the end of a replay start again, instead of repeating the last.
        keys: API keys of CoinGecko by plan (``demo``, ``pro``); none: not checked.
        ledger_file: JSON lines of all that was served.
        keep_bodies: False keeps only their SHA-256.
        ledger_limit: entries kept in memory.
        compress: gzip for clients that take it, as the real ones do.
    """

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        *,
        seed: int = 1,
        coins: int = 1000,
        replay: Mapping[str, Sequence[Path | str]] | None = None,
        cycle: bool = False,
        keys: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
        ledger_file: Path | str | None = None,
        keep_bodies: bool = True,
        ledger_limit: int | None = None,
        compress: bool = True,
        script: Script | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.script = script or Script()
        self.market = Market(make_coins(coins, seed), seed)
        setup = Setup(self.market, self.clock, limits or Limits(), keys or {})
        upstreams = {name: make(setup) for name, make in UPSTREAMS.items()}
        replays = {name: _replay(name, paths, upstreams, cycle=cycle) for name, paths in (replay or {}).items()}
        self.ledger = Ledger(ledger_file, keep_bodies=keep_bodies, limit=ledger_limit)
        self._control = Control(self.script, self.ledger, lambda: {name: self.base_url(name) for name in UPSTREAMS})
        backend = _Backend(upstreams, replays, self._control, self.ledger, self.clock)
        self._server = FaultServer(backend, self.script, host=host, port=port, compress=compress, clock=self.clock)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def port(self) -> int:
        return self._server.port

    def base_url(self, upstream: str) -> str:
        """What a client of this upstream takes as its base address."""
        return f"{self.url}/{upstream}{BASES.get(upstream, '')}"

    def start(self) -> Self:
        self._server.start()
        return self

    def stop(self) -> None:
        """The ledger in memory stays readable."""
        self._server.stop()
        self.ledger.close()

    def pause(self) -> None:
        """All upstreams are down: connections are refused."""
        self._server.pause()

    def resume(self) -> None:
        self._server.resume()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


class _Backend:
    """Routes by prefix. Holds no state of a connection, so it is every connection's peer."""

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        replays: Mapping[str, Replay],
        control: Control,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._upstreams = upstreams
        self._replays = replays
        self._control = control
        self._ledger = ledger
        self._clock = clock

    def peer(self) -> Self:
        return self

    def abort(self) -> None: ...

    def close(self) -> None: ...

    def scripted(self, request: Request) -> bool:
        return not request.path.startswith(PREFIX)

    def answer(self, request: Request) -> Answer:
        if not self.scripted(request):
            return self._control.answer(request)
        name = _name(request)
        upstream = self._upstreams.get(name)
        if upstream is None or request.method not in ("GET", "HEAD"):
            return _nowhere(request, self._upstreams)
        asked = request.below(f"/{name}")
        replay = self._replays.get(name)
        return (replay.answer(asked, upstream) if replay else None) or upstream.answer(asked)

    def refusal(self, request: Request, status: int) -> Answer:
        upstream = self._upstreams.get(_name(request))
        return _nowhere(request, self._upstreams) if upstream is None else upstream.error(status)

    def serving(self, request: Request, answer: Answer | None, rule: Rule | None, *, whole: bool) -> None:
        if self.scripted(request):
            fault = rule.label if rule else ""
            self._ledger.add(self._clock.now_ms(), _name(request), request, answer, fault=fault, whole=whole)


def _name(request: Request) -> str:
    return request.path.split("/")[1]


def _nowhere(request: Request, names: Iterable[str]) -> Answer:
    text = f"{request.method} {request.path}: there are GET /{', GET /'.join(names)} and {PREFIX}"
    return Answer(404, (("Content-Type", JSON_TYPE),), dump({"error": text}))


def _replay(name: str, paths: Sequence[Path | str], upstreams: Mapping[str, Upstream], *, cycle: bool) -> Replay:
    if name not in upstreams:
        raise ValueError(f"no upstream {name!r}; there are {', '.join(upstreams)}")
    return Replay(load(paths, upstreams[name]), cycle=cycle)
