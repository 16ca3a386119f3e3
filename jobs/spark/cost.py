"""What the batch jobs cost: CPU, time and memory by ``local[1]`` and ``local[2]``, over more and more days of tickers.

Over a lake of its own on the embedded S3, compacted. CPU is that of the job and of all that it starts, the JVM among
it, looked at five times a second: it says what a busy machine's clock cannot.
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

import psutil
from fill import BEGIN, archive
from proof import ROOT, engines
from rich.console import Console
from rich.table import Table

from benchmarks.queries.synthetic import Year
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import TICKER, iso
from cryptoproxy.datasets.times import DAY_MS
from cryptoproxy.lake.compact import Compaction
from cryptoproxy.lake.store import Store

LOOK_SECONDS = 0.2


class Cost(NamedTuple):
    cpu: float
    """Seconds."""
    wall: float
    memory: int
    """Bytes, all of its processes at their highest moment."""


def fill(settings: Settings, days: int, coins: int) -> int:
    """Each day is compacted; how many records there are."""
    store = Store(settings.s3)
    store.make_bucket()
    year = Year(BEGIN, BEGIN + days * DAY_MS, coins=coins)
    compaction = Compaction(store, now_ms=lambda: year.end_ms + DAY_MS)
    polls: list[tuple[int, list[tuple[str, bytes]]]] = []
    for slot, poll in year.polls():
        polls.append((slot, poll))
        if len(polls) == 60:
            archive(store, TICKER, "coingecko", polls[0][0], [line for _, each in polls for _, line in each])
            polls.clear()
    for day in range(days):
        compaction.period("coingecko", BEGIN + day * DAY_MS, delete_raw=True)
    return year.documents


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", default="7,28", help="how many, each its own run (7,28)")
    parser.add_argument("--coins", type=int, default=50, help="records a minute (50: 26 million a year)")
    parser.add_argument("--masters", default="local[1];local[2]")
    given = parser.parse_args()
    spans = [int(each) for each in given.days.split(",")]
    table = Table("job", "days", "records", "master", "CPU s", "s", "MB", "µs a record", box=None)
    with tempfile.TemporaryDirectory(prefix="cryptoproxy-cost-") as temporary, engines(Path(temporary)) as texts:
        began = time.process_time()
        records = fill(Settings.from_texts(texts), max(spans), given.coins)
        print(f"filled: {records:,} records, {time.process_time() - began:.0f} s of CPU", flush=True)
        home = {"CRYPTOPROXY_HOME": temporary, "SPARK_LOCAL_DIRS": temporary}
        for days in spans:
            for master in given.masters.split(";"):
                words = ["spark/aggregates.py", "--from", iso(BEGIN)[:10], "--to", iso(BEGIN + days * DAY_MS)[:10]]
                command = [sys.executable, str(ROOT / "jobs" / words[0]), *words[1:], "--length", "1h"]
                cost = measured(command, {**os.environ, **texts, **home, "SPARK_MASTER": master})
                count = records * days // max(spans)
                row = (
                    words[0], str(days), f"{count:,}", master, f"{cost.cpu:.1f}", f"{cost.wall:.0f}",
                    f"{cost.memory / 1e6:.0f}", f"{cost.cpu / count * 1e6:.1f}",
                )  # fmt: skip
                print(" ".join(row), flush=True)
                table.add_row(*row)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
