"""Everything that a day's report is made of: prices by the queries; alerts, predictions and the bars that they were
about from the lake; quality as `cryptoproxy quality --json` has told it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from cryptoproxy.datasets import ALERT, CANDLE, PREDICTION, Alert, Dataset, Prediction, iso, key
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.datasets.contracts.candle import STEPS
from cryptoproxy.datasets.times import DAY_MS, Span, from_iso
from cryptoproxy.lake.form import ignore
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.whole import whole_lake
from cryptoproxy.models.judging import Judged, judged
from cryptoproxy.models.registry import About, Registry
from cryptoproxy.queries import NothingFound, Queries
from cryptoproxy.queries.asking import Names
from cryptoproxy.queries.questions.candles import CandlesRow
from cryptoproxy.queries.scope import AssetRef
from cryptoproxy.report.holdings import Closes, Portfolio, portfolio
from cryptoproxy.report.positions import Position

HOURS = 24


class FeedLine(msgspec.Struct):
    """What is shown of a feed of `cryptoproxy quality --json`."""

    feed: str
    records: int
    missing: int | None
    expected: int | None
    missing_share: float | None
    duplicates: int
    violations: dict[str, int]
    unreadable: int


class IndexLine(msgspec.Struct):
    """Records of the lake beside documents of the index."""

    dataset: str
    source: str
    records: int
    documents: int


class QualityFile(msgspec.Struct):
    """The file."""

    feeds: list[FeedLine]
    index: list[IndexLine]
    date: str = ""


class Stat(NamedTuple):
    """Of one asset on the day."""

    asset: AssetRef
    open: float
    high: float
    low: float
    close: float
    change: float
    """From the open to the close; a fraction."""
    volatility: float | None
    """Standard deviation of the hours' returns, as if for a day."""
    quote_volume: float | None
    hours: int
    """Whole ones that there are bars of."""


@dataclass
class Gathered:
    day: Span
    stats: list[Stat]
    notes: list[str]
    portfolio: Portfolio | None
    quality: QualityFile | None
    alerts: list[Alert]
    judged: list[Judged]
    live: list[About] = field(default_factory=list)


def gather(
    queries: Queries,
    store: Store,
    day: Span,
    *,
    source: Names,
    top: int,
    positions: Sequence[Position],
    back: int,
    quality: Path | None,
) -> Gathered:
    """
    Args:
        day: a whole one that is over.
        source: of the statistics: `coingecko`, a list, or `all`.
        top: only the so many most traded.
        back: days before it that risk is told by.

    Raises:
        CryptoProxyError: what is asked cannot answer.
    """
    notes: list[str] = []
    # Which are the most traded is known of tickers; where there are bars alone, all of them are told.
    rows = list(_candles(queries, notes, "1h", day, source=source, top=top))
    if not rows:
        notes.clear()
        rows = list(_candles(queries, notes, "1h", day, source=source))
    stats = statistics(rows)
    closes = _closes(queries, notes, positions, Span(day.begin_ms - back * DAY_MS, day.end_ms)) if positions else {}
    registry = Registry(store)
    return Gathered(
        day=day,
        stats=stats,
        notes=list(dict.fromkeys(notes)),
        portfolio=portfolio(positions, closes, day.begin_ms) if positions else None,
        quality=_quality(quality, notes),
        alerts=sorted(_records(store, ALERT, "", day), key=lambda each: each.timestamp),
        judged=_judged(store, day),
        live=[registry.about(name, live) for name in registry.names() if (live := registry.live(name)) is not None],
    )


def statistics(rows: Iterable[CandlesRow]) -> list[Stat]:
    """Of hourly bars of one day; what changed most comes first."""
    bars: dict[AssetRef, list[Any]] = {}
    for row in rows:
        bars.setdefault(row.asset, []).append(row.bar)
    found = []
    for asset, own in bars.items():
        returns = np.diff(np.log([own[0].open, *(each.close for each in own)]))
        volumes = [each.quote_volume for each in own]
        found.append(
            Stat(
                asset, own[0].open, max(each.high for each in own), min(each.low for each in own), own[-1].close,
                own[-1].close / own[0].open - 1,
                float(np.std(returns, ddof=1)) * math.sqrt(HOURS) if len(returns) > 1 else None,
                None if None in volumes else math.fsum(volumes),
                len(own),
            )
        )  # fmt: skip
    return sorted(found, key=lambda each: -abs(each.change))


def _candles(queries: Queries, notes: list[str], interval: str, span: Span, **which: Any) -> Iterator[CandlesRow]:
    try:
        answer = queries.candles(interval, since=iso(span.begin_ms), until=iso(span.end_ms), **which)
        yield from answer
        notes.extend(answer.notes)
    except NothingFound as error:
        notes.append(str(error))


def _closes(queries: Queries, notes: list[str], positions: Sequence[Position], span: Span) -> Closes:
    found: dict[AssetRef, dict[int, float]] = {}
    for source in sorted({each.source for each in positions}):
        assets = sorted({each.asset_id for each in positions if each.source == source})
        for row in _candles(queries, notes, "1d", span, source=source, assets=assets):
            found.setdefault(row.asset, {})[row.bar.begin_ms] = row.bar.close
    return found


def _records(store: Store, dataset: Dataset[Any], part: str, span: Span) -> Iterator[Any]:
    lake = whole_lake(store, dataset, part)
    for source in lake.sources():
        for each in lake.records(source, span, ignore):
            yield dataset.codec.decode(each.line)


def _judged(store: Store, day: Span) -> list[Judged]:
    predictions: list[Prediction] = list(_records(store, PREDICTION, "", day))
    closes: dict[tuple[str, int], float] = {}
    for interval in {each.interval for each in predictions}:
        before = Span(day.begin_ms - 2 * STEPS[interval], day.end_ms)
        for bar in _records(store, CANDLE, interval, before):
            closes[key(bar), from_iso(bar.timestamp)] = bar.close
    return judged(predictions, closes)


def _quality(file: Path | None, notes: list[str]) -> QualityFile | None:
    """A report without it is better than none."""
    if file is None:
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=QualityFile)
    except (OSError, *UNREADABLE) as error:
        notes.append(f"quality: {file} is not what `cryptoproxy quality --json` prints ({error})")
        return None
