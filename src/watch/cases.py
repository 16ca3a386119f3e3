"""One rule for one asset: whether it holds, since when, and what is said when that changes.

Each condition of a rule is a leaf; a probe is a gauge with the leaves that look at it; a row has all probes of a field.
Most records change nothing, and cost the comparisons of a row, however many rules there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cryptoproxy.watch.figures.windows import EVERY, NAN, NONE, Gauge
from cryptoproxy.watch.rulebook.rules import Condition, Rule

_EVER = math.inf


class Leaf:
    """A condition, and whether it holds now."""

    __slots__ = (
        "absolute", "case", "clear", "condition", "figure", "holds", "known", "level", "normal", "sign", "threshold"
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

    __slots__ = ("_highest", "_lowest", "due", "gauge", "high", "leaves", "low", "spec", "take")

    def __init__(self, spec: Any, gauge: Gauge, leaves: Sequence[Leaf]) -> None:
        self.spec = spec
        self.gauge = gauge
        self.take: Callable[[int, float], float] = gauge.take
        self.leaves = leaves
        self.bound()

    def bound(self) -> None:
        """Anew, after a leaf has changed."""
        bounds = [leaf.bounds() for leaf in self.leaves]
        self._lowest = max(low for low, _ in bounds)
        self._highest = min(high for _, high in bounds)
        self.reckon()

    def reckon(self) -> None:
        """Anew, after the gauge has had a sample: between which values, and until when, nothing changes."""
        if self.spec[0] == "apart" or self._lowest >= self._highest:
            self.due, (self.low, self.high) = EVERY, NONE
        else:
            self.due = self.gauge.due
            self.low, self.high = self.gauge.edges(self._lowest, self._highest)

    def crossed(self, figure: float, level: float) -> list[Case]:
        """The cases of which a leaf has changed."""
        if not (figure >= self._highest or figure <= self._lowest):  # so that NaN is none
            return []
        touched = []
        for leaf in self.leaves:
            leaf.figure, leaf.level, leaf.normal = figure, level, self.gauge.normal
            if leaf.take(figure):
                touched.append(leaf.case)
        self.bound()
        return touched


class Row:
    """All probes of one field of one asset. Between ``low`` and ``high``, and before ``due``, none of them changes."""

    __slots__ = ("due", "field", "high", "low", "probes")

    def __init__(self, field: str, probes: Sequence[Probe]) -> None:
        self.field = field
        self.probes = probes
        self.bound()

    def bound(self) -> None:
        """Anew, after a probe has changed."""
        self.due = min([probe.due for probe in self.probes])
        self.low = max([probe.low for probe in self.probes])
        self.high = min([probe.high for probe in self.probes])

    def look(self, at: int, value: float, apart: Callable[[Probe, int, float], float]) -> list[Case]:
        """The cases of which a leaf has changed with this sample.

        Args:
            apart: the figure of a probe that looks at another source as well.
        """
        touched: list[Case] = []
        for probe in self.probes:
            if at < probe.due and probe.low < value < probe.high:
                continue
            figure = probe.take(at, value) if probe.spec[0] != "apart" else apart(probe, at, value)
            if crossed := probe.crossed(figure, value):
                touched += crossed
            else:
                probe.reckon()
        self.bound()
        return touched


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

    def believe(self, truth: dict[str, Any] | None) -> None:
        """The reverse: what was told counts, whatever a replay has come to."""
        self.open = bool(truth and truth["open"])
        self.since = truth["since"] if truth else 0
        self.last_open = truth["last_open"] if truth else None

    def dump(self) -> list[Any]:
        """What a replay goes on from."""
        return [self.count, [[leaf.holds, leaf.known] for leaf in self.leaves]]

    def load(self, known: list[Any]) -> None:
        """The reverse."""
        self.count, leaves = known
        for leaf, (holds, seen) in zip(self.leaves, leaves, strict=True):
            leaf.holds, leaf.known = holds, seen
