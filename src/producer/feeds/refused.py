"""Calls that an upstream refuses for what only a person can mend: asked again less and less often."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cryptoproxy.errors import OperatorError
from cryptoproxy.upstreams.base import Call

LONGEST_SECONDS = 900.0
"""How long such a call at most is not asked again."""


class _Refused(NamedTuple):
    call: Call
    error: OperatorError
    times: int
    """In a row."""
    until: float


class Refused:
    """Of one source, by address. A call that a person has changed, its key for one, is another call.

    Args:
        monotonic: seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._calls: dict[str, _Refused] = {}

    def require_not(self, call: Call) -> None:
        """Raises:
        OperatorError: the refusal of ``call``, while it is not to be asked again.
        """
        refused = self._of(call)
        if refused and self._monotonic() < refused.until:
            raise refused.error.with_traceback(None)  # raised in each slot, it would collect them

    def add(self, call: Call, error: OperatorError, *, span: float, told: float) -> None:
        """Leaves out the next slot, then the next 3, 7 … up to a quarter of an hour.

        Args:
            span: seconds from one slot to the next.
            told: seconds that the upstream asks for at least.
        """
        before = self._of(call)
        times = before.times + 1 if before else 1
        seconds = min(span * (2 ** min(times, 16) - 0.5), LONGEST_SECONDS)  # it ends between two slots
        self._calls[call.url] = _Refused(call, error, times, self._monotonic() + max(seconds, told))

    def answered(self, call: Call) -> None:
        """It is mended: the next refusal is the first one again."""
        if self._of(call):
            del self._calls[call.url]

    def _of(self, call: Call) -> _Refused | None:
        refused = self._calls.get(call.url)
        return refused if refused and refused.call == call else None
