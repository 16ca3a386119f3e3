"""The kinds of condition: the one table from which reading, gauges, sentences and docs follow.

A condition holds a gauge's figure against a threshold. Once it holds it goes on until the figure is back beyond
``clear``, which is the threshold itself where a rule names no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cryptoproxy.watch.figures import indicators, learned, ranks, windows
from cryptoproxy.watch.figures.gauge import Gauge

Form = Literal["number", "percent", "times", "bps", "sigma", "span", "bars", "word"]
"""How a value is written: 5, 5%, 3x, 50bps, 6, 1h, 14, up."""
Spec = tuple[Any, ...]
"""A gauge in plain values: two conditions with the same one share it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A further word of a condition."""

    form: Form
    default: Any = None
    """None: must be there."""
    words: Sequence[str] = ()
    """Of the form `word`: what it may be; any where there are none."""
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of condition."""

    says: str
    """For the docs, and for who has misspelled one."""
    main: Form
    above: bool = True
    """It holds at or above the threshold; else at or below."""
    negative: bool = False
    """The threshold is written without its minus."""
    unit: str = ""
    """Of figure and threshold; ``""``: the field's own."""
    options: Mapping[str, Option] = field(default_factory=dict)
    gauge: Callable[[Mapping[str, Any]], Spec] = lambda _: ("last",)
    sentence: str
    over: str = ""
    """What is said once it is over."""
    closed_bars: bool = False
    absolute: bool = False
    """The figure counts without its sign."""
    crossing: bool = False
    """Counts only when it was seen not to hold before."""
    words: Sequence[str] = ()
    """Where the main value is a word: which there are."""
    of: str = ""
    """What it looks at, where that is none of the rule's choice: ``gap.records``."""


WITHIN = Option(form="span")
_CHANGE = Option(form="span", optional=True)


def _of_change(options: Mapping[str, Any]) -> Spec:
    return ("change", options["change"]) if options.get("change") else ("last",)


KINDS: Mapping[str, Kind] = {
    "above": Kind(
        says="the value is at or above", main="number", sentence="{symbol} {of} is {level}, at or above {threshold}",
        over="{symbol} {of} is {level} again, below {clear}",
    ),
    "below": Kind(
        says="the value is at or below", main="number", above=False,
        sentence="{symbol} {of} is {level}, at or below {threshold}",
        over="{symbol} {of} is {level} again, above {clear}",
    ),
    "rises": Kind(
        says="up by so many percent within a window", main="percent", unit="%", options={"within": WITHIN},
        gauge=lambda options: ("change", options["within"]),
        sentence="{symbol} rose {value} % within {within}, to {level}",
        over="{symbol} is up {value} % within {within}, at {level}",
    ),
    "falls": Kind(
        says="down by so many percent within a window", main="percent", above=False, negative=True, unit="%",
        options={"within": WITHIN}, gauge=lambda options: ("change", options["within"]),
        sentence="{symbol} fell {value} % within {within}, to {level}",
        over="{symbol} is at {value} % within {within}, at {level}",
    ),
    "moves": Kind(
        says="up or down by so many percent within a window", main="percent", unit="%", options={"within": WITHIN},
        absolute=True, gauge=lambda options: ("change", options["within"]),
        sentence="{symbol} moved {value} % within {within}, to {level}",
        over="{symbol} moved no more than {value} % within {within}, at {level}",
    ),
    "times-mean": Kind(
        says="so many times its own mean of a window", main="times", unit="times", options={"within": WITHIN},
        gauge=lambda options: ("times-mean", options["within"]),
        sentence="{symbol} {of} is {level}, {value} times its mean of {within} ({normal})",
        over="{symbol} {of} is {level}, {value} times its mean of {within}",
    ),
    "percentile-above": Kind(
        says="the value, or its change, is among the highest of a window", main="number", unit="percentile",
        options={"within": WITHIN, "change": _CHANGE},
        gauge=lambda options: ("percentile", _of_change(options), options["within"]),
        sentence="{symbol} {of}{of_change} is above {value} % of what it was within {within}, at {level}",
        over="{symbol} {of}{of_change} is above {value} % of what it was within {within}, at {level}",
    ),
    "percentile-below": Kind(
        says="the value, or its change, is among the lowest of a window", main="number", above=False,
        unit="percentile", options={"within": WITHIN, "change": _CHANGE},
        gauge=lambda options: ("percentile", _of_change(options), options["within"]),
        sentence="{symbol} {of}{of_change} is above only {value} % of what it was within {within}, at {level}",
        over="{symbol} {of}{of_change} is above {value} % of what it was within {within}, at {level}",
    ),
    "rsi-above": Kind(
        says="the relative strength index of closed bars is at or above", main="number", closed_bars=True, unit="RSI",
        options={"bars": Option(form="bars", default=14)}, gauge=lambda options: ("rsi", options["bars"]),
        sentence="{symbol} RSI({bars}) of {of} is {value}, at {level}", over="{symbol} RSI({bars}) is {value} again",
    ),
    "rsi-below": Kind(
        says="the relative strength index of closed bars is at or below", main="number", above=False, closed_bars=True,
        unit="RSI", options={"bars": Option(form="bars", default=14)}, gauge=lambda options: ("rsi", options["bars"]),
        sentence="{symbol} RSI({bars}) of {of} is {value}, at {level}", over="{symbol} RSI({bars}) is {value} again",
    ),
    "average-crosses": Kind(
        says="the fast moving average of closed bars crosses the slow one: up or down", main="word",
        words=("up", "down"), closed_bars=True, crossing=True, unit="%",
        options={
            "fast": Option(form="bars"), "slow": Option(form="bars"),
            "mean": Option(form="word", default="plain", words=("plain", "exponential")),
        },
        gauge=lambda options: ("crossing", options["fast"], options["slow"], options["mean"] == "exponential"),
        sentence="{symbol} the mean of {fast} bars has crossed that of {slow} {direction}, at {level}",
        over="{symbol} the mean of {fast} bars is back on the other side of that of {slow}, at {level}",
    ),
    "stale": Kind(
        says="no record for so long", main="span", unit="s",
        sentence="{symbol} has no new {of} for {threshold_span}", over="{symbol} has new {of} again",
    ),
    "gap": Kind(
        says="records of a stream or a history lack over so long a time, and are not mended", main="span", unit="s",
        options={"in": Option(form="word", optional=True)}, of="gap.records",
        sentence="{symbol} lacks {value} s: {why}", over="{symbol} lacks nothing any more of what was told",
    ),
    "apart": Kind(
        says="so far from the same asset at another source, in basis points", main="bps", unit="bps",
        options={"from": Option(form="word")}, gauge=lambda options: ("apart", options["from"]),
        sentence="{symbol} {of} is {level}, {value} bps from {from}'s {normal}",
        over="{symbol} {of} is {level}, {value} bps from {from}'s",
    ),
    "robust-score": Kind(
        says="the value, or its change, is so many robust sigmas (median, MAD) from the median of a window",
        main="sigma", unit="sigma", options={"within": WITHIN, "change": _CHANGE},
        gauge=lambda options: ("robust", _of_change(options), options["within"]),
        sentence="{symbol} {of}{of_change} is odd: {value} robust sigmas from {normal}, the median of {within}, "
        "at {level}",
        over="{symbol} {of}{of_change} is within {value} robust sigmas again, at {level}",
    ),
    "volatility-score": Kind(
        says="the last minute's return is so many of its usual (EWMA) sigmas", main="sigma", unit="sigma",
        options={"samples": Option(form="bars", default=120)},
        gauge=lambda options: ("volatility", options["samples"]),
        sentence="{symbol} {of} is odd: a move of {value} sigma, where one is {normal} %; at {level}",
        over="{symbol} {of} moves by {value} sigma again, at {level}",
    ),
    "level-shift": Kind(
        says="the value drifts from its level (CUSUM) by so many sigmas in all", main="sigma", unit="sigma",
        options={"samples": Option(form="bars", default=240)},
        gauge=lambda options: ("level", options["samples"]),
        sentence="{symbol} {of} has left its level of {normal}: a drift of {value} sigma; at {level}",
        over="{symbol} {of} keeps its level again, at {level}",
    ),
    "half-space-score": Kind(
        says="the price's last minutes are strange, by half-space trees that learn each asset online: near 1 where "
        "hardly any of the `samples` before were like them", main="number", unit="score",
        options={"samples": Option(form="bars", default=500)},
        gauge=lambda options: ("half-spaces", options["samples"]),
        sentence="{symbol} {of} is odd: a score of {value}, where {normal} is usual: {why}; at {level}",
        over="{symbol} {of} is as usual again, with a score of {value}, at {level}",
    ),
    "forest-score": Kind(
        says="the price's last minutes are strange, by an isolation forest of the registry of models", main="number",
        unit="score", options={"model": Option(form="word"), "version": Option(form="word", default="live")},
        gauge=lambda options: ("isolation", options["model"], options["version"]),
        sentence="{symbol} {of} is odd: a score of {value}, where {normal} is usual: {why}; at {level}",
        over="{symbol} {of} is as usual again, with a score of {value}, at {level}",
    ),
}  # fmt: skip


_MADE: Mapping[str, Callable[..., Gauge]] = {
    "last": windows.Last,
    "apart": lambda _: windows.Last(),  # reckoned by who knows the other source
    "change": windows.Change,
    "times-mean": windows.TimesMean,
    "percentile": lambda inner, window: ranks.Percentile(_inner(inner), window),
    "robust": lambda inner, window: ranks.RobustScore(_inner(inner), window),
    "rsi": indicators.Rsi,
    "crossing": indicators.Crossing,
    "volatility": indicators.Volatility,
    "level": indicators.LevelShift,
    "half-spaces": learned.HalfSpaces,
    "isolation": learned.Isolation,
}


def gauge(spec: Spec) -> Gauge:
    """A new one, that knows nothing yet."""
    return _MADE[spec[0]](*spec[1:])


def _inner(spec: Spec) -> windows.Last | windows.Change:
    return windows.Change(spec[1]) if spec[0] == "change" else windows.Last()


def longest_window(spec: Spec) -> int:
    """How far back it looks, in ms; 0 where it counts samples instead."""
    return max((each for each in spec if isinstance(each, int) and each >= 1_000), default=0) + sum(
        longest_window(each) for each in spec if isinstance(each, tuple)
    )
