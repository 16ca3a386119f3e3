"""What the batch jobs cost: CPU, time and memory by ``local[1]`` and ``local[2]``, over more and more days of tickers,
or of bars of a minute; ``--of years``: of windows and of their view, over a table of 26 million tickers a year.

Over a lake of its own on the embedded S3; ``--folder`` keeps the one of years, so that it is filled once and measured
in pieces. CPU is that of the job and of all that it starts, the JVM among it, looked at five times a second: it says
what a busy machine's clock cannot.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from fill import BEGIN, archive
from proof import ROOT, engines
from rich.console import Console
from rich.table import Table

from benchmarks.queries.lake_engine import written
from benchmarks.queries.synthetic import Year
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import CANDLE, TICKER, Candle, iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, MINUTE_MS
from cryptoproxy.lake.compact import Compaction
from cryptoproxy.lake.store import Store

LOOK_SECONDS = 0.2


class Cost(NamedTuple):
    cpu: float
    """Seconds."""
    wall: float
    memory: int
    """Bytes, all of its processes at their highest moment."""


def fill_tickers(settings: Settings, days: int, coins: int) -> int:
    """Raw objects of an hour; how many records there are."""
    store = Store(settings.s3)
    year = Year(BEGIN, BEGIN + days * DAY_MS, coins=coins)
    polls: list[tuple[int, list[tuple[str, bytes]]]] = []
    for slot, poll in year.polls():
        polls.append((slot, poll))
        if len(polls) == 60:
            archive(store, TICKER, "coingecko", polls[0][0], [line for _, each in polls for _, line in each])
            polls.clear()
    return year.documents


def fill_bars(settings: Settings, days: int, coins: int) -> int:
    """Bars of a minute of as many pairs, compacted; how many there are."""
    store = Store(settings.s3)
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
    return days * 1440 * coins


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
        self.table = Table("job", "days", "records", "master", "CPU s", "s", "MB", "µs a record", box=None)

    def of(self, job: str, first: int, end: int, master: str, *more: str) -> None:
        """``job`` over the days from ``first`` to before ``end``."""
        span = ("--from", iso(self._begin_ms + first * DAY_MS)[:10], "--to", iso(self._begin_ms + end * DAY_MS)[:10])
        if job == "merge":  # of all that there is
            span = ()
        words = [sys.executable, str(ROOT / "jobs" / "spark" / f"{job}.py"), *span, *more]
        cost = measured(words, self._environ | {"SPARK_MASTER": master})
        count = (end - first) * self._a_day
        row = (
            job, str(end - first), f"{count:,}", master, f"{cost.cpu:.1f}", f"{cost.wall:.0f}",
            f"{cost.memory / 1e6:.0f}", f"{cost.cpu / count * 1e6:.1f}",
        )  # fmt: skip
        print(" ".join(row), flush=True)
        self.table.add_row(*row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", default="7,28", help="how many, each its own run (7,28)")
    parser.add_argument("--coins", type=int, default=50, help="records a minute (50: 26 million a year)")
    parser.add_argument("--masters", default="local[1];local[2]")
    parser.add_argument(
        "--of",
        choices=("tickers", "bars", "years"),
        default="tickers",
        help="compaction and windows, indicators and features, or windows of a table and their view",
    )
    parser.add_argument("--folder", type=Path, help="of the table of years, which stays there")
    parser.add_argument("--fill", action="store_true", help="fill it, and measure nothing")
    given = parser.parse_args()
    spans, masters = [int(each) for each in given.days.split(",")], given.masters.split(";")
    with tempfile.TemporaryDirectory(prefix="cryptoproxy-cost-") as temporary:
        if given.of == "years":
            of_years(given.folder or Path(temporary), given.coins, spans, masters, fill=given.fill)
        else:
            of_days(Path(temporary), given.of, given.coins, spans, masters)


def of_years(folder: Path, coins: int, spans: list[int], masters: list[str], *, fill: bool) -> None:
    """Windows of a table as compaction leaves it, up to ``BEGIN``."""
    days = max(spans)
    begin_ms = BEGIN - days * DAY_MS
    with written(folder, Year(begin_ms, BEGIN, coins=coins), print) as store:
        s3 = store.settings
        texts = {
            "AWS_S3_ENDPOINT_URL": str(s3.endpoint_url),
            "AWS_S3_ACCESS_KEY": s3.access_key.get(),
            "AWS_S3_SECRET_KEY": s3.secret_key.get(),
            "AWS_S3_BUCKET": s3.bucket,
            "AWS_S3_FILENAME_PREFIX": s3.prefix,
            "CRYPTOPROXY_HOME": str(folder),
            "SPARK_LOCAL_DIRS": str(folder),
        }
        costs = Costs({**os.environ, **texts}, 1440 * coins, begin_ms)
        for each in () if fill else spans:
            for master in masters:
                costs.of("aggregates", 0, each, master, "--length", "1h")
        for master in () if fill else masters:
            costs.of("merge", 0, days, master, "--length", "1h")
    Console(width=120).print(costs.table)


def of_days(folder: Path, of: str, coins: int, spans: list[int], masters: list[str]) -> None:
    days = max(spans)
    with engines(folder) as texts:
        settings, began = Settings.from_texts(texts), time.process_time()
        Store(settings.s3).make_bucket()
        records = (fill_tickers if of == "tickers" else fill_bars)(settings, days, coins)
        print(f"filled: {records:,} records, {time.process_time() - began:.0f} s of CPU", flush=True)
        home = {"CRYPTOPROXY_HOME": str(folder), "SPARK_LOCAL_DIRS": str(folder)}
        costs = Costs({**os.environ, **texts, **home}, records // days)
        if of == "tickers":  # what is compacted cannot be compacted again: each master has its share of the days
            for number, master in enumerate(masters):
                first, end = (at * days // len(masters) for at in (number, number + 1))
                costs.of("compact", first, end, master, "--delete-raw")
        for each in spans:
            for master in masters:
                if of == "tickers":
                    costs.of("aggregates", 0, each, master, "--length", "1h")
                else:
                    costs.of("indicators", 0, each, master, "--dataset", "candle-1m")
                    costs.of("features", 0, each, master, "--dataset", "candle-1m")
    Console(width=120).print(costs.table)


if __name__ == "__main__":
    main()
