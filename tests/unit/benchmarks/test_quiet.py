"""Rounds beside other load are recognised, repeated within bounds, and never passed off as quiet."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.quiet import PACE_TIMES, Quiet, Round, Surroundings, best_of, disturbance, machine_seconds, words


def test_slower_fixed_work_before_or_after_is_a_disturbance() -> None:
    assert disturbance(Surroundings((0.100, 0.105), foreign=0.01), best=0.1) == ""
    assert "1.30 × its best" in disturbance(Surroundings((0.100, 0.130), foreign=0.0), best=0.1)


def test_cores_used_by_others_are_a_disturbance() -> None:
    assert "others used 20% of the cores" in disturbance(Surroundings((0.1,), foreign=0.2), best=0.1)


class Machine:
    """Two cores; each round takes a second of ours, and what the script says of others."""

    def __init__(self, others: Iterable[float], work: Iterable[float] | None = None) -> None:
        self._others = iter(others)
        self._work = iter(work) if work is not None else None
        self._used = self._capacity = 0.0
        self.rounds = 0

    def yardstick(self) -> float:
        return next(self._work) if self._work is not None else 0.1

    def busy(self) -> tuple[float, float]:
        return self._used, self._capacity

    def ours(self) -> float:
        return float(self.rounds)

    def measure(self) -> int:
        self.rounds += 1
        self._used += 1.0 + next(self._others)
        self._capacity += 2.0
        return self.rounds


def quiet(machine: Machine, said: list[str]) -> Quiet:
    return Quiet(ours=machine.ours, yardstick=machine.yardstick, busy=machine.busy, say=said.append)


def test_a_disturbed_round_is_said_and_measured_again() -> None:
    said: list[str] = []
    machine = Machine([0, 1, 0])
    rounds = quiet(machine, said).rounds(machine.measure, wanted=2, spare=3, what="indexing")
    assert [each.value for each in rounds] == [1, 3]
    assert [each.why for each in rounds] == ["", ""]
    assert len(said) == 1
    assert "round 2 disturbed" in said[0]


def test_a_machine_that_is_never_quiet_gives_its_least_disturbed_rounds_and_says_so() -> None:
    machine = Machine([0.9, 0.5, 0.7, 0.6])
    rounds = quiet(machine, []).rounds(machine.measure, wanted=2, spare=2, what="indexing")
    assert machine.rounds == 4
    assert [each.value for each in rounds] == [2, 4]
    assert words(rounds) == "2 of 2 rounds were never quiet (others used 25% of the cores)"


def test_the_best_fixed_work_of_the_whole_run_is_the_measure() -> None:
    few = PACE_TIMES
    machine = Machine([0, 0], work=[0.2] + [0.1] * 2 * few + [0.2] * few + [0.1] * few)
    judge = quiet(machine, [])
    judge.calibrate(1)
    assert judge.watch(machine.measure).why == ""
    assert "2.00 × its best" in judge.watch(machine.measure).why


def test_quiet_rounds_come_before_disturbed_ones() -> None:
    loud = Round("loud", Surroundings((0.1,), 0.5), why="others")
    softer = Round("softer", Surroundings((0.1,), 0.3), why="others")
    calm = Round("calm", Surroundings((0.1,), 0.0))
    assert [each.value for each in best_of([loud, softer, calm], 2)] == ["calm", "softer"]


def test_no_words_about_quiet_rounds() -> None:
    assert words([Round(1, Surroundings((0.1,), 0.0))]) == ""


def test_the_kernel_counts_more_capacity_than_use() -> None:
    used, capacity = machine_seconds()
    assert 0 < used <= capacity


def test_a_hiccup_of_a_moment_is_no_disturbance() -> None:
    machine = Machine([0], work=[0.1, 0.2, *[0.1] * (PACE_TIMES - 1), *[0.2] * (PACE_TIMES - 1), 0.1])
    judge = quiet(machine, [])
    judge.calibrate(1)
    assert judge.watch(machine.measure).why == ""
