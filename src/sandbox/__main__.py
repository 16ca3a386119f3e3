"""`cryptoproxy sandbox`: serves until SIGINT or SIGTERM. The first line it prints is its address."""

from __future__ import annotations

import argparse
import signal
import ssl
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from cryptoproxy.sandbox.app import UPSTREAMS, Sandbox
from cryptoproxy.sandbox.replay import by_upstream
from cryptoproxy.sandbox.rules.script import read_rules
from cryptoproxy.sandbox.streams.capture import load as load_captures
from cryptoproxy.sandbox.upstream import StandInLimits

PRO = "coingecko-pro"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    tls = None
    try:
        if options.tls:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(*options.tls)
        captures = load_captures(options.replay_stream, pace=options.pace) if options.replay_stream else None
        replay = by_upstream(options.replay, UPSTREAMS, options.upstream) if options.replay else None
        rules = read_rules(options.faults.read_bytes()) if options.faults else []
        sandbox = Sandbox(
            options.port,
            options.host,
            seed=options.seed,
            busy=options.busy,
            coins=options.coins,
            replay=replay,
            cycle=options.cycle,
            captures=captures,
            tls=tls,
            keys={plan: key for plan, key in (("demo", options.demo_key), ("pro", options.pro_key)) if key},
            limits=StandInLimits(
                coingecko_calls_per_minute=options.calls_per_minute,
                binance_ping_s=options.ping,
                binance_life_s=options.stream_life,
            ),
            ledger_file=options.ledger,
            keep_bodies=not options.no_bodies,
            ledger_limit=options.ledger_limit,
            compress=not options.no_gzip,
        )
    except (ValueError, OSError) as error:
        parser.error(str(error))
    sandbox.add(*rules)
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with sandbox:
        sys.stdout.write("\n".join([sandbox.url, "", *_settings(sandbox), ""]))
        sys.stdout.flush()
        done.wait()
    return 0


def _settings(sandbox: Sandbox) -> list[str]:
    """Lines for ``.env`` that lead a poller here."""
    return [
        "# To poll it instead of the real upstreams, put these lines into .env (--port keeps the address):",
        *(f"{name.upper()}_BASE_URL={sandbox.base_url(name)}" for name in UPSTREAMS if name != PRO),
        *(f"{name.upper()}_WS_URL={sandbox.stream_url(name)}" for name in ("binance", "bybit")),
        f"# With COINGECKO_PLAN=pro: COINGECKO_BASE_URL={sandbox.base_url(PRO)}",
        "# It has no limits of its own unless you give it some:",
        "COINGECKO_CALLS_PER_MINUTE=0",
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cryptoproxy sandbox",
        description="Stand-in upstreams that speak the formats of CoinGecko, Binance and Bybit. Serves until Ctrl-C or "
        "SIGTERM. The first line it prints is its address; then come the settings that lead a poller here.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=1, help="of the random walk; the same seed, the same market")
    parser.add_argument("--busy", type=float, default=1.0, metavar="X", help="X times as many trades as usual")
    parser.add_argument("--coins", type=int, default=1000, help="size of the CoinGecko market (%(default)s)")
    parser.add_argument("--replay", type=Path, metavar="PATH", help="a recorded body, or a folder of them")
    parser.add_argument("--upstream", choices=list(UPSTREAMS), help="whose recordings, where no folder tells")
    parser.add_argument(
        "--cycle", action="store_true", help="after the last recording the first, instead of the last again"
    )
    parser.add_argument(
        "--replay-stream",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="recorded frames as JSON lines, told to subscribers",
    )
    parser.add_argument("--pace", type=float, default=1.0, metavar="X", help="X times as fast as recorded; 0: at once")
    parser.add_argument(
        "--ping", type=float, default=20, metavar="S", help="Binance pings each S seconds (%(default)s)"
    )
    parser.add_argument(
        "--stream-life",
        type=float,
        default=86_400,
        metavar="S",
        help="seconds until Binance ends a stream (%(default)s)",
    )
    parser.add_argument(
        "--tls", type=Path, nargs=2, metavar=("CERT", "KEY"), help="the port also speaks TLS with this certificate"
    )
    parser.add_argument("--faults", type=Path, metavar="FILE", help="rules as JSON, one or a list")
    parser.add_argument("--ledger", type=Path, metavar="FILE", help="append what was served, as JSON lines")
    parser.add_argument("--ledger-limit", type=int, metavar="N", help="entries kept in memory")
    parser.add_argument("--no-bodies", action="store_true", help="the ledger keeps SHA-256 only")
    parser.add_argument("--no-gzip", action="store_true", help="answers are never compressed")
    parser.add_argument("--demo-key", help="CoinGecko keys are checked where one is given")
    parser.add_argument("--pro-key", help="the same for the pro plan's address")
    parser.add_argument("--calls-per-minute", type=int, metavar="N", help="CoinGecko's limit; none by default")
    return parser


if __name__ == "__main__":
    sys.exit(main())
