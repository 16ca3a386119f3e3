"""What rules would have said of the past: all records of a span, in the order of their times."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from cryptoproxy.datasets import Alert, from_iso, iso, key_of
from cryptoproxy.datasets.times import DAY_MS
from cryptoproxy.watch.judge import Judge
from cryptoproxy.watch.rulebook.rules import Rules


class Past(NamedTuple):
    """A record of the lake."""

    at_ms: int
    called: str
    line: bytes


@dataclass
class Spoken:
    """What one rule would have said."""

    opened: int = 0
    by_day: Counter[int] = field(default_factory=Counter)
    """By begin of the day, ms."""
    open_ms: int = 0
    """In all, of those that have ended."""
    ended: int = 0


@dataclass
class Trial:
    """All of it; ``alerts`` in the order of their moments."""

    alerts: list[Alert] = field(default_factory=list)
    records: int = 0
    rules: dict[str, Spoken] = field(default_factory=dict)


def trial(rules: Rules, streams: Sequence[Iterable[Past]]) -> Trial:
    """
    Args:
        streams: each in the order of its times.
    """
    judge, tried = Judge(rules, past=True), Trial(rules={name: Spoken() for name in rules.rules})
    decode = {called: decoder.decode for called, decoder in judge.decoders.items()}
    for past in heapq.merge(*streams):
        record = decode[past.called](past.line)
        tried.records += 1
        followed = judge.follow(past.called, key_of(past.line).decode(), record.symbol)
        if followed is None:
            continue
        judge.begin(past.at_ms)
        try:
            judge.take(followed, record)
        except (ValueError, msgspec.DecodeError):
            continue
    tried.alerts = sorted(judge.found, key=lambda each: each.timestamp)
    for each in tried.alerts:
        spoken, at = tried.rules[each.rule], from_iso(each.timestamp)
        if each.state == "open":
            spoken.opened += 1
            spoken.by_day[at - at % DAY_MS] += 1
        else:
            spoken.ended += 1
            spoken.open_ms += at - from_iso(each.since)
    return tried


def plot(tried: Trial, begin_ms: int, end_ms: int, file: Path) -> None:
    """How often each rule would have spoken, by day."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    days = list(range(begin_ms - begin_ms % DAY_MS, end_ms, DAY_MS))
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    below = [0] * len(days)
    for name, spoken in tried.rules.items():
        heights = [spoken.by_day[day] for day in days]
        axes.bar(range(len(days)), heights, bottom=below, label=f"{name} ({spoken.opened})")
        below = [low + high for low, high in zip(below, heights, strict=True)]
    step = max(1, len(days) // 10)
    axes.set_xticks(range(0, len(days), step), [iso(days[i])[:10] for i in range(0, len(days), step)])
    axes.set_ylabel("alerts that would have begun, by day (UTC)")
    axes.legend(loc="upper left", fontsize="small")
    figure.savefig(file, dpi=120)
