"""The upstreams, a folder for each, all pure: what is allowed, which calls make a poll, what an answer means, records.

| in its folder | tells |
|---|---|
| ``__init__`` | the upstream as the settings have it: its limits, and a line for each feed |
| ``tickers`` | the calls of a poll, and its rows as records (Bybit's ``shapes``: how they may be written) |
| ``candles`` | bars of one interval: live at their close, and pages of the past |
| ``market``, ``assets`` | CoinGecko's figures of the whole market; what each of its coins is |
| ``charts`` | CoinGecko's prices at midnight, as tickers of the past |
| ``symbols`` | an exchange's symbols: its list, which tells their quotes, and what one tells by itself |
| ``streams`` | a room: its streams, a line for each feed; where they lead to, what frames hold, which calls mend |
| ``refusals`` | what it means when it refuses |
| ``paths`` | what others may ask it for through the poller, its cost, and how long an answer is new |
| ``plans``, ``coins`` | CoinGecko's plans: address, key, limits; its calls about single coins |

| beside them | tells |
|---|---|
| ``base`` | the seam: what the poller may ask of any upstream and source |
| ``history`` | the seam of the past: series, pages |
| ``asked`` | what others may ask for: a table of paths, and questions as calls |
| ``streaming`` | the seam of streams, and what proves that nothing lacks in one |
| ``answers`` | what was answered, into typed rows and records |

To add an upstream: its folder, its line in :data:`UPSTREAMS`, and its settings in ``settings/sections/upstreams.py``.
To add a dataset of one: its module, and its line among the upstream's feeds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches

from cryptoproxy.common.settings.catalogue import Upstreams
from cryptoproxy.datasets import CANDLE, Feed
from cryptoproxy.datasets.times import from_person
from cryptoproxy.errors import SettingsError
from cryptoproxy.upstreams import binance, bybit, coingecko
from cryptoproxy.upstreams.asked import Askable
from cryptoproxy.upstreams.base import Polling, Source, Upstream
from cryptoproxy.upstreams.history import History
from cryptoproxy.upstreams.streaming.stream import Stream

__all__ = [
    "UPSTREAMS",
    "asked_of",
    "histories_of",
    "nearest_first",
    "pollings_of",
    "sources_of",
    "streams_of",
    "upstreams_of",
    "wanted_of",
]

UPSTREAMS: tuple[Callable[[Upstreams], Upstream], ...] = (coingecko.upstream, binance.upstream, bybit.upstream)


def upstreams_of(settings: Upstreams) -> Mapping[str, Upstream]:
    """All of them by name, also those that are not polled."""
    return {found.limits.upstream: found for found in (each(settings) for each in UPSTREAMS)}


def pollings_of(settings: Upstreams, *, told_by: str = "SOURCES") -> dict[str, Polling]:
    """How each feed that SOURCES names, and that is polled, is polled; in its order, by the feed's name.

    ``told_by``: what a person has named them by, for the error.

    Raises:
        SettingsError: there is none of a name.
    """
    every = {
        feed.name: polling for upstream in upstreams_of(settings).values() for feed, polling in upstream.feeds.items()
    }
    streamed = _streams(settings)
    faults = [
        f"{told_by} knows no {name}; there are {nearest_first(name, every.keys() | streamed.keys())}"
        for name in settings.sources
        if name not in every and name not in streamed
    ]
    faults += [
        f"SOURCES names {name} and {name.removesuffix(BY_STREAM)}, which are the same records: take one of them"
        for name in settings.sources
        if name.endswith(BY_STREAM) and Feed.parse(name.removesuffix(BY_STREAM)).name in settings.sources
    ]
    if faults:
        raise SettingsError(faults)
    return {name: every[name] for name in settings.sources if name in every}


BY_STREAM = "@stream"
"""Behind the name of a feed that may also be polled."""


def _streams(settings: Upstreams) -> dict[str, Callable[[], Stream]]:
    """Every stream there is, as SOURCES spells it."""
    return {
        f"{feed.whole_name}{BY_STREAM}" if feed in upstream.feeds else feed.name: make
        for upstream in upstreams_of(settings).values()
        for feed, make in upstream.streams.items()
    }


def streams_of(settings: Upstreams) -> list[Stream]:
    """Those that SOURCES names, in its order."""
    every = _streams(settings)
    return [every[name]() for name in settings.sources if name in every]


def sources_of(settings: Upstreams) -> list[Source]:
    """What makes the calls of each of them. Raises as :func:`pollings_of`."""
    return [polling.make() for polling in pollings_of(settings).values()]


def histories_of(settings: Upstreams) -> dict[str, Callable[[], History]]:
    """What makes the past of each feed that has one, by the feed's name."""
    return {
        feed.name: make for upstream in upstreams_of(settings).values() for feed, make in upstream.histories.items()
    }


def asked_of(settings: Upstreams) -> dict[str, Askable]:
    """What others may ask each upstream through the poller, by its name."""
    every = upstreams_of(settings)
    return {name: upstream.asked for name, upstream in every.items() if upstream.asked is not None}


def wanted_of(settings: Upstreams, *, told_by: str = "HISTORY") -> list[tuple[str, str]]:
    """Feed and since, as HISTORY has them.

    ``told_by``: as of :func:`pollings_of`.

    Raises:
        SettingsError: an item is none, or there is no history of a feed.
    """
    there = list(histories_of(settings))
    faults, wanted = list[str](), list[tuple[str, str]]()
    for item in settings.history or ():
        feed, _, since = item.partition("=")
        try:
            from_person(since, now_ms=0)
            wanted.append((feed, since))
            if feed not in there:
                faults.append(f"{told_by} knows no {feed}; there are {nearest_first(feed, there)}")
        except ValueError:
            faults.append(f"{told_by} holds {item!r}, which is not like binance.candle-1d=2017-08-01 or …=365d")
    if faults:
        raise SettingsError(faults)
    return wanted


def nearest_first(name: str, there: Collection[str]) -> str:
    """All names that there are, for a person who has typed another one; parts of a dataset as ``candle-1m|5m``."""
    parts: dict[tuple[str, str], list[str]] = {}
    for each in get_close_matches(name, there, n=len(there), cutoff=0.0):
        feed, way, stream = each.partition("@")
        part = Feed.parse(feed).part
        parts.setdefault((feed.removesuffix(part), way + stream), []).append(part)
    order = list(CANDLE.parts)  # nothing else has several
    return ", ".join(
        f"{stem}{'|'.join(sorted(found, key=order.index) if len(found) > 1 else found)}{way}"
        for (stem, way), found in parts.items()
    )
