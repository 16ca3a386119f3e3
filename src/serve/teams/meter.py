"""What was asked, by team and path, and which calls of an upstream that saved: as metrics, and as records of a minute.

A call is *made* where this question was the one that had it sent; *saved* where the answer came from the road, from the
index, or from what somebody else had asked: by itself the team would have called the upstream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from cryptoproxy.common.metrics import ServeMetrics
from cryptoproxy.datasets import iso
from cryptoproxy.datasets.contracts.usage import DOOR, Usage, in_key
from cryptoproxy.datasets.times import MINUTE_MS

OTHER, STREAMS = "other", "streams"
_REQUESTS, _REFUSED, _MADE, _SAVED = range(4)


class PathNames:
    """Names for paths, few enough to count by.

    Args:
        forms: of the paths below each upstream's base, ``{}`` for a name in them: ``coins/{}/ohlc``.
    """

    def __init__(self, forms: Mapping[str, Iterable[str]]) -> None:
        self._whole = {upstream: frozenset(each) for upstream, each in forms.items()}
        self._forms = {
            upstream: [form.split("/") for form in each if "{}" in form] for upstream, each in self._whole.items()
        }

    def of(self, upstream: str, path: str) -> str:
        """Not remembered: who is not admitted yet says the path, and it may be long."""
        if path in self._whole.get(upstream, ()):
            return f"{upstream}/{path}"
        parts = path.split("/")
        for form in self._forms.get(upstream, ()):
            if len(form) == len(parts) and all(a in ("{}", b) for a, b in zip(form, parts, strict=True)):
                return f"{upstream}/{'/'.join(form)}"
        return f"{upstream}/{OTHER}"


class _Counts:
    """Of one team and path: our own numbers, and what `/metrics` shows of them."""

    __slots__ = ("numbers", "shown")

    def __init__(self, metrics: ServeMetrics, team: str, path: str) -> None:
        self.numbers = [0, 0, 0, 0]
        families = metrics.team_requests, metrics.team_refused, metrics.calls_made, metrics.calls_saved
        self.shown = [each.labels(team, path) for each in families]

    def add(self, which: int) -> None:
        self.numbers[which] += 1
        self.shown[which].inc()


class Meter:
    """
    Args:
        door: makes the name by which the records of this process are told apart from those of another.
    """

    def __init__(self, metrics: ServeMetrics, *, door: Callable[[], str]) -> None:
        self._metrics, self._new_name = metrics, door
        self._last_ms = -1
        self._counts: dict[tuple[str, str], _Counts] = {}
        self._door = door()
        self._told: dict[tuple[str, str], tuple[int, ...]] = {}

    def asked(self, team: str, path: str, *, made: bool = False, saved: bool = False) -> None:
        """One question that was admitted."""
        counts = self._of(team, path)
        counts.add(_REQUESTS)
        if made:
            counts.add(_MADE)
        elif saved:
            counts.add(_SAVED)

    def refused(self, team: str, path: str) -> None:
        """One that was too much."""
        self._of(team, path).add(_REFUSED)

    def _of(self, team: str, path: str) -> _Counts:
        counts = self._counts.get((team, path))
        if counts is None:
            counts = self._counts[team, path] = _Counts(self._metrics, team, path)
        return counts

    def since_last(self, begin_ms: int, now_ms: int) -> list[Usage]:
        """Records of what was counted since the last time. After a clock was set back the door has another name: an id
        that is told twice counts once.

        Args:
            begin_ms: in the minute that they are of.
        """
        begin_ms -= begin_ms % MINUTE_MS
        if begin_ms <= self._last_ms:
            self._door = self._new_name()
        self._last_ms = begin_ms
        records = []
        for place, counts in list(self._counts.items()):
            now, before = tuple(counts.numbers), self._told.get(place, (0, 0, 0, 0))
            if now == before:
                continue
            self._told[place] = now
            requests, refused, made, saved = (a - b for a, b in zip(now, before, strict=True))
            team, path = place
            records.append(
                Usage(
                    source=DOOR,
                    asset_id=team,
                    quote=in_key(path),
                    team=team,
                    path=path,
                    door=self._door,
                    timestamp=iso(begin_ms),
                    fetched_at=iso(now_ms),
                    requests=requests,
                    refused=refused,
                    made=made,
                    saved=saved,
                )
            )
        return records
