"""What `cryptoproxy reconcile` says of gaps: neither lake nor index has what they lack."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.settings.catalogue import Elasticsearch
from cryptoproxy.datasets import GAP, Dataset, Gap
from cryptoproxy.datasets.times import Span, written
from cryptoproxy.queries.elastic.search import Search
from cryptoproxy.queries.gaps import counted, not_mended


def gaps_of(settings: Elasticsearch, dataset: Dataset[Any], span: Span, sources: Sequence[str]) -> list[Gap]:
    """Those of this dataset that touch the time and are not mended; none where gaps are not set up.

    Raises:
        TransientError, OperatorError: Elasticsearch cannot or may not answer.
    """
    if dataset is GAP or span.empty:
        return []
    with closing(elastic.client(settings, connections=1)) as client:
        every = not_mended(Search(client, settings.alias_of(GAP)), span, sources)
    return [gap for gap in every if gap.kind.partition("-")[0] == dataset.name]


def in_words(gaps: Sequence[Gap], span: Span) -> str:
    """One line."""
    return (
        f"{counted(gaps)}: neither side has what they lack. "
        f"They are listed by cryptoproxy gaps --open --since {written(span.begin_ms)}"
    )
