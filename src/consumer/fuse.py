"""The fuse of the dead-letter topic: one bad record is set aside, a flood of them is somebody's mistake.

Without it a producer with a new bug would move the whole topic to the dead letters overnight.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

IN_A_ROW = 100
OF_THE_LAST = 110


class Fuse:
    """Blows at 100 poisonous records in a row, or 100 of the last 110. Judged a batch at a time, before any is sent."""

    def __init__(self) -> None:
        self._last: deque[bool] = deque(maxlen=OF_THE_LAST)
        self._with_batch = self._last

    def judge(self, poisonous: Iterable[bool]) -> bool:
        """True if it blows within this batch. Nothing is remembered yet, so that it can be judged again."""
        self._with_batch = last = deque(self._last, maxlen=OF_THE_LAST)
        bad = sum(last)
        for verdict in poisonous:
            if len(last) == OF_THE_LAST:
                bad -= last[0]
            last.append(verdict)
            bad += verdict
            if bad >= IN_A_ROW:
                return True
        return False

    def judge_good(self, count: int) -> None:
        """The same for a batch without poison, which cannot blow it."""
        self._with_batch = deque(self._last, maxlen=OF_THE_LAST)
        self._with_batch.extend([False] * min(count, OF_THE_LAST))

    def remember(self) -> None:
        """The batch that was judged last is finished."""
        self._last = self._with_batch
