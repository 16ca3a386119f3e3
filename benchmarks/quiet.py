"""Which rounds count: a round beside other load on the machine is recognised and measured again.

Two signs. A fixed piece of pure CPU work, timed before and after each round, takes longer when others use the cores or
the host takes them away. And during the round the kernel counts what all processes used: what none of ours has used is
somebody else's.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

SLOWER = 1.15
"""A yardstick that took so many times its best was not alone."""
PACE_TIMES = 5
FOREIGN_SHARE = 0.05
"""Of all cores' time that others may use."""
_WORK = b"x" * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What was seen of a round's surroundings.

    Args:
        yardsticks: seconds of the fixed work, before and after.
        foreign: share of all cores' time that others used during the round, 0 to 1.
    """

    yardsticks: tuple[float, ...]
    foreign: float


@dataclass(frozen=True, slots=True)
class Round(Generic[T]):
    value: T
    around: Surroundings
    why: str = ""
    """It was disturbed by this; empty for a quiet one."""


def disturbance(around: Surroundings, best: float) -> str:
    """Why the round should not count; empty if it should. ``best`` is the fixed work's best time so far."""
    slowest = max(around.yardsticks)
    if slowest > SLOWER * best:
        return f"fixed work took {slowest / best:.2f} × its best"
    if around.foreign > FOREIGN_SHARE:
        return f"others used {around.foreign:.0%} of the cores"
    return ""


class Quiet:
    """Measures rounds until enough of them were quiet, or as many as allowed.

    Args:
        ours: CPU seconds so far of this process and of all that it has started, whether it has ended or not: what
            else was used during a round is somebody else's.
    """

    def __init__(
        self,
        *,
        ours: Callable[[], float],
        yardstick: Callable[[], float] | None = None,
        busy: Callable[[], tuple[float, float]] | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self._ours = ours
        self._yardstick = yardstick or fixed_work
        self._busy = busy or machine_seconds
        self._say = say
        self.best = float("inf")

    def calibrate(self, times: int = 5) -> float:
        """The fixed work's best time; later rounds may still lower it."""
        self.best = min(self.best, *(self._yardstick() for _ in range(times)))
        return self.best

    def watch(self, measure: Callable[[], T]) -> Round[T]:
        """One round."""
        before = self._pace()
        (used, capacity), ours = self._busy(), self._ours()
        value = measure()
        (used_then, capacity_then), ours_then = self._busy(), self._ours()
        after = self._pace()
        self.best = min(self.best, before, after)
        whole = max(capacity_then - capacity, 1e-9)
        around = Surroundings((before, after), max(0.0, used_then - used - (ours_then - ours)) / whole)
        return Round(value, around, disturbance(around, self.best))

    def _pace(self) -> float:
        """The best of a few: what an engine still tidies up after a round, or the host takes a moment, is no load."""
        return min(self._yardstick() for _ in range(PACE_TIMES))

    def rounds(self, measure: Callable[[], T], *, wanted: int, spare: int, what: str) -> list[Round[T]]:
        """``wanted`` quiet rounds; with ``spare`` more tried and not enough quiet, the least disturbed fill up."""
        done: list[Round[T]] = []
        while sum(not each.why for each in done) < wanted and len(done) < wanted + spare:
            made = self.watch(measure)
            done.append(made)
            if made.why:
                self._say(f"  {what}: round {len(done)} disturbed ({made.why})")
        return best_of(done, wanted)


def best_of(done: list[Round[T]], wanted: int) -> list[Round[T]]:
    """The quiet ones, filled up with those that others disturbed least."""
    quiet = [each for each in done if not each.why][:wanted]
    rest = sorted(
        (each for each in done if each.why), key=lambda each: (each.around.foreign, max(each.around.yardsticks))
    )
    return quiet + rest[: wanted - len(quiet)]


def words(rounds: list[Round[T]]) -> str:
    """What a report says of rounds that were never quiet."""
    whys = [each.why for each in rounds if each.why]
    return f"{len(whys)} of {len(rounds)} rounds were never quiet ({whys[0]})" if whys else ""


def fixed_work() -> float:
    """Seconds for work that is always the same: some in the interpreter, some in C; about 0.1 s."""
    began = time.perf_counter()
    total = 0
    for number in range(600_000):
        total += number & 7
    for _ in range(40):
        hashlib.sha256(_WORK).digest()
    return time.perf_counter() - began


def machine_seconds() -> tuple[float, float]:
    """CPU seconds used by all processes (and taken by the host) since boot, and all that there were."""
    with open("/proc/stat", encoding="ascii") as file:  # noqa: PTH123 - a file of the kernel
        user, nice, system, idle, iowait, irq, softirq, steal, *_ = (
            int(each) / 100 for each in file.readline().split()[1:]
        )
    used = user + nice + system + irq + softirq + steal
    return used, used + idle + iowait
