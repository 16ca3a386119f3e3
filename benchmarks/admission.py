"""`admission`: what it costs a question to be admitted. Three doors over one road are asked the same in turn: one
without teams, one that wants a token, and one that counts together with others of its machine (``LIMITS=shared``).

Needs Debian's ``wrk``.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.context import Context
from benchmarks.door import PRICE, Load, address_of, door_of, load, market_place, sandbox, warm
from benchmarks.figures import Report
from benchmarks.quiet import words
from benchmarks.world import BenchmarkError, Child, poller
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.datasets import iso
from cryptoproxy.serve.teams import tokens

ENDLESS = 1_000_000_000
"""Questions a minute: nobody is refused here."""
WITHOUT, TOKEN, SHARED = "without teams", "by a token", "LIMITS=shared"


def benchmark(context: Context) -> Report:
    if shutil.which("wrk") is None:
        raise BenchmarkError("wrk is not installed: apt-get install wrk")
    with TemporaryDirectory(prefix="admission-") as name, sandbox() as upstream, ExitStack() as stack:
        folder = Path(name)
        calm = {"SOURCES": "binance", "BINANCE_SYMBOLS": "BTCUSDT", "BINANCE_INTERVAL": "10"}
        place = market_place(context, upstream, folder, **calm)
        token = _token(folder / "teams.json")
        stack.enter_context(poller(place))
        teams = {"TEAMS_FILE": str(folder / "teams.json")}
        doors: dict[str, Child] = {}
        for kind, texts in ((WITHOUT, {}), (TOKEN, teams), (SHARED, teams | {"LIMITS": "shared"})):
            _, doors[kind] = stack.enter_context(door_of(place.with_texts(**texts)))
        urls = {kind: f"{address_of(door)}{PRICE}" for kind, door in doors.items()}
        for url in urls.values():
            warm(url, **{"X-Team-Token": token})

        def one_round() -> dict[str, list[Load]]:
            """Each of them twice, so that none is always the first."""
            found: dict[str, list[Load]] = {kind: [] for kind in doors}
            for kind in (*doors, *reversed(doors)):
                found[kind].append(load(urls[kind], doors[kind].pid, f"X-Team-Token: {token}"))
            return found

        rounds = context.quiet.rounds(one_round, wanted=min(3, context.rounds), spare=context.spare, what="admission")
    report = Report("admission", disturbed=words(rounds))
    cost = {
        kind: [sum(each.cpu_us for each in one.value[kind]) / len(one.value[kind]) for one in rounds] for kind in doors
    }
    for kind, each in cost.items():
        report.add(f"{kind}: own CPU", each, "µs/request")
        report.add(f"{kind}: rate", [load.rate for one in rounds for load in one.value[kind]], "requests/s")
    report.add("more for a token", _more(cost[TOKEN], cost[WITHOUT]), "µs/request")
    report.add("more for LIMITS=shared", _more(cost[SHARED], cost[TOKEN]), "µs/request")
    return report


def _more(dear: list[float], cheap: list[float]) -> list[float]:
    return [a - b for a, b in zip(dear, cheap, strict=True)]


def _token(file: Path) -> str:
    """Of a team that may ask without end."""
    with tokens.changed(file) as teams:
        return tokens.add(teams, "bench", now=iso(SystemClock().now_ms()), requests=ENDLESS, streams=None)
