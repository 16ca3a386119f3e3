"""Commands of `cryptoproxy` as processes beside each other, and what they say in their logs."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from cryptoproxy.common.settings.environment import child_environment
from tests.conftest import wait_until
from tests.integration.conftest import World

ADDRESS = re.compile(r"the door is at (http://\S+?): ")
HEALTH = re.compile(r"health and metrics at (http://\S+)")


@contextmanager
def running(command: str, world: World, folder: Path) -> Iterator[Path]:
    """A command of `cryptoproxy`; its log."""
    log = folder / f"{command}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cryptoproxy.cli.main", command],
            env=child_environment(world.texts), cwd=folder, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield log
        process.send_signal(signal.SIGTERM)
        assert process.wait(180) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def said(log: Path, what: re.Pattern[str]) -> str:
    return wait_until(
        lambda: found[1] if (found := what.search(log.read_text())) else "", what=f"{what.pattern} in {log}"
    )


def found_at(url: str, source: str = "") -> requests.Response | None:
    answer = requests.get(url, timeout=60)
    return answer if answer.status_code == 200 and source in answer.headers["X-Data-Source"] else None
