"""What the batch jobs cost: CPU, time and memory by ``local[1]`` and ``local[2]``. ``--of years``: windows and their
view, over a table of 26 million tickers a year; ``bars``: indicators and features of bars of a minute; ``upkeep``:
compaction and reconcile of raw objects, beside the commands that do it in one process.

Over a lake of its own on the embedded S3; ``--folder`` keeps it, so that it is filled once and measured in pieces, or
when the machine is quiet (of ``upkeep`` once: what is compacted is compacted). CPU is that of the job and of all that
it starts, the JVM among it, looked at five times a second: it says what a busy machine's clock cannot. The engines' own
is not in it, and on two cores they take of the same.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import psutil
from fill import BEGIN, archive, index
from proof import ROOT, engines
from rich.console import Console
from rich.table import Table

from benchmarks.queries.lake import s3_store
from benchmarks.queries.lake_engine import written
from benchmarks.queries.synthetic import Year
from benchmarks.quiet import fixed_work
from cryptoproxy.common import topics
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.sections.s3 import S3
from cryptoproxy.datasets import CANDLE, TICKER, Candle, iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS, Span
from cryptoproxy.lake.compact import Compaction
from cryptoproxy.lake.store import Store

LOOK_SECONDS = 0.2


class Cost(NamedTuple):
    cpu: float
    """Seconds."""
    wall: float
    memory: int
    """Bytes, all of its processes at their highest moment."""


def fill_lakes(settings: Sequence[Settings], span: Span, coins: int) -> None:
    """The same raw objects of an hour in each of these lakes, and their documents in the index that they share."""
    with closing(kafka_client.admin(settings[0].kafka)) as admin:
        list(topics.set_up(admin, settings[0].kafka, (TICKER,)))
    stores = [Store(each.s3) for each in settings]
    year = Year(span.begin_ms, span.end_ms, coins=coins)
    for hour, polls in groupby(year.polls(), key=lambda poll: poll[0] // HOUR_MS):
        lines = [line for _, poll in polls for _, line in poll]
        for store in stores:
            archive(store, TICKER, "coingecko", hour * HOUR_MS, lines)
    index(settings[0], span)


def fill_bars(store: Store, days: int, coins: int) -> None:
    """Bars of a minute of as many pairs, compacted."""
    compaction = Compaction(store, CANDLE, CANDLE.parts["1m"], now_ms=lambda: BEGIN + (days + 1) * DAY_MS)
    dice = np.random.default_rng(7)
    price = np.full(coins, 100.0)
    for day in range(days):
        for hour in range(24):
            at_ms, lines = BEGIN + day * DAY_MS + hour * HOUR_MS, []
            for minute in range(60):
                begin = iso(at_ms + minute * MINUTE_MS)
                before, price = price, price * np.exp(dice.normal(0, 0.0008, coins))
                fetched = iso(at_ms + (minute + 1) * MINUTE_MS + 3_000)
                lines += [
                    CANDLE.codec.encode(
                        Candle(
                            source="binance",
                            asset_id=f"P{coin}USDT",
                            symbol=f"P{coin}USDT",
                            quote="USDT",
                            interval="1m",
                            timestamp=begin,
                            fetched_at=fetched,
                            open=open_,
                            high=max(open_, close),
                            low=min(open_, close),
                            close=close,
                            base_volume=1.0 + minute,
                            quote_volume=(1.0 + minute) * close,
                        )
                    )
                    for coin, (open_, close) in enumerate(zip(before.tolist(), price.tolist(), strict=True))
                ]
            archive(store, CANDLE, "binance", at_ms, lines, part="1m")
        compaction.period("binance", BEGIN + day * DAY_MS, delete_raw=True)


def measured(words: list[str], environ: dict[str, str]) -> Cost:
    """
    Raises:
        SystemExit: the job failed.
    """
    began, cpu, memory = time.monotonic(), {}, 0
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(words, env=environ, stdout=log, stderr=log, start_new_session=True)
        while process.poll() is None:
            resident = 0
            for each in psutil.process_iter():
                try:
                    if os.getsid(each.pid) == process.pid:
                        times = each.cpu_times()
                        cpu[each.pid] = times.user + times.system
                        resident += each.memory_info().rss
                except (psutil.Error, ProcessLookupError):
                    continue
            memory = max(memory, resident)
            time.sleep(LOOK_SECONDS)
        if process.returncode:
            log.seek(0)
            raise SystemExit(f"{' '.join(words)} failed\n{log.read().decode(errors='replace')[-4000:]}")
    return Cost(sum(cpu.values()), time.monotonic() - began, memory)


class Costs:
    """A row for each run."""

    def __init__(self, environ: dict[str, str], a_day: int, begin_ms: int = BEGIN) -> None:
        self._environ, self._a_day, self._begin_ms = environ, a_day, begin_ms
        self._table = Table("what", "days", "records", "master", "CPU s", "s", "MB", "µs a record", box=None)

    def __enter__(self) -> Self:
        self._say_speed()
        return self

    def __exit__(self, *_: object) -> None:
        self._say_speed()
        Console(width=120).print(self._table)

    def of(self, job: str, days: int, master: str, *more: str, lake: str | None = None) -> None:
        """``job`` over the first ``days``."""
        span = [] if job == "merge" else self.span(days)  # of all that there is
        words = [sys.executable, str(ROOT / "jobs" / "spark" / f"{job}.py"), *span, *more]
        self._row(words, {"SPARK_MASTER": master, **_named(lake)}, job, days)

    def command(self, words: str, days: int, lake: str, *more: str) -> None:
        """``cryptoproxy words``, in its one process."""
        self._row([sys.executable, "-m", "cryptoproxy.cli.main", *words.split(), *more], _named(lake), words, days)

    def dates(self, days: int) -> list[str]:
        return [word for each in range(days) for word in ("--date", self._day(each))]

    def span(self, days: int) -> list[str]:
        return ["--from", self._day(0), "--to", self._day(days)]

    def _day(self, number: int) -> str:
        return iso(self._begin_ms + number * DAY_MS)[:10]

    def _row(self, words: list[str], more: dict[str, str], what: str, days: int) -> None:
        cost = measured(words, self._environ | more)
        count = days * self._a_day
        row = (
            what, str(days), f"{count:,}", more.get("SPARK_MASTER", ""), f"{cost.cpu:.1f}", f"{cost.wall:.1f}",
            f"{cost.memory / 1e6:.0f}", f"{cost.cpu / count * 1e6:.1f}",
        )  # fmt: skip
        print(" ".join(row), flush=True)
        self._table.add_row(*row)

    @staticmethod
    def _say_speed() -> None:
        print(f"fixed work (speed of this machine): {min(fixed_work() for _ in range(5)):.4f} s", flush=True)


def _named(lake: str | None) -> dict[str, str]:
    return {} if lake is None else {"AWS_S3_FILENAME_PREFIX": lake}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--of", choices=("years", "bars", "upkeep"), default="years")
    parser.add_argument("--days", default="7,28", help="how many, each its own run; of upkeep the most (7,28)")
    parser.add_argument("--coins", type=int, default=50, help="records a minute (50: 26 million a year)")
    parser.add_argument("--masters", default="local[1];local[2]")
    parser.add_argument("--folder", type=Path, help="what is filled stays there")
    parser.add_argument("--fill", action="store_true", help="fill it, and measure nothing")
    given = parser.parse_args()
    spans, masters = [int(each) for each in given.days.split(",")], given.masters.split(";")
    kinds = {"years": of_years, "bars": of_bars, "upkeep": of_upkeep}
    with tempfile.TemporaryDirectory(prefix="cryptoproxy-cost-") as temporary:
        kinds[given.of](given.folder or Path(temporary), given.coins, spans, masters, fill=given.fill)


def environ(folder: Path, texts: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, **texts, "CRYPTOPROXY_HOME": str(folder), "SPARK_LOCAL_DIRS": str(folder)}


def texts_of(s3: S3) -> dict[str, str]:
    return {
        "AWS_S3_ENDPOINT_URL": str(s3.endpoint_url),
        "AWS_S3_ACCESS_KEY": s3.access_key.get(),
        "AWS_S3_SECRET_KEY": s3.secret_key.get(),
    }


def of_years(folder: Path, coins: int, spans: list[int], masters: list[str], *, fill: bool) -> None:
    """Windows of a table as compaction leaves it, up to ``BEGIN``."""
    days = max(spans)
    begin_ms = BEGIN - days * DAY_MS
    with written(folder, Year(begin_ms, BEGIN, coins=coins), print) as store:
        if fill:
            return
        with Costs(environ(folder, texts_of(store.settings)), 1440 * coins, begin_ms) as costs:
            for each in spans:
                for master in masters:
                    costs.of("aggregates", each, master, "--length", "1h")
            for master in masters:
                costs.of("merge", days, master, "--length", "1h")


def of_bars(folder: Path, coins: int, spans: list[int], masters: list[str], *, fill: bool) -> None:
    with s3_store(folder) as settings:
        store = Store(settings.s3)
        store.make_bucket()
        if not store.holds(settings.s3.prefix):
            fill_bars(store, max(spans), coins)
        if fill:
            return
        with Costs(environ(folder, texts_of(settings.s3)), 1440 * coins) as costs:
            for each in spans:
                for master in masters:
                    costs.of("indicators", each, master, "--dataset", "candle-1m")
                    costs.of("features", each, master, "--dataset", "candle-1m")


def of_upkeep(folder: Path, coins: int, spans: list[int], masters: list[str], *, fill: bool) -> None:
    """A lake for the commands, and one for each master, so that each compacts the same objects. Reconcile asks index
    and dead letters, too."""
    days, lakes = max(spans), ["commands", *(f"spark{number}" for number in range(len(masters)))]
    begin_ms = BEGIN - days * DAY_MS
    with engines(folder, kept=True) as texts:
        settings = [Settings.from_texts({**texts, **_named(lake)}) for lake in lakes]
        store = Store(settings[0].s3)
        store.make_bucket()
        if not store.holds(lakes[-1]):
            fill_lakes(settings, Span(begin_ms, BEGIN), coins)
        if fill:
            return
        with Costs(environ(folder, texts), 1440 * coins, begin_ms) as costs:
            costs.command("lake compact --dataset ticker --delete-raw", days, lakes[0], *costs.dates(days))
            costs.command("reconcile --dataset ticker", days, lakes[0], *costs.span(days))
            for master, lake in zip(masters, lakes[1:], strict=True):
                costs.of("compact", days, master, "--delete-raw", lake=lake)
                costs.of("reconcile", days, master, lake=lake)


if __name__ == "__main__":
    main()
