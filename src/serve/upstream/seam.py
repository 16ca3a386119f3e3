"""What the door asks others for: an upstream, through whoever may ask it. Who does, is no matter of the door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from cryptoproxy.errors import TransientError


class Fetched(NamedTuple):
    """An upstream's own answer, errors of its too. Times in seconds; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    age: float
    fresh: float = 0.0
    """For so long it counts as new."""
    stale: str = ""
    """Why there is no newer one although there should be."""
    made: bool = True
    """Whether this question had the upstream called; else the answer was there, or came by who asked the same."""


class NotFetchedError(TransientError):
    """The upstream was not asked, or did not answer, and there is no answer of before. The text is for the client.

    Args:
        limited: there is no budget left; else nobody who may ask is there, or the upstream is away.
        unknown: the path is none that is asked for here; no waiting mends it.
    """

    def __init__(
        self, message: str, *, limited: bool = False, unknown: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.limited = limited
        self.unknown = unknown


class Asks(Protocol):
    """Asks an upstream what the road does not carry."""

    def get(self, upstream: str, path: str, params: Mapping[str, str]) -> Fetched:
        """Waits for the answer; called from many threads. Identical questions of this process come once.

        Args:
            upstream: ``coingecko``, ``binance``, ``bybit``.
            path: below the upstream's base: ``coins/list``; ``api/v3/exchangeInfo``; ``v5/market/orderbook``.
            params: as the client gave them, without keys.

        Raises:
            NotFetchedError: see there.
        """
