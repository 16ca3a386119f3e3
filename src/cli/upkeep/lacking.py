"""What `cryptoproxy reconcile` says of gaps: neither lake nor index has what they lack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.settings.catalogue import Elasticsearch
from cryptoproxy.datasets import GAP, Dataset, Gap
from cryptoproxy.datasets.times import Span, written
from cryptoproxy.queries.elastic.search import NoIndexError, Search
from cryptoproxy.queries.gaps import records, told


def gaps_of(settings: Elasticsearch, dataset: Dataset[Any], span: Span, sources: Sequence[str]) -> list[Gap]:
    """Those of this dataset that touch the time and are not mended; none where gaps are not set up.

    Raises:
        TransientError, OperatorError: Elasticsearch cannot or may not answer.
    """
    if dataset is GAP or span.empty:
        return []
    with closing(elastic.client(settings, connections=1)) as client:
        try:
            every = told(records(Search(client, settings.alias_of(GAP)), span, sources))
        except NoIndexError:
            return []
    return [each.opened for each in every if each.mended is None and each.opened.kind.partition("-")[0] == dataset.name]


def in_words(gaps: Sequence[Gap], span: Span) -> str:
    """One line."""
    which = ", ".join(f"{source} {count}" for source, count in Counter(gap.source for gap in gaps).items())
    return (
        f"{len(gaps)} gaps of this time are not mended ({which}): neither side has what they lack. "
        f"They are listed by cryptoproxy gaps --open --since {written(span.begin_ms)}"
    )
