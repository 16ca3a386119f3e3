"""An ordered list of rules that counts, and its rules as JSON.

    Script([Rule(path="/_bulk", nth=3, status=429), Rule(method="PUT", every=2, lose_answer=True)])

The server asks the script about every request; the first rule that fires is applied. Each rule counts every request
that it matches, whether or not an earlier rule took it, so "the 3rd bulk" is the 3rd bulk whatever else is scripted.
"""

from __future__ import annotations

import threading
import time
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from types import FunctionType
from typing import Any, Generic, TypeVar

import msgspec

from cryptoproxy.sandbox.rules.frame import StreamRule
from cryptoproxy.sandbox.rules.request import Rule
from cryptoproxy.sandbox.rules.turns import RuleError, Turns

R = TypeVar("R", bound=Turns)
_TYPES = {
    kind: typing.get_type_hints(kind) | {"body": str | None, "rewrite": str | None} for kind in (Rule, StreamRule)
}
"""What JSON can hold: no bytes, no functions."""


@dataclass(frozen=True, slots=True)
class Count(Generic[R]):
    """How often a rule matched, and how often it was applied."""

    rule: R
    seen: int
    fired: int


class Tally(Generic[R]):
    """An ordered list of rules that counts. Safe to use from many threads, and while requests run."""

    def __init__(self, rules: Iterable[R] = (), *, seed: int = 0) -> None:
        self._random = Random(seed)
        self._changed = threading.Condition()
        self._counts: list[Count[R]] = []
        self.add(*rules)

    @property
    def empty(self) -> bool:
        """Without a rule it need not be asked about each frame."""
        return not self._counts

    def add(self, *rules: R) -> None:
        """Appends; each starts to count now."""
        with self._changed:
            self._counts += [Count(rule, 0, 0) for rule in rules]

    def clear(self, name: str | None = None) -> None:
        """Removes all rules, or those of one name. What they hold goes on."""
        with self._changed:
            self._counts = [count for count in self._counts if name is not None and count.rule.label != name]
            self._changed.notify_all()

    def decide(self, asked: object) -> R | None:
        """The rule to apply to this request or frame. Counts it."""
        with self._changed:
            chosen: R | None = None
            for i, count in enumerate(self._counts):
                rule, seen, fired = count.rule, count.seen, count.fired
                if not rule.matches(asked):
                    continue
                seen += 1
                if chosen is None and self._fires(rule, seen, fired):
                    chosen, fired = rule, fired + 1
                self._counts[i] = Count(rule, seen, fired)
            self._changed.notify_all()
            return chosen

    def counts(self) -> list[Count[R]]:
        with self._changed:
            return list(self._counts)

    def fired(self, name: str | None = None) -> int:
        """How often the rules of this label fired, or all of them."""
        return sum(count.fired for count in self.counts() if name in (None, count.rule.label))

    def wait_fired(self, times: int = 1, name: str | None = None, *, timeout: float = 10.0) -> bool:
        """Waits until rules have fired so often; False when the time was over first."""
        return self._wait(lambda: self.fired(name) >= times, timeout)

    def wait_removed(self, rule: R, *, timeout: float) -> bool:
        """Waits until the rule is no longer there; False when the time was over first."""
        return self._wait(lambda: all(count.rule is not rule for count in self.counts()), timeout)

    def _fires(self, rule: R, seen: int, fired: int) -> bool:
        if not rule.due(seen) or (rule.times is not None and fired >= rule.times):
            return False
        return rule.probability >= 1 or self._random.random() < rule.probability

    def _wait(self, condition: Callable[[], bool], timeout: float) -> bool:
        end = time.monotonic() + timeout
        with self._changed:
            while not condition():
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
            return True


class Script(Tally[Rule]):
    """Rules for requests."""


class StreamScript(Tally[StreamRule]):
    """Rules for frames and subscriptions of WebSockets."""


def add_rules(rules: Iterable[Rule | StreamRule], script: Script, streams: StreamScript) -> None:
    """Each to its own kind."""
    for rule in rules:
        if isinstance(rule, StreamRule):
            streams.add(rule)
        else:
            script.add(rule)


def read_rules(text: bytes) -> list[Rule | StreamRule]:
    """Out of JSON, for the control endpoint and for files: one rule, or a list of them. One with a ``topic`` is for
    streams.

    Raises:
        RuleError: with the place and the field.
    """
    try:
        data: object = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise RuleError(f"not JSON: {error}") from None
    if not isinstance(data, list):
        return [_read_rule(data)]
    rules: list[Rule | StreamRule] = []
    for i, item in enumerate(data):
        try:
            rules.append(_read_rule(item))
        except RuleError as error:
            raise RuleError(f"rule {i}: {error}") from None
    return rules


def _read_rule(data: object) -> Rule | StreamRule:
    if not isinstance(data, dict):
        raise RuleError("a rule is a JSON object")
    kind: type[Rule | StreamRule] = StreamRule if "topic" in data else Rule
    types = _TYPES[kind]
    fields: dict[str, object] = {}
    for name, value in data.items():
        if name not in types:
            raise RuleError(f"{name}: unknown field; there are {', '.join(types)}")
        try:
            fields[name] = msgspec.convert(value, types[name])
        except msgspec.ValidationError as error:
            raise RuleError(f"{name}: {error}") from None
    return typing.cast("typing.Callable[..., Rule | StreamRule]", kind)(**fields)


def show_count(count: Count[Any]) -> dict[str, object]:
    """A rule with its counts; fields that are not set are left out."""
    shown: dict[str, object] = {"label": count.rule.label, "seen": count.seen, "fired": count.fired}
    return shown | {name: _plain(value) for name, value in count.rule.given().items()}


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.__name__ if isinstance(value, FunctionType) else value
