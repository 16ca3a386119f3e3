"""How the streams go, for `cryptoproxy status`: what the active poller tells on the state topic, and what lacks by the
index of gaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.settings.catalogue import Elasticsearch
from cryptoproxy.datasets import GAP, iso
from cryptoproxy.datasets.times import DAY_MS, Span
from cryptoproxy.producer.feeds.stream.marks import StreamNote, told_in
from cryptoproxy.producer.handover import stream_key
from cryptoproxy.queries.elastic.search import Search
from cryptoproxy.queries.gaps import records, told

SILENT_SECONDS = 600.0
"""Without data for so long it is a fault, whatever the connection says."""


def found(states: Mapping[str, bytes]) -> dict[str, StreamNote]:
    """By feed, out of all that stands on the state topic."""
    begin = stream_key("")
    return {key.removeprefix(begin): told_in(value) for key, value in states.items() if key.startswith(begin)}


def open_gaps(settings: Elasticsearch, *, now_ms: int, seconds: float) -> Counter[str]:
    """By feed, the gaps of the last day that are not mended.

    Raises:
        CryptoProxyError: why it cannot be told.
    """
    with closing(elastic.client(settings, connections=1, timeout=seconds)) as client:
        every = told(records(Search(client, settings.alias_of(GAP)), Span(now_ms - DAY_MS, now_ms + 1)))
    return Counter(f"{each.opened.source}.{each.opened.kind}" for each in every if each.mended is None)


def said(
    feeds: Sequence[str], states: Mapping[str, StreamNote], gaps: Mapping[str, int] | None, *, now_ms: int
) -> Iterator[tuple[bool, str]]:
    """A line for each feed, and whether it is a fault.

    Args:
        gaps: that are open; None where nobody knows.
    """
    for feed in feeds:
        state = states.get(feed)
        if state is None or not (state.frame_ms or state.marks):
            yield True, f"{feed}: nothing has come yet"
            continue
        age = max(0.0, (now_ms - state.frame_ms) / 1000)
        came = f"last frame {iso(state.frame_ms)[:19]}Z, {age:.0f} s ago" if state.frame_ms else "no frame yet"
        words = [f"{feed}: {'connected' if state.connected else 'not connected'}", came]
        if state.marks:
            symbol, mark = max(state.marks.items(), key=lambda each: each[1].at_ms)
            words.append(f"published up to {symbol} {mark.id} of {iso(mark.at_ms)[:19]}Z")
        if gaps is not None and (count := gaps.get(feed, 0)):
            words.append(f"{count} gap{'' if count == 1 else 's'} of the last day open (cryptoproxy gaps --open)")
        elif gaps is not None:
            words.append("no gap open")
        yield not state.connected or age > SILENT_SECONDS, "; ".join(words)
