"""What a question is asked of: Elasticsearch (``elastic``) or the lake (``lake``). Both answer in the same words.

An engine finds; what is made of it (order, notes, columns) is the question's own and the same for both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from cryptoproxy.datasets import TICKER, Dataset
from cryptoproxy.datasets.times import Span
from cryptoproxy.queries.periods import written
from cryptoproxy.queries.scope import MAX_BUCKETS, AssetRef, Scope, Seen

if TYPE_CHECKING:
    from cryptoproxy.queries.periods import Interval
    from cryptoproxy.queries.questions.average import Average, AverageRow
    from cryptoproxy.queries.questions.candles import Bar
    from cryptoproxy.queries.questions.flow.steps import Step, Steps
    from cryptoproxy.queries.questions.freshness.bodies import Slots
    from cryptoproxy.queries.questions.freshness.slots import Polled, SlotGrid
    from cryptoproxy.queries.questions.latest import Latest, LatestRow
    from cryptoproxy.queries.questions.market import MarketFigures, MarketRow
    from cryptoproxy.queries.questions.moves import Moves, MovesRow
    from cryptoproxy.queries.questions.percentiles import Percentiles, PercentilesRow
    from cryptoproxy.queries.questions.sentiment import Sentiment, SentimentRow
    from cryptoproxy.queries.questions.volatility import Volatility, VolatilityRow
    from cryptoproxy.queries.series import Series

R = TypeVar("R")
Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""


class FoundAsset(NamedTuple):
    """``volume`` is the mean of ``volume_24h``, in the asset's quote; 0 where its source sends none."""

    asset: AssetRef
    records: int
    volume: float
    seen: Seen


def most_traded(found: Sequence[FoundAsset], count: int) -> list[AssetRef]:
    """The ``count`` of the largest volume, the largest first."""
    return [each.asset for each in sorted(found, key=lambda each: -each.volume)[:count]]


class Findings(NamedTuple, Generic[R]):
    """What an engine has of one asset; no rows where it has records, but no value."""

    asset: AssetRef
    rows: Sequence[R]
    seen: Seen | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is, for saying why nothing was found: how many records meet the scope's conditions, one after the
    other (source, period, symbols, assets), and who is called what in the period."""

    total: int
    source: int
    period: int
    symbols: int
    assets: int
    sources: Sequence[str]
    first_ms: int | None
    newest_ms: int | None
    there: Mapping[str, Sequence[str]]
    """``symbols``, ``assets``, ``quotes`` of the source in the period."""


class Midnight(NamedTuple):
    """A point of a chart of days; ``volume`` is that of the 24 h before."""

    stamp_ms: int
    price: float
    market_cap: float
    volume: float


class Backend(Protocol):
    """Every method raises TransientError or OperatorError while it cannot or may not answer."""

    name: str
    """``es`` or ``lake``."""

    def place(self, dataset: Dataset[Any] = TICKER) -> str:
        """What is read, as a person names it."""

    def found(self, scope: Scope, *, limit: int = MAX_BUCKETS) -> list[FoundAsset]:
        """All assets that the scope has records of.

        Raises:
            TooMany: more than ``limit``.
        """

    def pairs(self, scope: Scope, coins: Sequence[str]) -> list[tuple[str, str]]:
        """(symbol, quote) of the scope's records whose symbols begin with one of these."""

    def facts(self, scope: Scope) -> Facts: ...

    def sources(self, dataset: Dataset[Any] = TICKER) -> list[str]: ...

    def days(self, dataset: Dataset[Any], source: str, period: Span) -> set[int]:
        """The begins of the days of a period that have any record of a source."""

    def percentiles(self, request: Percentiles) -> Iterator[Findings[PercentilesRow]]: ...

    def average(self, request: Average) -> Iterator[Findings[AverageRow]]: ...

    def moves(self, request: Moves) -> Iterator[Findings[MovesRow]]: ...

    def latest(self, request: Latest) -> Iterator[Findings[LatestRow]]: ...

    def volatility(self, request: Volatility, progress: Progress | None) -> Iterator[Findings[VolatilityRow]]: ...

    def steps(self, request: Steps) -> Iterator[Findings[Step]]:
        """Figures of another dataset's records, step by step; nothing where it was never set up."""

    def sentiment(self, request: Sentiment) -> Iterator[SentimentRow]:
        """Source by source, in the order of time."""

    def market(self, request: MarketFigures) -> Iterator[MarketRow]:
        """Source by source, in the order of time."""

    def series(self, dataset: Dataset[Any]) -> list[Series]:
        """Those that there is anything of."""

    def ends(self, series: Series, before_ms: int) -> tuple[int, int] | None:
        """The first and the newest slot before a moment."""

    def records(self, series: Series, period: Span) -> int:
        """How many there are."""

    def polled(self, series: Series, period: Span) -> Sequence[Polled]:
        """The newest slots within a period, newest first."""

    def slots(self, series: Series, period: Span, grid: SlotGrid) -> Iterator[Slots]:
        """Every slot of a period, stretch by stretch."""

    def midnights(self, scope: Scope, stamps: Sequence[int]) -> list[Midnight]:
        """Tickers of these slots that a chart of days told: they have no time of their own, which a poll of midnight
        has, and all three numbers. In the order of time, at most 10,000."""

    def intervals(self, scope: Scope) -> Mapping[AssetRef, Mapping[str, int]]:
        """Of each asset that has candles: how many of each interval."""

    def bars(self, scope: Scope, stored: str) -> Iterator[tuple[AssetRef, Bar]]:
        """Stored candles of one interval: all of an asset in the order of time, then those of the next."""

    def sampled(self, scope: Scope, every: Interval) -> Iterator[tuple[AssetRef, Bar]]:
        """The same, made of the prices of tickers: first, highest, lowest, last of each step."""


def choose(
    first: Backend, second: Backend, sources: Sequence[str], period: Span, dataset: Dataset[Any]
) -> tuple[Backend, str]:
    """The one of the two that holds all days of a period, the first if both do; and why."""
    for source in sources or second.sources(dataset):
        there = second.days(dataset, source, period)
        if lacking := sorted(there - first.days(dataset, source, period)):
            day = written(lacking[0]) + (f" and {len(lacking) - 1} more days" if len(lacking) > 1 else "")
            place, lacks = second.place(dataset), first.place(dataset)
            return second, f"asked of {place}, as {lacks} has no record of {source} of {day}"
    return first, f"asked of {first.place(dataset)}, which has every day that {second.place(dataset)} has"
