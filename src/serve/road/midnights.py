"""Points of CoinGecko's charts of days, which the index, and of older ones the lake, has as tickers where
`cryptoproxy history` has read them.

A live poll of midnight has the id of the chart's own point, and the first of both stays. It is no point: its price is
of the poll, some seconds later. So a span that has one is not whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptoproxy.datasets.times import Span
from cryptoproxy.queries.backend import Backend, Midnight
from cryptoproxy.queries.scope import Scope
from cryptoproxy.serve.road.engine import Engine, best_of


class Midnights:
    """
    Args:
        engines: Elasticsearch, and the lake where there is one: asked if the first does not hold all.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = engines

    def find(self, source: str, asset_id: str, quote: str, stamps: Sequence[int]) -> tuple[list[Midnight], str]:
        """Those of these midnights, in the order of time, that are points of a chart: the most that one engine holds,
        and its name. Blocks.

        Raises:
            TransientError, OperatorError: none of them can answer.
        """
        scope = Scope(Span(stamps[0], stamps[-1] + 1), (source,), assets=(asset_id,), quotes=(quote,))

        def found(backend: Backend) -> tuple[list[Midnight], str]:
            return backend.midnights(scope, stamps), backend.name

        return best_of(
            self._engines, found, size=lambda held: len(held[0]), enough=lambda held: len(held[0]) == len(stamps)
        )
