"""A report in words, tables and figures; how it looks as a page is told elsewhere. Texts are plain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from cryptoproxy.datasets import iso
from cryptoproxy.datasets.times import DAY_MS, written
from cryptoproxy.errors import visible
from cryptoproxy.queries.output.marks import name
from cryptoproxy.queries.output.plot import STYLE
from cryptoproxy.queries.output.text import number
from cryptoproxy.report import figures
from cryptoproxy.report.gather import Gathered, Stat
from cryptoproxy.report.holdings import Portfolio

ROWS = 40
"""Of a table; what is left out is said."""


class Rows(NamedTuple):
    """Every row as long as ``head``; all but the first ``texts`` columns are numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1


class Section(NamedTuple):
    title: str
    words: Sequence[str]
    table: Rows | None = None
    figures: Sequence[Figure] = ()


def title(found: Gathered) -> str:
    return f"Report of {written(found.day.begin_ms)[:10]} (UTC)"


def drawn(found: Gathered) -> list[Section]:
    """All of them, their plots in the style of `query --plot`."""
    with mpl.rc_context(STYLE):
        return list(_sections(found))


def _sections(found: Gathered) -> Iterator[Section]:
    yield _market(found.stats)
    if found.portfolio is not None:
        yield _portfolio(found.portfolio)
        yield _risk(found.portfolio)
    yield _alerts(found)
    yield _predictions(found)
    yield _quality(found)
    if found.notes:
        yield Section("Notes", [visible(each) for each in found.notes])


def _market(stats: Sequence[Stat]) -> Section:
    if not stats:
        return Section("The day", ["There is no bar of that day."])
    rose = sum(1 for each in stats if each.change > 0)
    assets = [each.asset for each in stats]
    rows = [
        (
            name(each.asset, assets), each.asset.source, number(each.open), number(each.high), number(each.low),
            number(each.close), _share(each.change), _share(each.volatility, sign=False), _or_none(each.quote_volume),
            str(each.hours),
        )
        for each in stats[:ROWS]
    ]  # fmt: skip
    words = [
        f"{len(stats)} assets: {rose} closed higher than they opened, {len(stats) - rose} did not. "
        "What moved most comes first."
    ]
    head = ("asset", "source", "open", "high", "low", "close", "change", "volatility", "quote volume", "hours")
    return Section("The day", words + _left(len(stats)), Rows(head, rows, 2), [figures.changes(stats)])


def _portfolio(found: Portfolio) -> Section:
    assets = [each.asset for each in found.held]
    rows = [
        (
            name(each.asset, assets), number(each.amount), number(each.price), number(each.value),
            f"{each.weight:.1%}", _share(each.change), _share(each.gain),
        )
        for each in found.held[:ROWS]
    ]  # fmt: skip
    words = [f"{number(found.value)} {found.quote} at the day's end, in {len(found.held)} positions."]
    if found.missing:
        words.append(f"Without a price on that day, and counted nowhere: {', '.join(map(visible, found.missing))}.")
    head = ("position", "amount", "price", f"value, {found.quote}", "weight", "in a day", "since paid")
    return Section("Portfolio", words + _left(len(found.held)), Rows(head, rows), [figures.values(found)])


def _risk(found: Portfolio) -> Section:
    said, known = found.risk, int(np.isfinite(found.values).sum())
    few = "too few days"
    rows = [
        ("volatility, a year", _share(said.volatility, sign=False, none=few)),
        *(
            (f"value at risk of a day, {share:.0%}", _share(lost, sign=False, none=few))
            for share, lost in said.at_risk.items()
        ),
        ("mean loss of the days beyond the first of these", _share(said.shortfall, sign=False, none=few)),
        ("deepest fall from a high", _share(said.drawdown, sign=False)),
    ]  # fmt: skip
    span = f"{written(found.days[0])[:10]} to {written(found.days[-1])[:10]}"
    words = [
        f"As if what is held now had been held on all of {known} days, {span}; losses as positive numbers.",
        "It is told by these days alone: of a day that is worse than all of them nothing is known.",
    ]
    if len(found.days) > known:
        words.append(f"{len(found.days) - known} days lack a price of one position and count as unknown.")
    if said.drawdown:
        fell = (written(found.days[each] + DAY_MS)[:10] for each in (said.peak, said.trough))
        words.append("The deepest fall went from {} to {} (closes).".format(*fell))
    drawn = [figures.returns(found)] if said.returns else []
    if len(found.held) > 1:
        drawn.append(figures.correlations(found))
    return Section("Risk", words, Rows(("of the portfolio", ""), rows), drawn)


def _alerts(found: Gathered) -> Section:
    begun = [each for each in found.alerts if each.state == "open"]
    if not begun:
        return Section("Alerts", ["Watch has found nothing on that day, or what it found is not in the lake yet."])
    often = ", ".join(f"{rule} {count}" for rule, count in Counter(each.rule for each in begun).most_common())
    rows = [(each.timestamp[11:19], each.severity, each.rule, visible(each.words)) for each in begun[:ROWS]]
    words = [f"{len(begun)} began: {often}."]
    return Section("Alerts", words + _left(len(begun)), Rows(("time", "severity", "rule", "what"), rows, 4))


def _predictions(found: Gathered) -> Section:
    words = [
        f"Live: {each.name} {each.version}, made of {each.rows:,} rows up to {each.end[:10]}." for each in found.live
    ]
    if not found.judged:
        return Section("Predictions", [*words, "No model has said anything of that day's bars."])
    words.append(
        "How the next bar's direction was foretold. Beside it stands who knows nothing: 50 % each time (loss 0.69315), "
        "and the last bar's direction once more. No claim of profit, and no advice: fees and spreads are not in it."
    )
    words += [f"{each.model} {each.version}: {each.verdict}." for each in found.judged]
    rows = [
        (
            each.model, each.version, f"{each.said:,}", f"{each.judged:,}", _or_none(each.loss, ".5f"),
            _share(each.accuracy, sign=False), _share(each.same_accuracy, sign=False),
            _share(each.up / each.judged if each.judged else None, sign=False),
        )
        for each in found.judged
    ]  # fmt: skip
    head = ("model", "version", "said", "judged", "loss", "right", "same as before", "rose")
    return Section("Predictions", words, Rows(head, rows, 2))


def _quality(found: Gathered) -> Section:
    if found.quality is None:
        return Section("Quality", ["Not told: `cryptoproxy quality --json` says it, and --quality names its file."])
    feeds, index = found.quality.feeds, found.quality.index
    rows = [
        (
            visible(each.feed), f"{each.records:,}", _whole(each.missing), _whole(each.expected),
            _share(each.missing_share, sign=False), f"{each.duplicates:,}",
            f"{sum(each.violations.values()):,}", f"{each.unreadable:,}",
        )
        for each in feeds
    ]  # fmt: skip
    apart = [each for each in index if each.records != each.documents]
    words = [
        f"{visible(each.dataset)} of {visible(each.source)}: {each.records:,} records, {each.documents:,} documents."
        for each in apart
    ] or ["The index has as many documents as the lake has records."]
    if (date := found.quality.date) and iso(found.day.begin_ms)[:10] != date[:10]:
        words.insert(0, f"Of {visible(date)}, which is another day.")
    head = ("feed", "records", "missing", "of", "share", "duplicates", "dead letters", "unreadable")
    return Section("Quality", words, Rows(head, rows))


def _share(value: float | None, *, sign: bool = True, none: str = "-") -> str:
    return none if value is None else f"{value:{'+' if sign else ''}.2%}"


def _or_none(value: float | None, form: str | None = None) -> str:
    if value is None:
        return "-"
    return number(value) if form is None else format(value, form)


def _whole(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _left(count: int) -> list[str]:
    return [f"The first {ROWS} of {count} are shown."] if count > ROWS else []
