"""The newest bars of each series: the open one, of symbols that are live, and the last that closed, which the index may
not have yet.

An open bar is no record: it is here for an answer's last row and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from cryptoproxy.common.clock import Clock
from cryptoproxy.datasets import Candle, iso
from cryptoproxy.datasets.contracts.candle import end_of
from cryptoproxy.datasets.times import moment_of

_KEPT = 5
"""Closed bars of a series: those of the minutes before they are searched for."""
_NEW_MS = 30_000
"""An open bar that was told longer ago is not shown: nobody knows what has happened since."""

Series = tuple[str, str, str]
"""Source, asset, interval."""


class OpenBars:
    """Written and read by the door's loop, and read by the threads that look for bars."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[Series, Candle] = {}
        self._closed: dict[Series, deque[Candle]] = {}

    def close(self, candle: Candle) -> None:
        """A bar that has closed. What is older than those that are here is of the past."""
        series = candle.source, candle.asset_id, candle.interval
        kept = self._closed.setdefault(series, deque(maxlen=_KEPT))
        if not kept or candle.timestamp > kept[-1].timestamp:
            kept.append(candle)

    def show(self, candle: Candle) -> None:
        """The open bar as it is now; ``fetched_at`` is when it was told."""
        self._open[candle.source, candle.asset_id, candle.interval] = candle

    def after(self, series: Series, begin: str) -> Sequence[Candle]:
        """The bars that follow one on the other from this begin on, the last of them open; none where that is not
        known to be all of them."""
        found: list[Candle] = []
        opened = self._open.get(series)
        if opened is None or self._clock.now_ms() - moment_of(opened.fetched_at) > _NEW_MS:
            return found
        for each in (*tuple(self._closed.get(series, ())), opened):
            if each.timestamp < begin:
                continue
            if each.timestamp != begin:
                return []
            found.append(each)
            begin = _next(each)
        return found if found and found[-1] is opened else []


def _next(candle: Candle) -> str:
    return iso(end_of(candle.timestamp, candle.interval))
