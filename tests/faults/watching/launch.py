"""Watch as `cryptoproxy watch` runs it, with the shortest session that a broker allows: whoever was killed is missed after
six seconds.

| environment | does |
|---|---|
| ``TEST_CLOCK`` | file with seconds that the machine's clock is off, for all in this process, clients too; read again each time |
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def step_with(file: Path) -> None:
    """What asks for the time of day is told another; what measures a time is not."""
    now, now_ns = time.time, time.time_ns

    def off() -> float:
        return float(file.read_text())

    time.time = lambda: now() + off()
    time.time_ns = lambda: now_ns() + int(off() * 1e9)


def main() -> int:
    step_with(Path(os.environ["TEST_CLOCK"]))  # before the clients are imported: they keep what they find then
    from cryptoproxy.common.start import start
    from cryptoproxy.watch.sharing import shares
    from cryptoproxy.watch.wiring import service

    shares.SESSION_MS = 6_000
    return service(start())[0].run()


if __name__ == "__main__":
    sys.exit(main())
