"""The one scripted fault module: rules that say which requests go wrong, and how.

A :class:`Rule` is a value; a :class:`Script` is an ordered list of them that counts. The server and the proxy ask
the script about every request; the first rule that fires is applied. Each rule counts every request that it
matches, whether or not an earlier rule took it, so "the 3rd bulk" is the 3rd bulk whatever else is scripted.

    Script([Rule(path="/_bulk", nth=3, status=429), Rule(method="PUT", every=2, lose_answer=True)])
"""

from __future__ import annotations

import gzip
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from random import Random

from cryptoproxy.sandbox.rewrites import NAMED
from cryptoproxy.sandbox.wire import Request

# fmt: off
EFFECTS = (
    "refuse", "lose_answer", "hold", "cut_after", "drip", "delay",
    "rewrite", "replace", "body", "date_shift", "retry_after", "headers",
)
# fmt: on
"""In the order in which a label names them; the status comes first."""


class RuleError(ValueError):
    """A rule that cannot be. The text names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which requests, and what happens to them. Times are seconds, sizes are bytes.

    A rule that only matches (no effect set) lets its requests pass: it can count.
    """

    # --- which requests
    name: str = ""
    """What ledger and counts call it; two rules may share a name."""
    method: str | None = None
    path: str | None = None
    """Regular expression, searched in path and query as sent."""
    body_over: int | None = None
    """Only requests with a larger body, decompressed."""
    nth: int | None = None
    """Only the n-th match, from 1: short for ``first=n, last=n``."""
    first: int = 1
    last: int | None = None
    every: int = 1
    """Of these every k-th: the first of them, then each k later."""
    times: int | None = None
    """Fires at most so often."""
    probability: float = 1.0

    # --- instead of asking
    status: int | None = None
    """Answer this. Without ``body``: with the error body that this upstream is known for."""
    forward: bool = False
    """With ``status``: the request is done all the same, only the answer is another."""
    refuse: bool = False
    """Close without an answer; the request is not done."""

    # --- done, but
    lose_answer: bool = False
    """The request is done, then the connection closed without an answer."""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    """Set on the answer; None removes."""
    retry_after: float | None = None
    retry_after_date: bool = False
    """Write ``Retry-After`` as an HTTP date instead of seconds."""
    date_shift: float | None = None
    """The ``Date`` header is wrong by so many seconds."""
    body: str | bytes | None = None
    replace: tuple[str, str] | None = None
    """Old and new text in the body."""
    rewrite: str | Callable[[bytes], bytes] | None = None
    """A function from body to body, or the name of one in :mod:`sandbox.rewrites`."""

    # --- on the wire
    delay: float = 0.0
    """Before the first byte of the answer."""
    hold: bool = False
    """Do not answer before the rule is removed (``Script.clear``) or the server stops."""
    cut_after: int | None = None
    """Close after so many bytes of the body as sent, and always before its last."""
    drip: int | None = None
    """Bytes of the body per second."""
    reset: bool = False
    """Where the rule closes: with RST instead of FIN."""

    def __post_init__(self) -> None:
        for name in ("nth", "first", "last", "every", "times", "drip"):
            _at_least(name, getattr(self, name), 1)
        for name in ("body_over", "cut_after", "delay", "retry_after"):
            _at_least(name, getattr(self, name), 0)
        if not 0 <= self.probability <= 1:
            raise RuleError(f"probability: must be 0…1, not {self.probability}")
        if self.status is not None and not 200 <= self.status <= 599:
            raise RuleError(f"status: must be 200…599, not {self.status}")
        if isinstance(self.rewrite, str) and self.rewrite not in NAMED:
            raise RuleError(f"rewrite: unknown name {self.rewrite!r}; there are {', '.join(NAMED)}")
        try:
            re.compile(self.path or "")
        except re.error as error:
            raise RuleError(f"path: not a regular expression: {error}") from None

    @property
    def label(self) -> str:
        """The name, else what it does: ``429``, ``cut_after+drip``."""
        done = [str(self.status)] if self.status is not None else []
        done += [name for name in EFFECTS if name in self.given()]
        return self.name or "+".join(done) or "pass"

    def given(self) -> dict[str, object]:
        """The fields that are not at their default."""
        values = {f.name: (getattr(self, f.name), f.default) for f in fields(self)}
        return {name: value for name, (value, default) in values.items() if value not in (default, {})}

    def matches(self, request: Request) -> bool:
        return (
            (self.method is None or self.method.upper() == request.method)
            and (self.path is None or re.search(self.path, request.target) is not None)
            and (self.body_over is None or body_size(request) > self.body_over)
        )

    def due(self, n: int) -> bool:
        """Whether the n-th match, from 1, is one of those meant."""
        first, last = (self.nth, self.nth) if self.nth is not None else (self.first, self.last)
        return n >= first and (last is None or n <= last) and (n - first) % self.every == 0


@dataclass(frozen=True, slots=True)
class Count:
    """How often a rule matched, and how often it was applied."""

    rule: Rule
    seen: int
    fired: int


class Script:
    """An ordered list of rules that counts. Safe to use from many threads, and while requests run."""

    def __init__(self, rules: Iterable[Rule] = (), *, seed: int = 0) -> None:
        self._random = Random(seed)
        self._changed = threading.Condition()
        self._counts: list[Count] = []
        self.add(*rules)

    def add(self, *rules: Rule) -> None:
        """Appends; each starts to count now."""
        with self._changed:
            self._counts += [Count(rule, 0, 0) for rule in rules]

    def clear(self, name: str | None = None) -> None:
        """Removes all rules, or those of one name. What they hold goes on."""
        with self._changed:
            self._counts = [count for count in self._counts if name is not None and count.rule.label != name]
            self._changed.notify_all()

    def decide(self, request: Request) -> Rule | None:
        """The rule to apply to this request. Counts it."""
        with self._changed:
            chosen: Rule | None = None
            for i, count in enumerate(self._counts):
                rule, seen, fired = count.rule, count.seen, count.fired
                if not rule.matches(request):
                    continue
                seen += 1
                if chosen is None and self._fires(rule, seen, fired):
                    chosen, fired = rule, fired + 1
                self._counts[i] = Count(rule, seen, fired)
            self._changed.notify_all()
            return chosen

    def counts(self) -> list[Count]:
        with self._changed:
            return list(self._counts)

    def fired(self, name: str | None = None) -> int:
        """How often the rules of this label fired, or all of them."""
        return sum(count.fired for count in self.counts() if name in (None, count.rule.label))

    def wait_fired(self, times: int = 1, name: str | None = None, *, timeout: float = 10.0) -> bool:
        """Waits until rules have fired so often; False when the time was over first."""
        return self._wait(lambda: self.fired(name) >= times, timeout)

    def wait_removed(self, rule: Rule, *, timeout: float) -> bool:
        """Waits until the rule is no longer there; False when the time was over first."""
        return self._wait(lambda: all(count.rule is not rule for count in self.counts()), timeout)

    def _fires(self, rule: Rule, seen: int, fired: int) -> bool:
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


def body_size(request: Request) -> int:
    """Bytes of the request's body, decompressed, which is what Elasticsearch counts for its 413."""
    if (request.header("content-encoding") or "").lower() == "gzip":
        try:
            return len(gzip.decompress(request.body))
        except (OSError, EOFError, zlib.error):
            pass  # not gzip after all: the bytes count as they are
    return len(request.body)


def _at_least(name: str, value: float | None, least: int) -> None:
    if value is not None and value < least:
        raise RuleError(f"{name}: must be {least} or more, not {value}")
