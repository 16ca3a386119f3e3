"""One rule for one asset: whether it holds, since when, and what is said when that changes.

Each condition of a rule is a leaf; a probe is a gauge with the leaves that look at it; a row has all probes of a field.
Most records change nothing, and cost the comparisons of a row, however many rules there are.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cryptoproxy.watch.figures.gauge import EVERY, NAN, NEVER, NONE, PLACES, Gauge
from cryptoproxy.watch.rulebook.rules import Condition, Rule

_EVER = math.inf
APART_MS = 90_000
"""Two sources are held against each other only where both have said something within so long."""


class Leaf:
    """A condition, and whether it holds now."""

    __slots__ = (
        "absolute", "case", "clear", "condition", "figure", "holds", "known", "level", "normal", "sign", "threshold",
        "why",
    )  # fmt: skip

    def __init__(self, condition: Condition, case: Case) -> None:
        self.condition = condition
        self.case = case
        self.sign = 1.0 if condition.above else -1.0
        self.absolute = condition.of_kind.absolute
        self.threshold = condition.threshold
        self.clear = condition.clear
        self.holds = False
        self.known = not condition.of_kind.crossing
        """It has been seen not to hold, where that is asked for."""
        self.figure = self.level = self.normal = NAN
        self.why = ""

    def take(self, figure: float) -> bool:
        """Whether it changed with this figure, which is no NaN."""
        if self.absolute:
            figure = abs(figure)
        if self.holds:
            now = self.sign * figure >= self.sign * self.clear
        else:
            now = self.sign * figure >= self.sign * self.threshold
            if not self.known:
                self.known, now = not now, False
                return True  # the bounds differ
        changed, self.holds = now != self.holds, now
        return changed

    def bounds(self) -> tuple[float, float]:
        """Figures strictly between these change nothing."""
        if self.absolute:
            return NONE if self.holds else (-self.threshold, self.threshold)
        if self.holds or not self.known:
            edge = self.clear if self.holds else self.threshold
            return (edge, _EVER) if self.sign > 0 else (-_EVER, edge)
        return (-_EVER, self.threshold) if self.sign > 0 else (self.threshold, _EVER)


class Probe:
    """A gauge of one field of one asset, and who looks at it."""

    __slots__ = ("_highest", "_lowest", "due", "gauge", "high", "leaves", "low", "seen", "spec", "take", "value")

    def __init__(self, spec: Any, gauge: Gauge, leaves: Sequence[Leaf]) -> None:
        self.spec = spec
        self.gauge = gauge
        self.take: Callable[[int, float], float] = gauge.take
        self.leaves = leaves
        self.value = 0.0
        """The last that was looked at."""
        self.seen = 0
        """How many of the row's waiting samples it has had."""
        self.bound()

    def bound(self) -> None:
        """Anew, after a leaf has changed."""
        bounds = [leaf.bounds() for leaf in self.leaves]
        self._lowest = max(low for low, _ in bounds)
        self._highest = min(high for _, high in bounds)
        self.reckon(self.value)

    def reckon(self, value: float) -> None:
        """Anew, after the gauge has had a sample: between which values, and until when, nothing changes."""
        if self._lowest >= self._highest:
            self.due, (self.low, self.high) = EVERY, NONE
        else:
            self.low, self.high = self.gauge.edges(self._lowest, self._highest, value)
            self.due = self.gauge.due

    def catch_up(self, times: array[int], values: array[float]) -> None:
        """Of those that wait what it has not had."""
        seen = self.seen
        if not seen:
            if times:
                self.gauge.catch_up(times, values)
        elif seen < len(times):
            self.gauge.catch_up(times[seen:], values[seen:])

    def crossed(self, figure: float, level: float) -> list[Case]:
        """The cases of which a leaf has changed."""
        if not (figure >= self._highest or figure <= self._lowest):  # so that NaN is none
            return []
        touched = []
        for leaf in self.leaves:
            leaf.figure, leaf.level, leaf.normal = figure, level, self.gauge.normal
            leaf.why = getattr(self.gauge, "why", "")
            if leaf.take(figure):
                touched.append(leaf.case)
        self.value = level
        self.bound()
        return touched


MOST = 256
"""Samples that wait in a row at the most."""


class Row:
    """All probes of one field of one asset. Between ``low`` and ``high``, and before ``due``, none of them changes, so
    that a sample may wait for when one of them wants it."""

    __slots__ = ("due", "field", "high", "keep_time", "keep_value", "keeps", "low", "probes", "times", "values")

    def __init__(self, field: str, probes: Sequence[Probe]) -> None:
        self.field = field
        self.probes = probes
        self.keeps = any(probe.gauge.due < NEVER for probe in probes)
        """Whether there is any that wants samples later."""
        self.times: array[int] = array("q")
        self.values: array[float] = array("d")
        """Those that wait."""
        self.keep_time, self.keep_value = self.times.append, self.values.append
        self.bound()

    def bound(self) -> None:
        """Anew, after a probe has changed."""
        due, low, high = NEVER, -_EVER, _EVER
        for probe in self.probes:  # without calls: it is asked at each look
            if probe.due < due:  # noqa: PLR1730
                due = probe.due
            if probe.low > low:  # noqa: PLR1730
                low = probe.low
            if probe.high < high:  # noqa: PLR1730
                high = probe.high
        self.due, self.low, self.high = due, low, high

    def catch_up(self) -> None:
        """Nothing waits any more."""
        times, values = self.times, self.values
        if times:
            for probe in self.probes:
                probe.catch_up(times, values)
                probe.seen = 0
            del times[:], values[:]

    def look(self, at: int, value: float) -> list[Case]:
        """The cases of which a leaf has changed with this sample."""
        touched: list[Case] = []
        times, values, behind = self.times, self.values, False
        for probe in self.probes:
            if at < probe.due and probe.low < value < probe.high:
                behind = True
                continue
            probe.catch_up(times, values)
            probe.seen = len(times) + 1
            if crossed := probe.crossed(probe.take(at, value), value):
                touched += crossed
            else:
                probe.reckon(value)
        if behind and self.keeps:
            times.append(at)
            values.append(value)
            if len(times) >= MOST:
                self.catch_up()
        else:
            del times[:], values[:]
            for probe in self.probes:
                probe.seen = 0
        self.bound()
        return touched


class Apart:
    """A probe that holds each sample of a field against the newest of the same asset at another source.

    Args:
        other: time (0 where there is none yet) and value of that, kept up by who sees it.
    """

    __slots__ = ("field", "other", "probe")

    def __init__(self, field: str, probe: Probe, other: list[Any]) -> None:
        self.field = field
        self.probe = probe
        self.other = other

    def look(self, at: int, value: float) -> list[Case]:
        """The cases of which a leaf has changed with this sample."""
        then, other = self.other
        if not other or abs(at - then) > APART_MS:
            return []
        self.probe.gauge.normal = other
        return self.probe.crossed(round(abs(value / other - 1.0) * 10_000.0, PLACES), value)


class Case:
    """A rule for an asset."""

    __slots__ = ("asset_id", "count", "last_open", "leaves", "open", "rule", "since")

    def __init__(self, rule: Rule, asset_id: str) -> None:
        self.rule = rule
        self.asset_id = asset_id
        self.leaves = [Leaf(condition, self) for condition in rule.conditions]
        self.count = 0
        """Records in a row for which it held, while it is not open."""
        self.open = False
        self.since = 0
        self.last_open: int | None = None

    @property
    def holds(self) -> bool:
        joined = all if self.rule.join == "all" else any
        return joined(leaf.holds for leaf in self.leaves)

    def decide(self, at: int, *, may_open: bool = True) -> bool | None:
        """With a record of this moment: True where it opens, False where it ends, None where nothing changes.

        Args:
            may_open: whether the asset is one of the rule's by now.
        """
        if not self.holds:
            self.count = 0
            if not self.open:
                return None
            self.open = False
            return False
        if self.open:
            return None
        self.count += 1
        rule = self.rule
        too_early = self.last_open is not None and at < self.last_open + rule.cool_down_ms
        if self.count < rule.hold or too_early or not may_open or not rule.hours.hold(at):
            return None
        self.open, self.since, self.last_open = True, at, at
        return True

    @property
    def waits(self) -> bool:
        """Holds, and is not open yet: each record may open it."""
        return self.count > 0 and not self.open

    def speaker(self) -> Leaf:
        """The leaf whose figures are told: the first that holds, else the first."""
        return next((leaf for leaf in self.leaves if leaf.holds), self.leaves[0])

    # --- across a restart
    def truth(self) -> dict[str, Any] | None:
        """What of it is told to the ledger at each change; None where there is nothing to remember."""
        if not self.open and (self.last_open is None or not self.rule.cool_down_ms):
            return None
        return {"mark": self.rule.mark, "open": self.open, "since": self.since, "last_open": self.last_open}

    def believe(self, truth: Mapping[str, Any] | None) -> None:
        """The reverse: what was told counts, whatever a replay has come to."""
        self.open = bool(truth and truth["open"])
        self.since = truth["since"] if truth else 0
        self.last_open = truth["last_open"] if truth else None

    def dump(self) -> list[Any]:
        """What a replay goes on from."""
        return [self.count, [[leaf.holds, leaf.known, leaf.figure, leaf.level, leaf.normal] for leaf in self.leaves]]

    def load(self, known: list[Any]) -> None:
        """The reverse."""
        self.count, leaves = known
        for leaf, (holds, seen, *told) in zip(self.leaves, leaves, strict=True):
            leaf.holds, leaf.known = holds, seen
            if told:  # an older version kept none, and after it an alert may lack its figure
                leaf.figure, leaf.level, leaf.normal = told
