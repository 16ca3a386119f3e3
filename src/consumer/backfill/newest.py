"""The documents of a compacted dataset: one for each id, replaced by what is newer.

A record of the lake is accounted for by a document of its id that is as new, or newer. Documents move on to a later
hour while they are compared, so all of them are read at one moment, whatever range is asked for: they are as many as
assets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from cryptoproxy.consumer.backfill.documents import Documents
from cryptoproxy.datasets.times import HOUR_MS, Span


class NewestDocuments:
    """As :class:`Documents`, of that moment.

    Args:
        sources: None: all that there are.

    Raises:
        TransientError, OperatorError: Elasticsearch cannot or may not answer.
    """

    def __init__(self, documents: Documents, sources: Sequence[str] | None) -> None:
        there = {source for source, _ in documents.counts(None, sources)}
        self._of = {source: list(documents.ids(source, None)) for source in there}
        self._newest: dict[str, dict[str, int]] = {}
        for source, found in self._of.items():
            self._newest[source] = {identity: slot_ms for slot_ms, identity in found}  # the latest comes last

    def counts(self, span: Span) -> dict[tuple[str, int], int]:
        """By source and begin of the hour."""
        return dict(
            Counter(
                (source, slot_ms - slot_ms % HOUR_MS)
                for source, found in self._of.items()
                for slot_ms, _ in found
                if slot_ms in span
            )
        )

    def ids(self, source: str, span: Span) -> Iterator[tuple[int, str]]:
        """(slot, id), the oldest slot first."""
        return (each for each in self._of.get(source, ()) if each[0] in span)

    def unreplaced(self, source: str, lake: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """Of (slot, id) in the lake those that no newer document stands for."""
        newest = self._newest.get(source, {})
        return (each for each in lake if newest.get(each[1], 0) <= each[0])
