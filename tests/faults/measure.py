"""How long a poll takes from the arrival of its answer to Kafka's last acknowledgement, and a killed holder's successor.

Usage: ``python -m tests.faults.measure``, on a machine that does nothing else. Real Kafka and S3, the stand-in
upstream, one poll a second. Durations are those of the poller's own metrics.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from cryptoproxy.engines.cluster import bring_up, take_down
from cryptoproxy.engines.engine import Options
from cryptoproxy.engines.kafka import Kafka
from cryptoproxy.engines.ports import free_ports
from cryptoproxy.engines.s3 import S3
from cryptoproxy.sandbox import Sandbox
from tests.conftest import wait_until
from tests.faults.process import PollerProcess
from tests.faults.rig import Engines, Rig

POLLS = 120
WARM = 10
KILLS = 5


def percentile(poller: PollerProcess, share: float, before: dict[float, float]) -> float:
    """In seconds, from the histogram's buckets since ``before``, in proportion within one."""
    counts = buckets(poller)
    points = [(0.0, 0.0), *((edge, counts[edge] - before.get(edge, 0.0)) for edge in sorted(counts))]
    wanted = share * points[-1][1]
    for (low, below), (high, upto) in pairwise(points):
        if upto >= wanted and upto > below:
            return low + (high - low) * (wanted - below) / (upto - below)
    raise AssertionError("no polls")


def buckets(poller: PollerProcess) -> dict[float, float]:
    return {float(labels["le"]): count for labels, count in poller.samples("publish_seconds_bucket")}


def publishing(engines: Engines, folder: Path, coins: int) -> str:
    with Rig(engines, folder, COINGECKO_TOP_N=str(coins)) as rig:
        rig.sandbox.stop()
        rig.sandbox = Sandbox(coins=coins)
        rig.sandbox.start()
        rig.texts["COINGECKO_BASE_URL"] = rig.sandbox.base_url("coingecko")
        rig.set_up()
        poller = rig.start(test={"TEST_ALONE": "1"})
        poller.wait_polls(WARM)
        before = buckets(poller)
        poller.wait_polls(POLLS, seconds=10 * POLLS)
        p50, p99 = (1000 * percentile(poller, share, before) for share in (0.5, 0.99))
        missed = sum(poller.missed().values())
    return f"{coins} records: p50 {p50:.0f} ms, p99 {p99:.0f} ms over {POLLS} polls, {missed} slots missed"


def takeovers(engines: Engines, folder: Path) -> str:
    seconds = []
    with Rig(engines, folder) as rig:
        rig.set_up()
        active = rig.start("poller-0", OUTBOX_DIR=str(folder / "outbox-0"))
        active.wait_polls(3)
        for number in range(1, KILLS + 1):
            standby = rig.start(f"poller-{number}", OUTBOX_DIR=str(folder / f"outbox-{number}"))
            standby.wait_reason("standing by: another poller is active")
            active.kill()
            began = time.monotonic()
            wait_until(lambda standby=standby: standby.polls() >= 1, what="a poll of the successor")
            seconds.append(time.monotonic() - began)
            active = standby
    median = statistics.median(seconds)
    return f"a killed holder: the next one's first poll after {median:.1f} s (longest {max(seconds):.1f} s of {KILLS})"


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port, controller, s3_port = free_ports(3)
        options = Options(die_with_parent=True)
        engines = Engines(
            Kafka(folder / "kafka", port=port, controller_port=controller, heap_mb=384, options=options),
            S3(
                folder / "s3", port=s3_port, access_key="suite", secret_key="suite-secret", heap_mb=128, options=options
            ),
        )
        bring_up((engines.kafka, engines.s3))
        try:
            for coins in (50, 2000):
                print(publishing(engines, folder / str(coins), coins), flush=True)
            print(takeovers(engines, folder / "kills"), flush=True)
        finally:
            take_down((engines.kafka, engines.s3))
    return 0


if __name__ == "__main__":
    sys.exit(main())
