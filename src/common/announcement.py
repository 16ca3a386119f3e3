"""What a history run says before its first record comes: of which dataset and part, and from when to when.

Its records ask for the indices of many old periods at once, which the indexer makes at a bounded rate only
(``ES_NEW_INDICES_PER_HOUR``), since odd times in records could ask for thousands. Of a span that was announced it makes
them at once. The word stands on the state topic, one for each feed: ``send(state_topic, **announced(…)._asdict())``,
acknowledged before the first record is kept; it is sent again while the run lasts, and taken back at its end.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from cryptoproxy.datasets import from_iso, iso
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.datasets.times import DAY_MS, Span

VALID_MS = 7 * DAY_MS
"""From when it was said. The indexer may be behind by as much as topics hold; a run that lasts longer says it again."""
_KEY = "history:"


class Announcement(NamedTuple):
    """Records of ``dataset`` and ``part`` with times in ``span`` come, or are on their way."""

    dataset: str
    part: str
    span: Span
    said_ms: int

    def counts(self, now_ms: int) -> bool:
        """Whether it is not too old."""
        return now_ms < self.said_ms + VALID_MS


class Word(NamedTuple):
    """A record of the state topic."""

    key: bytes
    value: bytes | None


def announced(feed: str, dataset: str, part: str, span: Span, *, now_ms: int) -> Word:
    """The word to send.

    Args:
        feed: whose history it is: ``binance.candle-1d``. A later word of the same feed takes its place.
    """
    said = {"dataset": dataset, "part": part, "from": iso(span.begin_ms), "to": iso(span.end_ms), "time": iso(now_ms)}
    return Word(f"{_KEY}{feed}".encode(), msgspec.json.encode(said))


def read(key: str, value: bytes) -> Announcement | None:
    """None for another word of the state topic, or for one that cannot be read."""
    if not key.startswith(_KEY):
        return None
    try:
        said = msgspec.json.decode(value, type=dict[str, str])
        span = Span(from_iso(said["from"]), from_iso(said["to"]))
        return Announcement(said["dataset"], said["part"], span, from_iso(said["time"]))
    except (*UNREADABLE, ValueError, KeyError):
        return None
