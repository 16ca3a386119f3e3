"""A question by steps of time, cut so that no answer has more than 10,000 steps in it.

Assets come first, as Elasticsearch then reads only the records of those that are asked for: pages of one large search
would each read all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cryptoproxy.queries.periods import Interval, Period
from cryptoproxy.queries.scope import MAX_BUCKETS, Asset


class Portion(NamedTuple):
    """Assets that are asked for together, and the parts of the period to ask for one after the other."""

    assets: tuple[Asset, ...]
    periods: tuple[Period, ...]


def portions(assets: Sequence[Asset], period: Period, every: Interval) -> Iterator[Portion]:
    """Parts are cut between steps."""
    steps = period.length_ms // every.ms + 2  # it may begin and end within a step
    together = max(1, MAX_BUCKETS // steps)
    # Steps of the calendar are long: 10,000 weeks are not cut.
    periods = (period,) if steps <= MAX_BUCKETS or not every.fixed else tuple(period.cut((MAX_BUCKETS - 2) * every.ms))
    for begin in range(0, len(assets), together):
        yield Portion(tuple(assets[begin : begin + together]), periods)
