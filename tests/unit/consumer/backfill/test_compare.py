from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.consumer.backfill.compare import SHOWN, compare

ids = st.lists(st.integers(0, 30), unique=True).map(lambda found: [(each // 3, f"id-{each}") for each in sorted(found)])


@given(ids, ids, ids)
def test_every_id_is_accounted_for(
    lake: list[tuple[int, str]], documents: list[tuple[int, str]], dead: list[tuple[int, str]]
) -> None:
    stored, indexed, set_aside = ({identity for _, identity in each} for each in (lake, documents, dead))
    found = compare(lake, documents, set_aside)
    assert set(found.missing.ids) == stored - indexed - set_aside
    assert set(found.extra.ids) == indexed - stored
    assert found.dead_letters == len((stored - indexed) & set_aside)
    assert (found.lake, found.documents) == (len(stored), len(indexed))
    assert found.lake + found.extra.count == found.documents + found.dead_letters + found.missing.count
    assert found.agrees == (stored - set_aside <= indexed <= stored)


def test_equal_counts_with_other_ids_differ() -> None:
    found = compare([(1, "a"), (2, "b")], [(1, "a"), (2, "c")], ())
    assert (found.missing.ids, found.extra.ids) == (["b"], ["c"])


def test_an_id_in_two_indices_is_one_too_many() -> None:
    assert compare([(1, "a")], [(1, "a"), (1, "a")], ()).extra.ids == ["a"]


def test_of_very_many_only_the_count_is_kept() -> None:
    found = compare([(each, f"{each}") for each in range(SHOWN + 5)], [], ())
    assert (found.missing.count, len(found.missing.ids)) == (SHOWN + 5, SHOWN)
