"""``/v1/stats``: how each asset stands, as watch tells it each minute: last price, changes, volatility; from memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cryptoproxy.datasets import STATS, Stats, from_iso
from cryptoproxy.datasets.times import Span
from cryptoproxy.errors import PoisonError
from cryptoproxy.queries import Answer, NothingFound
from cryptoproxy.queries.answer import Cell, Covers, Look
from cryptoproxy.queries.asking import names_in, sources_in
from cryptoproxy.queries.scope import ALL, Seen
from cryptoproxy.serve.houses.house import ROAD

if TYPE_CHECKING:
    from cryptoproxy.serve.views.memory import FromMemory


class NewestStats:
    """A thread follows topics and writes; questions read. What watch does not tell any more is not in what is read back
    at the next start.

    Args:
        topic: of them; records of others are passed over.
    """

    def __init__(self, topic: str = STATS.topic) -> None:
        self._topic = topic
        self._of: dict[bytes, Stats] = {}

    def take(self, records: Iterable[Any]) -> int:
        """As a follower gives them; how many of them are none."""
        strange = 0
        for record in records:
            if record.topic != self._topic:
                continue
            if record.value is None:
                self._of.pop(record.key, None)
                continue
            try:
                told = STATS.codec.decode(record.value)
            except PoisonError:
                strange += 1
                continue
            before = self._of.get(record.key)
            if before is None or before.fetched_at <= told.fetched_at:
                self._of[record.key] = told
        return strange

    def all(self) -> list[Stats]:
        return list(self._of.values())


def stats(
    live: FromMemory,
    *,
    source: str = ALL,
    quote: str = "",
    assets: str = "",
    top: int | None = None,
) -> Answer[Stats]:
    """Who moves most comes first."""
    if top is not None and top < 1:
        raise ValueError("top must be at least 1")
    sources = sources_in(source)
    quotes, ids = {each.upper() for each in names_in(quote)}, set(names_in(assets))
    found = [
        each
        for each in live.stats.all()
        if (not sources or each.source in sources)
        and (not quotes or each.quote.upper() in quotes)
        and (not ids or each.asset_id in ids)
    ]
    if not found:
        raise NothingFound("watch has told of none of these: `cryptoproxy watch` makes the dataset stats")
    found.sort(key=lambda each: (-(each.volatility_24h or each.volatility_1h or 0.0), each.symbol))
    times = [from_iso(each.timestamp) for each in found]
    covers = Covers(Span(min(times), live.clock.now_ms() + 1))
    covers.see(Seen(min(times), max(times)))
    return Answer(
        question="stats",
        title="How each asset stands",
        where=", ".join(sources) or "all sources",
        columns=columns(),
        rows=iter(found[:top]),
        covers=covers,
        engine=ROAD,
    )


def columns() -> tuple[Cell[Stats], ...]:
    def field(name: str, title: str, kind: Look = Look.NUMBER) -> Cell[Stats]:
        return Cell(name, title, kind, lambda row: getattr(row, name))

    return (
        field("symbol", "symbol", Look.TEXT),
        field("source", "source", Look.TEXT),
        field("asset_id", "asset", Look.TEXT),
        field("quote", "quote", Look.TEXT),
        field("price", "price, in quote", Look.PRICE),
        *(field(f"change_{each}", f"{each} change, %") for each in ("1m", "5m", "1h", "24h")),
        *(field(f"volatility_{each}", f"{each} volatility, %") for each in ("1h", "24h")),
        Cell("timestamp", "up to (UTC)", Look.TIME, lambda row: from_iso(row.timestamp)),
    )
