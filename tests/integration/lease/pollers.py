"""Pollers as processes, and what they were seen to do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptoproxy.engines.machine.process import until
from tests.integration.lease import poller

ROOT = Path(__file__).parents[3]


class Poller:
    def __init__(self, name: str, folder: Path, broker: str, topic: str) -> None:
        self.name = name
        self._folder = folder
        with (folder / f"{name}.out").open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, poller.__file__, broker, topic, str(folder), name],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def state(self) -> dict[str, Any]:
        """As its `/readyz` and `/metrics` would say it."""
        try:
            return dict(json.loads((self._folder / f"{self.name}.json").read_text()))
        except FileNotFoundError:
            return {"reason": None, "active": None, "unconfirmed": None}

    @property
    def log(self) -> str:
        return (self._folder / f"{self.name}.log").read_text()

    @property
    def refused(self) -> list[int]:
        """The slots, after its first poll, in which it had no lease."""
        return [int(slot) for slot in (self._folder / f"{self.name}.refused").read_text().split()]

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def terminate(self) -> None:
        """Asks it to stop, and waits for that."""
        self._process.terminate()
        self._process.wait(timeout=180)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self.kill()


class Pollers:
    """Any number of pollers on one topic; ends them all."""

    def __init__(self, folder: Path, broker: str, topic: str) -> None:
        self._folder = folder
        self._broker = broker
        self._topic = topic
        self.lease_topic = f"{topic}.lease"
        self.all: dict[str, Poller] = {}
        (folder / "polls").touch()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        for each in self.all.values():
            each.close()
        if kind is not None:
            for log in sorted(self._folder.glob("*.log")) + sorted(self._folder.glob("*.out")):
                print(f"--- {log.name}\n{log.read_text()[-6000:]}")

    def start(self, name: str, *, broker: str | None = None) -> Poller:
        self.all[name] = Poller(name, self._folder, broker or self._broker, self._topic)
        return self.all[name]

    def polls(self) -> list[tuple[int, str]]:
        """Slot and poller, in the order they were written."""
        lines = (self._folder / "polls").read_text().splitlines()
        return [(int(slot), name) for slot, name in (line.split() for line in lines)]

    def pollers_since(self, slot: int) -> set[str]:
        return {name for each, name in self.polls() if each >= slot}

    def wait_active(self, *names: str, seconds: float = 180) -> str:
        """The first of these (of all without names) that is seen to poll from now on."""
        now = slot_now()
        wanted = set(names or self.all)
        assert until(lambda: bool(self.pollers_since(now) & wanted), seconds), f"{wanted}: none polls in {seconds} s"
        return next(name for slot, name in self.polls() if slot >= now and name in wanted)

    def wait_standing_by(self, *names: str, behind: str, seconds: float = 180) -> None:
        """Until these say that ``behind`` polls."""
        words = f"standing by: another poller is active ({behind}:"

        def said() -> bool:
            states = [self.all[name].state for name in names]
            return all((each["reason"] or "").startswith(words) and each["active"] == 0 for each in states)

        assert until(said, seconds), {name: self.all[name].state for name in names}

    def wait_polls(self, name: str, count: int, seconds: float = 180) -> None:
        """Until it has polled so often from now on."""
        before = len([1 for _, each in self.polls() if each == name])
        assert until(lambda: len([1 for _, each in self.polls() if each == name]) >= before + count, seconds), name


def slot_now() -> int:
    return int(time.monotonic() // poller.SLOT)
