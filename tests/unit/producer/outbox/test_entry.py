from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.producer.outbox import Entry

slots = st.integers(0, 10**14 - 1)
sources = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
contents = st.lists(st.binary(max_size=20).filter(lambda each: b"\n" not in each), max_size=20).map(
    lambda lines: b"".join(line + b"\n" for line in lines)
)


@given(slots, sources, contents)
def test_an_entry_comes_back_from_its_name(slot_ms: int, source: str, content: bytes) -> None:
    entry = Entry.of(slot_ms, source, content)
    assert Entry.parse(entry.name) == entry
    assert entry.records == content.count(b"\n")
    assert entry.holds(content)


@given(slots, sources, contents, contents)
def test_an_entry_knows_its_own_content(slot_ms: int, source: str, content: bytes, other: bytes) -> None:
    entry = Entry.of(slot_ms, source, content)
    assert entry.holds(other) == (other == content)
    for cut in range(len(content)):
        assert not entry.holds(content[:cut])


@given(st.lists(st.tuples(slots, sources), max_size=20))
def test_entries_sort_by_slot_and_so_do_their_names(found: list[tuple[int, str]]) -> None:
    entries = [Entry.of(slot_ms, source, b"") for slot_ms, source in found]
    assert [entry.slot_ms for entry in sorted(entries)] == sorted(entry.slot_ms for entry in entries)
    assert [
        Entry.parse(name) and Entry.parse(name).slot_ms for name in sorted(each.name for each in entries)
    ] == sorted(  # type: ignore[union-attr]
        entry.slot_ms for entry in entries
    )


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
    ],
)
def test_another_name_is_no_entry_s(name: str) -> None:
    assert Entry.parse(name) is None
