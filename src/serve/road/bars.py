"""Closed bars for the houses: from Elasticsearch, older ones from the lake, as the queries choose.

Upstreams have two ways to ask: the oldest from a moment on, and the newest up to one. An answer from here must be the
one that the upstream would give, so it is said whether it is whole: every bar from the first to the last that can be
there, none of them open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from cryptoproxy.common.clock import Clock
from cryptoproxy.datasets import Candle, from_iso, iso
from cryptoproxy.datasets.contracts.candle import STEPS, end_of
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.queries.backend import Backend
from cryptoproxy.queries.questions.candles import Bar
from cryptoproxy.queries.scope import AssetRef, Scope
from cryptoproxy.serve.road.engine import Engine, best_of
from cryptoproxy.serve.road.open_bars import OpenBars

_MONTH_MS = 31 * DAY_MS
_FIRST_MS = from_iso("2010-01-01T00:00:00.000Z")
"""No upstream is as old: from before on nothing is whole here."""
_WIDER = 4
"""A stretch in which bars are missing is looked through so many times as wide, twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Of one series; bounds are open times in ms, both inclusive."""

    source: str
    asset_id: str
    interval: str
    start_ms: int | None = None
    end_ms: int | None = None
    limit: int
    oldest: bool
    """From ``start_ms`` on; else the newest up to ``end_ms``."""

    @property
    def step_ms(self) -> int:
        return STEPS.get(self.interval, _MONTH_MS)


@dataclass(frozen=True, slots=True)
class Found:
    """``candles`` in the order of time; ``engine`` is ``es`` or ``lake``."""

    candles: Sequence[Candle]
    whole: bool
    engine: str
    open_bar: bool
    """What was asked for reaches into the bar that is not closed; but for that one it is whole."""


class Bars:
    """
    Args:
        engines: Elasticsearch, and the lake where there is one: asked if the first does not hold all.
        newest: what has closed a moment ago, and the open bar.
    """

    def __init__(self, engines: Sequence[Engine], clock: Clock, newest: OpenBars | None = None) -> None:
        self._engines = engines
        self._clock = clock
        self._newest = newest or OpenBars(clock)

    def find(self, wanted: Wanted, *, wholly: bool = False) -> Found:
        """The most that one of the engines holds. Blocks. A series that is not here gives none.

        Args:
            wholly: whoever asks has no use for an answer with holes: what cannot be whole is not looked for. A client
                that asks where a history begins has no engine read all of it.

        Raises:
            TransientError, OperatorError: none of them can answer.
        """
        if wholly and wanted.oldest and (wanted.start_ms or 0) < _FIRST_MS:
            return Found([], False, "es", False)
        return best_of(
            self._engines,
            partial(self._find, wanted=wanted, wider=not wholly),
            size=lambda found: len(found.candles),
            enough=lambda found: found.whole or found.open_bar,
        )

    def _find(self, engine: Backend, wanted: Wanted, *, wider: bool) -> Found:
        now_ms, step = self._clock.now_ms(), wanted.step_ms
        end_ms = now_ms if wanted.end_ms is None else min(wanted.end_ms, now_ms)
        start_ms = wanted.start_ms or 0
        if start_ms > end_ms:
            return Found([], True, "es", False)
        if wanted.oldest:
            window = Span(start_ms, min(end_ms, start_ms + wanted.limit * step) + 1)
        else:
            window = Span(max(start_ms, end_ms - (wanted.limit + 1) * step), end_ms + 1)  # the open one is not there
        bars = self._within(engine, wanted, window)
        if wider and len(bars) < wanted.limit and window.length_ms < end_ms - start_ms:
            if wanted.oldest:
                bars = self._within(engine, wanted, Span(start_ms, end_ms + 1))
            else:
                for times in (_WIDER, _WIDER**2):
                    window = Span(max(start_ms, end_ms - times * wanted.limit * step), end_ms + 1)
                    bars = self._within(engine, wanted, window)
                    if len(bars) >= wanted.limit:
                        break
        bars = bars[: wanted.limit] if wanted.oldest else bars[-wanted.limit :]
        candles = [_candle(wanted, asset, bar) for asset, bar in bars]
        behind = self._behind(wanted, candles, end_ms)
        if behind:
            candles = [*candles, *behind]
            candles = candles[: wanted.limit] if wanted.oldest else candles[-wanted.limit :]
            return Found(candles, self._is_whole(wanted, candles, end_ms), engine.name, False)
        is_open = self._reaches_open(wanted, candles, end_ms, now_ms)
        return Found(candles, not is_open and self._is_whole(wanted, candles, end_ms), engine.name, is_open)

    def _behind(self, wanted: Wanted, candles: Sequence[Candle], end_ms: int) -> Sequence[Candle]:
        """What follows on the last of these, up to the open bar, where that is known and asked for."""
        if not candles or (wanted.oldest and len(candles) == wanted.limit):
            return ()
        begin_ms = end_of(candles[-1].timestamp, wanted.interval)
        found = self._newest.after((wanted.source, wanted.asset_id, wanted.interval), iso(begin_ms))
        return [each for each in found if from_iso(each.timestamp) <= end_ms]

    def _within(self, engine: Backend, wanted: Wanted, span: Span) -> list[tuple[AssetRef, Bar]]:
        scope = Scope(span, (wanted.source,), assets=(wanted.asset_id,), interval=wanted.interval)
        asset = next(iter(engine.intervals(scope)), None)
        if asset is None:
            return []
        bars = engine.bars(replace(scope, chosen=(asset,)), wanted.interval)
        return list(islice(bars, wanted.limit) if wanted.oldest else bars)

    def _reaches_open(self, wanted: Wanted, candles: Sequence[Candle], end_ms: int, now_ms: int) -> bool:
        """Whether the open bar is among those asked for, and the only one that is missing."""
        if wanted.oldest and len(candles) == wanted.limit:
            return False
        last = end_of(candles[-1].timestamp, wanted.interval) if candles else end_ms
        if not last <= end_ms or not last <= now_ms < last + wanted.step_ms:
            return False
        return not candles or self._is_whole(wanted, candles, last - 1)

    def _is_whole(self, wanted: Wanted, candles: Sequence[Candle], end_ms: int) -> bool:
        """Whether no bar can be missing: neither between these, nor before or behind them."""
        if not candles:
            return False
        begins = [from_iso(each.timestamp) for each in candles]
        ends = [end_of(each.timestamp, wanted.interval) for each in candles]
        if any(begin != end for begin, end in zip(begins[1:], ends, strict=False)):
            return False
        full = len(candles) == wanted.limit
        first = full and not wanted.oldest
        if not first and (wanted.start_ms is None or begins[0] >= wanted.start_ms + wanted.step_ms):
            return False
        last = full and wanted.oldest
        return last or ends[-1] > end_ms


def _candle(wanted: Wanted, asset: AssetRef, bar: Bar) -> Candle:
    """As it was on the topic, but for the moment when it was fetched, which no bar of an answer tells."""
    begin = iso(bar.begin_ms)
    return Candle(
        source=wanted.source,
        asset_id=asset.asset_id,
        symbol=asset.symbol,
        quote=asset.quote,
        interval=wanted.interval,  # type: ignore[arg-type]
        timestamp=begin,
        fetched_at=iso(end_of(begin, wanted.interval)),
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        base_volume=bar.base_volume,
        quote_volume=bar.quote_volume,
        trades=bar.trades,
        taker_base_volume=bar.taker_base_volume,
        taker_quote_volume=bar.taker_quote_volume,
    )
