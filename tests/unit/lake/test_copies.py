"""Of each id the copy with the smallest ``fetched_at``, whichever object it lies in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st

from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import Ticker, decode, encode, from_iso, iso
from cryptoproxy.datasets.times import Span
from cryptoproxy.errors import PoisonError
from cryptoproxy.lake.form import Stored, refuse
from cryptoproxy.lake.objects import make
from cryptoproxy.lake.raw import RawForm
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.whole import whole_lake
from tests.unit.lake.conftest import Bucket

TEN = from_iso("2026-11-20T10:00:00.000Z")
MINUTE = 60_000
HOUR = 60 * MINUTE
NOW_MS = TEN + 24 * HOUR


def line(
    slot_ms: int, asset_id: str = "bitcoin", *, after_ms: int = 400, price: float = 1.0, source: str = "s"
) -> bytes:
    return encode(
        Ticker(
            source=source,
            asset_id=asset_id,
            symbol="X",
            name="X",
            quote="USD",
            price=price,
            timestamp=iso(slot_ms),
            fetched_at=iso(slot_ms + after_ms),
            fetch_delay_ms=after_ms,
        )
    )


def put(store: Store, *lines: bytes, slot_ms: int = TEN, source: str = "s") -> str:
    made = make(store.settings.prefix, "ticker", source, slot_ms, b"".join(each + b"\n" for each in lines))
    store.put(made.key, made.body)
    return made.key


def records(store: Store, from_ms: int = TEN, to_ms: int = TEN + HOUR, source: str = "s") -> list[Stored]:
    return list(whole_lake(store).records(source, Span(from_ms, to_ms), refuse))


def read(store: Store, from_ms: int = TEN, to_ms: int = TEN + HOUR, source: str = "s") -> dict[str, bytes]:
    found = records(store, from_ms, to_ms, source)
    lines = {each.id: each.line for each in found}
    assert len(lines) == len(found)
    return lines


def sources(store: Store) -> list[str]:
    return whole_lake(store).sources()


def test_records_come_with_their_ids_and_bytes(store: Store) -> None:
    put(store, line(TEN, "bitcoin"), line(TEN, "ethereum"))
    put(store, line(TEN + MINUTE), slot_ms=TEN + MINUTE)
    assert [(each.id, each.line) for each in records(store)] == [
        (f"s:bitcoin:USD:{TEN}", line(TEN, "bitcoin")),
        (f"s:ethereum:USD:{TEN}", line(TEN, "ethereum")),
        (f"s:bitcoin:USD:{TEN + MINUTE}", line(TEN + MINUTE)),
    ]


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_copies_the_one_that_was_fetched_first_is_taken(store: Store, turned: bool) -> None:
    copies = [line(TEN, after_ms=300, price=1.0), line(TEN, after_ms=900, price=2.0)]
    for each in reversed(copies) if turned else copies:
        put(store, each)
    assert read(store) == {f"s:bitcoin:USD:{TEN}": copies[0]}


@tried(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 3), st.sampled_from("ab"), st.integers(0, 5), st.integers(1, 9)),
            min_size=1,
            max_size=4,
            unique_by=lambda each: each[:2],
        ),
        min_size=1,
        max_size=6,
    )
)
def test_the_rule_holds_however_copies_are_spread(
    make_store: Callable[..., Store], bucket: Bucket, objects: list[list[tuple[int, str, int, int]]]
) -> None:
    bucket.objects.clear()
    store = make_store()
    smallest: dict[str, int] = {}
    for each in objects:
        put(
            store,
            *(line(TEN + slot * MINUTE, asset, after_ms=after, price=price) for slot, asset, after, price in each),
            slot_ms=TEN + min(slot for slot, *_ in each) * MINUTE,  # an object begins with its first
        )
        for slot, asset, after, _ in each:
            identity = f"s:{asset}:USD:{TEN + slot * MINUTE}"
            smallest[identity] = min(after, smallest.get(identity, after))
    found = read(store)
    assert {identity: decode(each, now_ms=NOW_MS).fetch_delay_ms for identity, each in found.items()} == smallest


def test_only_slots_of_the_range_come_its_end_excluded(store: Store) -> None:
    put(store, *(line(TEN + minute * MINUTE) for minute in range(60)))
    put(store, line(TEN + HOUR), slot_ms=TEN + HOUR)
    put(store, line(TEN - MINUTE), slot_ms=TEN - MINUTE)
    found = [int(identity.rpartition(":")[2]) for identity in read(store, TEN + 5 * MINUTE, TEN + 7 * MINUTE)]
    assert found == [TEN + 5 * MINUTE, TEN + 6 * MINUTE]
    assert len(read(store, TEN - MINUTE, TEN + HOUR + 1)) == 62
    assert read(store, TEN, TEN) == {}
    assert read(store, TEN + 5 * MINUTE + 1, TEN + 6 * MINUTE) == {}


def test_other_sources_and_other_files_are_left_alone(store: Store, bucket: Bucket) -> None:
    put(store, line(TEN))
    put(store, line(TEN, source="s-other"), source="s-other")
    folder = "crypto/v1/ticker/raw/source=s/dt=2026-11-20/hour=10/"
    bucket.objects |= {f"{folder}_SUCCESS": b"", f"{folder}notes.txt": b"x", "crypto/v1/check/x": b"x"}
    assert list(read(store)) == [f"s:bitcoin:USD:{TEN}"]
    assert len(RawForm(store).keys("s", Span(TEN, TEN + HOUR))) == 1


def test_sources_are_those_that_have_anything(store: Store, bucket: Bucket) -> None:
    assert sources(store) == []
    for source in ("coingecko", "binance", "bybit-linear"):
        for minute in range(3):
            put(store, line(TEN + minute * MINUTE, source=source), slot_ms=TEN + minute * MINUTE, source=source)
    bucket.objects |= {"crypto/v1/ticker/raw/readme.txt": b"x", "crypto/v1/raw/other/x": b"x"}
    assert sources(store) == ["binance", "bybit-linear", "coingecko"]


def test_a_damaged_object_is_named(store: Store, bucket: Bucket) -> None:
    key = put(store, line(TEN))
    body = bytearray(bucket.objects[key])
    body[len(body) // 2] ^= 255
    bucket.objects[key] = bytes(body)
    with pytest.raises(PoisonError, match=key) as caught:
        read(store)
    assert caught.value.reason == "damaged_object"


@pytest.mark.parametrize("bad", [b"{}", b"nonsense", b"", line(NOW_MS + HOUR)])
def test_a_line_that_breaks_the_contract_is_named_with_its_object(store: Store, bad: bytes) -> None:
    key = put(store, line(TEN), bad)
    with pytest.raises(PoisonError, match=key):
        read(store)


def test_a_lake_without_prefix_is_read_too(bucket: Bucket) -> None:
    store = Store(replace(Settings.from_texts({}).s3, prefix=""), connect=lambda: bucket)  # type: ignore[arg-type,return-value]
    put(store, line(TEN))
    assert next(iter(bucket.objects)).startswith("v1/ticker/raw/")
    assert sources(store) == ["s"]
    assert len(read(store)) == 1
