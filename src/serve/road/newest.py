"""The newest of everything, in memory: the last ticker of each asset, the last answer to each call as it came.

A thread follows the topics and writes; the door reads. What is written is replaced whole, and never changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cryptoproxy.datasets import Ticker, from_iso

_LIVE_MS = 15 * 60 * 1000
"""What was fetched later after its slot is of the past, which comes on the same topic."""
_LATE = 3
"""An asset that was in none of so many polls is not there any more."""
_BASE = re.compile(r"/?(?:.*/)?(?:api/v3|v5)/|^/")


@dataclass(slots=True)
class Kept:
    """The newest answer to one call. ``made`` is for what readers make of the body, once."""

    upstream: str
    path: str
    """Below the upstream's base: ``coins/markets``, ``ticker/24hr``, ``market/tickers``."""
    params: Mapping[str, str]
    body: bytes
    asked_ms: int
    apart_ms: int | None = None
    """Since the answer before this one."""
    every_ms: int | None = None
    """The shorter of the last two: an outage does not make of a poll one that is seldom."""
    made: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Source:
    tickers: dict[tuple[str, str], Ticker] = field(default_factory=dict)
    """By asset and quote."""
    by_asset: dict[str, Ticker] = field(default_factory=dict)
    """The last that came, in whatever quote: a pair has but one."""
    newest: str = ""
    newest_ms: int = 0
    every_ms: int | None = None
    version: int = 0


class Newest:
    """See above."""

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}
        self._answers: dict[tuple[str, str], dict[tuple[tuple[str, str], ...], Kept]] = {}

    # --- written by who follows the topics

    def take(self, ticker: Ticker) -> None:
        """The past comes on the same topic: what was fetched at its time, and is newer than what is here, counts."""
        if ticker.fetch_delay_ms > _LIVE_MS:
            return
        source = self._sources.get(ticker.source)
        if source is None:
            source = self._sources[ticker.source] = _Source()
        key = ticker.asset_id, ticker.quote
        before = source.tickers.get(key)
        if before is not None and before.timestamp > ticker.timestamp:
            return
        source.tickers[key] = source.by_asset[ticker.asset_id] = ticker
        source.version += 1
        if ticker.timestamp >= source.newest:
            if ticker.timestamp != source.newest:  # of a poll of thousands it is read once
                source.newest, source.newest_ms = ticker.timestamp, from_iso(ticker.timestamp)
            source.every_ms = ticker.interval_ms

    def take_answer(
        self,
        upstream: str,
        path: str,
        params: Mapping[str, str],
        body: bytes,
        asked_ms: int,
        *,
        every_ms: int | None = None,
    ) -> None:
        """Args:
        path: of the call, with or without the upstream's base.
        every_ms: as far as its poller has said so; it counts while no two answers tell it.
        """
        short = _BASE.sub("", urlsplit(path).path, count=1)
        calls = self._answers.setdefault((upstream, short), {})
        place = tuple(sorted(params.items()))
        before = calls.get(place)
        if before is not None and before.asked_ms > asked_ms:
            return
        apart = None if before is None else (asked_ms - before.asked_ms) or before.apart_ms
        every = min((each for each in (apart, before and before.apart_ms) if each), default=every_ms)
        calls[place] = Kept(upstream, short, dict(params), body, asked_ms, apart, every)

    # --- read by the door

    @property
    def sources(self) -> list[str]:
        return list(self._sources)

    def version(self, source: str) -> int:
        """Changes whenever a ticker of the source does."""
        found = self._sources.get(source)
        return 0 if found is None else found.version

    def every_ms(self, source: str) -> int | None:
        """Between two polls of the source."""
        found = self._sources.get(source)
        return None if found is None else found.every_ms

    def ticker(self, source: str, asset_id: str, quote: str = "") -> Ticker | None:
        """Args:
        quote: of a pair there is but one.
        """
        found = self._sources.get(source)
        if found is None:
            return None
        ticker = found.tickers.get((asset_id, quote)) if quote else found.by_asset.get(asset_id)
        return ticker if ticker is not None and self._is_there(found, ticker) else None

    def tickers(self, source: str) -> list[Ticker]:
        """Of all assets that the last polls have told of, in the order in which they first came."""
        found = self._sources.get(source)
        return [] if found is None else [each for each in list(found.tickers.values()) if self._is_there(found, each)]

    def _is_there(self, source: _Source, ticker: Ticker) -> bool:
        every = ticker.interval_ms or source.every_ms
        return every is None or from_iso(ticker.timestamp) >= source.newest_ms - _LATE * every

    def answer(self, upstream: str, path: str, params: Mapping[str, str]) -> Kept | None:
        """The newest answer to just this call."""
        return self._answers.get((upstream, path), {}).get(tuple(sorted(params.items())))

    def answers(self, upstream: str, path: str) -> list[Kept]:
        """To all calls of a path, the newest first."""
        return sorted(self._answers.get((upstream, path), {}).values(), key=lambda each: -each.asked_ms)
