"""A poller as a process, and what can be seen of it from outside: its log, `/readyz`, `/metrics`, its outbox."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import requests

from cryptoproxy.common.settings.environment import child_environment
from tests.conftest import wait_until
from tests.faults import launch

ROOT = Path(__file__).parents[2]
_HEALTH = re.compile(r"health and metrics at (http://[^\s\"]+)")
_SAMPLE = re.compile(r"^cryptoproxy_(\w+?)(?:_total)?(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_STATISTICS = re.compile(r"(\S+) so far: (\d+) polls, \d+ records, (\d+) slots missed")
_OUTAGE = re.compile(r"(\S+): polled again at \S+; (\d+) slots missed")


class PollerProcess:
    """Started at once. With ``test`` (what `launch` understands) by the test launcher, else by `python -m cryptoproxy.producer`."""

    module = "cryptoproxy.producer"
    launcher = launch.__file__

    def __init__(
        self, name: str, folder: Path, texts: Mapping[str, str], test: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.outbox = Path(texts["OUTBOX_DIR"])
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("TEST_")}
        self._lines: list[str] = []
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", self.module] if test is None else [sys.executable, self.launcher],
            env=child_environment(texts, inherited) | dict(test or {}) | {"PYTHONPATH": str(ROOT)},
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,  # not a file: some cases forbid the process to write one
            text=True,
        )
        self._reader = threading.Thread(target=self._read, name=f"log of {name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def log(self) -> str:
        return "".join(self._lines)

    def said(self, *words: str) -> list[str]:
        """The lines of the log that have all these words."""
        return [line for line in list(self._lines) if all(word in line for word in words)]

    def wait_said(self, *words: str, seconds: float = 180, times: int = 1) -> str:
        """The last of so many lines with all these words."""
        return wait_until(
            lambda: found[-1] if len(found := self.said(*words)) >= times else "",
            seconds=seconds,
            what=f"{words} in the log of {self.name}; its end: {self.log[-2000:]}",
        )

    @property
    def url(self) -> str:
        line = self.wait_said("health and metrics at")
        found = _HEALTH.search(line)
        assert found
        return found[1]

    def reasons(self) -> dict[str, str]:
        """Why it is not ready; empty when it is."""
        return dict(requests.get(f"{self.url}/readyz", timeout=180).json()["reasons"])

    def wait_reason(self, *words: str, seconds: float = 180) -> str:
        """The reason that has all these words."""

        def found() -> str:
            return next((text for text in self.reasons().values() if all(word in text for word in words)), "")

        return wait_until(found, seconds=seconds, what=f"{words} in /readyz of {self.name}: {self.reasons()}")

    def wait_ready(self, *, seconds: float = 180) -> None:
        wait_until(lambda: not self.reasons(), seconds=seconds, what=f"{self.name} ready; its log: {self.log[-3000:]}")

    def samples(self, name: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each sample of this metric."""
        text = requests.get(f"{self.url}/metrics", timeout=180).text
        return [
            (dict(_LABEL.findall(labels)), float(value))
            for found, labels, value in _SAMPLE.findall(text)
            if found == name
        ]

    def metric(self, name: str, **labels: str) -> float:
        """The sum over all samples with these labels."""
        return sum(value for given, value in self.samples(name) if labels.items() <= given.items())

    def polls(self, source: str | None = None) -> int:
        return int(self.metric("polls", **({"source": source} if source else {})))

    def missed(self) -> Counter[str]:
        """Slots by source, as it counts them, or has counted them at its end or after each outage."""
        counts: Counter[str] = Counter()
        if self.running:
            for labels, value in self.samples("slots_missed"):
                counts[labels["source"]] += int(value)
            return counts
        for source, _, missed in self._statistics():
            counts[source] = int(missed)
        for source, missed in _OUTAGE.findall(self.log) if not counts else ():
            counts[source] += int(missed)
        return counts

    def kept(self, suffix: str = "") -> int:
        """How many polls of tickers, or of feeds with this end, as it counts them, or has counted them at its end."""
        found = [(labels["source"], int(value)) for labels, value in self.samples("polls")] if self.running else []
        counted = dict(found or [(source, int(polls)) for source, polls, _ in self._statistics()])
        return sum(
            polls for feed, polls in counted.items() if feed.partition(".")[1:] == ("." if suffix else "", suffix[1:])
        )

    def _statistics(self) -> list[tuple[str, str, str]]:
        return _STATISTICS.findall(self.log)

    def wait_polls(self, more: int, *, source: str | None = None, seconds: float = 180) -> float:
        """Until it has kept so many more polls; the seconds that it took."""
        began, before = time.monotonic(), self.polls(source)
        wait_until(
            lambda: self.polls(source) >= before + more,
            seconds=seconds,
            what=f"{more} more polls of {self.name}; its log: {self.log[-3000:]}",
        )
        return time.monotonic() - began

    def wait_missed(self, count: int, *, source: str, seconds: float = 180) -> None:
        """Until it has counted so many slots as missed, in all."""
        wait_until(
            lambda: self.missed()[source] >= count,
            seconds=seconds,
            what=f"{count} missed slots of {source}; the log of {self.name}: {self.log[-3000:]}",
        )

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait_end(self, seconds: float = 180) -> int:
        """Its exit code."""
        code = self._process.wait(seconds)
        self._reader.join(180)
        return code

    def terminate(self) -> float:
        """Asks it to stop; the seconds until it did, in order."""
        began = time.monotonic()
        self._process.terminate()
        code = self.wait_end(180)
        assert code == 0, f"exit code {code}: {self.log[-3000:]}"
        return time.monotonic() - began

    def kill(self) -> None:
        self._process.kill()
        self.wait_end()

    def close(self) -> None:
        """Whatever state it is in."""
        if self.running:
            self._process.send_signal(signal.SIGCONT)
            self.kill()
        self._reader.join(180)
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._lines.append(line)


class Offset:
    """What a process's clock is off, in seconds; the launchers read it from ``TEST_CLOCK``."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, seconds: float) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._file)

    @property
    def environment(self) -> dict[str, str]:
        return {"TEST_CLOCK": os.fspath(self._file), "TEST_ALONE": "1"}
