"""What a history run will cost, how far it is, and what is there at its end: in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptoproxy.datasets.times import MINUTE_MS, Span, written
from cryptoproxy.producer.feeds.history.runs import Run
from cryptoproxy.producer.feeds.history.walk import Cursor
from cryptoproxy.upstreams.base import MONTH, Limits
from cryptoproxy.upstreams.history import History

MOST_SYMBOLS = 30
"""Of more symbols only those are named of which there is something to say."""
_WINDOWS = {"minute": 60.0, "5s": 5.0}


@dataclass(frozen=True, slots=True)
class Estimate:
    """At most: what begins before a symbol was listed is not asked for."""

    calls: int
    cost: int
    rows: int
    seconds: float
    """If the whole budget were free for it."""


def estimate(history: History, symbols: Sequence[str], span: Span, limits: Limits, *, now_ms: int) -> Estimate:
    """Asks nothing."""
    begin_ms = max(span.begin_ms, history.reach_ms(now_ms))
    length_ms = max(0, min(span.end_ms, history.last_ms(now_ms) + 1) - begin_ms)
    pages = -(-length_ms // history.page_ms(now_ms))
    start, page = history.start_call(symbols[0]), history.call(symbols[0], span, now_ms=now_ms)
    cost = len(symbols) * (start.cost + pages * page.cost)
    rates = [limit.amount / _WINDOWS[limit.window] for limit in limits.limits if limit.window != MONTH]
    return Estimate(
        calls=len(symbols) * (1 + pages),
        cost=cost,
        rows=len(symbols) * -(-length_ms // history.step_ms),
        seconds=max((cost / rate for rate in rates), default=0.0),
    )


def share_done(run: Run) -> float:
    """0 to 1: of the time that is walked through, all symbols alike."""
    length = max(1, run.end_ms - run.begin_ms)
    done = sum(1.0 if each.done else max(0, each.at_ms - run.begin_ms) / length for each in run.walks.values())
    return min(1.0, done / len(run.walks)) if run.walks else 0.0


def now_at(run: Run) -> str:
    """Which symbol is walked, and where."""
    symbol = run.under_way
    if not symbol or not (at_ms := run.walks[symbol].at_ms):
        return symbol
    return f"{symbol} {written(at_ms - at_ms % MINUTE_MS)}"


def is_whole(run: Run) -> bool:
    """Whether all is here that the upstream has: real holes, and the time before a listing, lack there and not here."""
    return bool(run.walks) and not run.stopped and all(each.done and not each.failed for each in run.walks.values())


def summary(run: Run) -> Iterator[str]:
    """What is there and what is not."""
    walks = run.walks
    named = len(walks) <= MOST_SYMBOLS
    for symbol, each in walks.items():
        line = _line(symbol, each)
        if named or each.why or each.holes or each.rejected:
            yield line
    with_records = sum(1 for each in walks.values() if each.rows)
    yield (
        f"{run.feed}: {run.rows} records of {with_records} symbols"
        + (f" ({len(walks) - with_records} have none)" if with_records < len(walks) else "")
        + f" by {run.calls} calls in {run.seconds:.0f} s"
        + (f"; {run.held}" if run.held else "")
    )


def _line(symbol: str, each: Cursor) -> str:
    parts = [f"{symbol}: {each.rows} records"]
    if each.first_ms is not None:
        parts[0] += f" from {written(each.first_ms)} to {written(each.due_ms)}"
    if each.holes:
        holes = ", ".join(str(Span(begin, end)) for begin, end in each.holes[:5])
        more = len(each.holes) - 5 + each.more_holes
        parts.append(f"not there, asked twice: {holes}" + (f" and {more} more" if more > 0 else ""))
    if each.rejected:
        parts.append("no records: " + ", ".join(f"{count} {reason}" for reason, count in sorted(each.rejected.items())))
    if each.why:
        parts.append(each.why)
    return "; ".join(parts)
