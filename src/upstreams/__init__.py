"""The upstreams, a folder for each, all pure: what is allowed, which calls make a poll, what an answer means, records.

| in its folder | tells |
|---|---|
| ``__init__`` | the upstream as the settings have it: its limits, and a line for each feed |
| ``tickers`` | the calls of a poll, and its rows as records (Bybit's ``shapes``: how they may be written) |
| ``symbols`` | an exchange's symbols: its list, which tells their quotes, and what one tells by itself |
| ``refusals`` | what it means when it refuses |
| ``plans`` | CoinGecko's plans: address, key, limits |

| beside them | tells |
|---|---|
| ``base`` | the seam: what the poller may ask of any upstream and source |
| ``rows`` | an array into typed rows, odd ones apart |
| ``gathering`` | rows into a poll: each asset once, why a row is no record, whether all is there |
| ``values`` | numbers and times, however they are written |
| ``quotes`` | the quote currency of a symbol, which never changes |
| ``refusals`` | what a status means by itself; how long to wait |

To add an upstream: its folder, its line in :data:`UPSTREAMS`, and its settings in ``common/settings/catalogue.py``.
To add a dataset of one: its module, and its line among the upstream's feeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches

from cryptoproxy.common.settings.catalogue import Upstreams
from cryptoproxy.errors import SettingsError
from cryptoproxy.upstreams import binance, bybit, coingecko
from cryptoproxy.upstreams.base import Polling, Source, Upstream

__all__ = ["UPSTREAMS", "pollings_of", "sources_of", "upstreams_of"]

UPSTREAMS: tuple[Callable[[Upstreams], Upstream], ...] = (coingecko.upstream, binance.upstream, bybit.upstream)


def upstreams_of(settings: Upstreams) -> Mapping[str, Upstream]:
    """All of them by name, also those that are not polled."""
    return {found.limits.upstream: found for found in (each(settings) for each in UPSTREAMS)}


def pollings_of(settings: Upstreams) -> dict[str, Polling]:
    """How each feed that SOURCES names is polled, in its order, by the feed's name.

    Raises:
        SettingsError: there is none of a name.
    """
    every = {
        feed.name: polling for upstream in upstreams_of(settings).values() for feed, polling in upstream.feeds.items()
    }
    if faults := [
        f"SOURCES knows no {name}; there are {', '.join(get_close_matches(name, every, n=len(every), cutoff=0.0))}"
        for name in settings.sources
        if name not in every
    ]:
        raise SettingsError(faults)
    return {name: every[name] for name in settings.sources}


def sources_of(settings: Upstreams) -> list[Source]:
    """What makes the calls of each of them. Raises as :func:`pollings_of`."""
    return [polling.make() for polling in pollings_of(settings).values()]
