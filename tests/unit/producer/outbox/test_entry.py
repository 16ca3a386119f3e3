from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.datasets import DATASETS, Feed
from cryptoproxy.producer.outbox import Entry

times = st.integers(0, 10**14 - 1)
sources = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
feeds = st.sampled_from([(name, part) for name, dataset in DATASETS.items() for part in dataset.parts]).flatmap(
    lambda of: sources.map(lambda source: Feed(source, *of))
)
contents = st.lists(st.binary(max_size=20).filter(lambda each: b"\n" not in each), max_size=20).map(
    lambda lines: b"".join(line + b"\n" for line in lines)
)


@given(feeds, times, times, times, contents)
def test_an_entry_comes_back_from_its_name(
    feed: Feed, kept_ms: int, slot_ms: int, begin_ms: int, content: bytes
) -> None:
    entry = Entry.of(feed, content, kept_ms=kept_ms, begin_ms=begin_ms, slot_ms=slot_ms)
    assert Entry.parse(entry.name) == entry
    assert entry.records == content.count(b"\n")
    assert entry.holds(content)


@given(times, sources, st.integers(0, 10_000))
def test_an_entry_of_before_there_were_other_datasets_is_one_of_tickers_kept_at_its_slot(
    slot_ms: int, source: str, records: int
) -> None:
    entry = Entry.parse(f"{slot_ms:014d}-{source}-{records}-0123456789ab.jsonl")
    assert entry == Entry(slot_ms, Feed(source), slot_ms, slot_ms, records, "0123456789ab")
    assert Entry.parse(entry.name) == entry


@given(feeds, contents, contents)
def test_an_entry_knows_its_own_content(feed: Feed, content: bytes, other: bytes) -> None:
    entry = Entry.of(feed, content, kept_ms=1, begin_ms=1)
    assert entry.holds(other) == (other == content)
    for cut in range(len(content)):
        assert not entry.holds(content[:cut])


@given(st.lists(st.tuples(times, feeds, times), max_size=20))
def test_entries_sort_as_they_were_kept_and_so_do_their_names(found: list[tuple[int, Feed, int]]) -> None:
    entries = [Entry.of(feed, b"", kept_ms=kept_ms, begin_ms=begin_ms) for kept_ms, feed, begin_ms in found]
    in_order = sorted(kept_ms for kept_ms, _, _ in found)
    assert [entry.kept_ms for entry in sorted(entries)] == in_order
    assert [int(name[:14]) for name in sorted(entry.name for entry in entries)] == in_order


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x",
        "01763632800000-coingecko-50-0123456789ab.jsonl.tmp",
        "01763632800000-coingecko-50-0123456789AB.jsonl",
        "01763632800000-coingecko-50-0123456789a.jsonl",
        "1763632800000-coingecko-50-0123456789ab.jsonl",
        "01763632800000-CoinGecko-50-0123456789ab.jsonl",
        "01763632800000-coingecko--0123456789ab.jsonl",
        "01763632800000-coingecko-50-0123456789ab.jsonl\n",
        "01763632800000-binance.candle-1x-01763632800000-01763632800000-50-0123456789ab.jsonl",
        "01763632800000-binance.weather-01763632800000-01763632800000-50-0123456789ab.jsonl",
        "01763632800000-binance.ticker-1m-01763632800000-01763632800000-50-0123456789ab.jsonl",
        "01763632800000-binance.ticker-01763632800000-50-0123456789ab.jsonl",
    ],
)
def test_another_name_is_no_entry_s(name: str) -> None:
    assert Entry.parse(name) is None
