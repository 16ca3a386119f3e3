from __future__ import annotations

import gzip
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.datasets import from_iso
from cryptoproxy.datasets.times import HOUR_MS, Span
from cryptoproxy.errors import PoisonError
from cryptoproxy.lake.objects import lines_of, make, raw_object, slots_of

SLOT_MS = from_iso("2026-11-20T10:00:00.000Z")
LINES = b'{"a":1}\n{"b":"\r\x0b\xe2\x80\xa8"}\n'
lines = st.lists(st.binary(min_size=1, max_size=50).filter(lambda each: b"\n" not in each), max_size=20)


@pytest.mark.parametrize(("prefix", "begin"), [("team-a/crypto", "team-a/crypto/"), ("", "")])
def test_an_object_of_the_lake_is_spelled_as_the_design_says(prefix: str, begin: str) -> None:
    name = raw_object(prefix, "ticker", "coingecko", SLOT_MS, "0123456789abcdef" * 4)
    assert name == (
        f"{begin}v1/ticker/raw/source=coingecko/dt=2026-11-20/hour=10/coingecko-20261120T100000Z-0123456789ab.jsonl.gz"
    )


def test_the_key_is_spelled_as_the_design_says() -> None:
    made = make("crypto", "ticker", "coingecko", SLOT_MS, LINES)
    digest = hashlib.sha256(LINES).hexdigest()[:12]
    assert made.key == (
        f"crypto/v1/ticker/raw/source=coingecko/dt=2026-11-20/hour=10/coingecko-20261120T100000Z-{digest}.jsonl.gz"
    )
    assert made.records == 2
    assert slots_of(made.key) == Span(SLOT_MS, SLOT_MS + HOUR_MS)


@given(lines)
def test_lines_come_back_as_they_were(each: list[bytes]) -> None:
    made = make("crypto", "ticker", "binance", SLOT_MS, b"".join(line + b"\n" for line in each))
    assert list(lines_of(made.key, made.body)) == each
    assert made.records == len(each)


def test_only_a_newline_ends_a_line() -> None:
    made = make("crypto", "ticker", "binance", SLOT_MS, LINES)
    assert list(lines_of(made.key, made.body)) == [b'{"a":1}', b'{"b":"\r\x0b\xe2\x80\xa8"}']


def test_the_same_lines_are_the_same_bytes_whenever_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    first = make("crypto", "ticker", "coingecko", SLOT_MS, LINES * 1000)
    monkeypatch.setattr("time.time", lambda: 1.0)
    assert make("crypto", "ticker", "coingecko", SLOT_MS, LINES * 1000) == first
    assert first.body[4:8] == bytes(4)  # no time of making
    assert gzip.decompress(first.body) == LINES * 1000


def test_other_lines_have_another_name() -> None:
    assert make("p", "ticker", "s", SLOT_MS, LINES).key != make("p", "ticker", "s", SLOT_MS, LINES + LINES).key


@given(st.integers(0, 10_000), st.integers(1, 255), st.integers(0, 10_000))
def test_a_damaged_object_is_noticed(at: int, change: int, cut: int) -> None:
    made = make("crypto", "ticker", "coingecko", SLOT_MS, b"".join(b'{"n":%d}\n' % number for number in range(500)))
    body = bytearray(made.body)
    body[at % len(body)] ^= change
    damaged = [bytes(body), made.body[: cut % len(made.body)], made.body + b"\x01"]
    for each in damaged:
        if intact(made.key, each):  # a change of the gzip's own head may be harmless
            assert list(lines_of(made.key, each)) == list(lines_of(made.key, made.body))


def intact(key: str, body: bytes) -> bool:
    try:
        list(lines_of(key, body))
    except PoisonError:
        return False
    return True


@pytest.mark.parametrize("body", [b"", b"not gzip", b"\x1f\x8b", b"\x1f\x8b\x08" + bytes(40)])
def test_what_is_not_gzip_is_noticed(body: bytes) -> None:
    made = make("crypto", "ticker", "coingecko", SLOT_MS, LINES)
    with pytest.raises(PoisonError, match="coingecko-20261120T100000Z") as caught:
        list(lines_of(made.key, body))
    assert caught.value.reason == "damaged_object"


def test_an_object_under_another_s_name_is_noticed() -> None:
    made, other = make("crypto", "ticker", "s", SLOT_MS, LINES), make("crypto", "ticker", "s", SLOT_MS, LINES + LINES)
    with pytest.raises(PoisonError, match="other lines than its name says"):
        list(lines_of(made.key, other.body))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "crypto/v1/check/0123",
        "crypto/v1/ticker/raw/source=s/dt=2026-11-20/hour=10/s-20261120T100000Z-0123456789ab.jsonl",
        "crypto/v1/ticker/raw/source=s/dt=2026-11-20/hour=10/other-20261120T100000Z-0123456789ab.jsonl.gz",
        "crypto/v1/ticker/raw/source=s/dt=2026-11-20/hour=11/s-20261120T100000Z-0123456789ab.jsonl.gz",
        "crypto/v1/ticker/raw/source=s/dt=2026-11-21/hour=10/s-20261120T100000Z-0123456789ab.jsonl.gz",
        "crypto/v1/ticker/raw/source=s/dt=2026-99-99/hour=10/s-20269999T100000Z-0123456789ab.jsonl.gz",
        "crypto/v1/ticker/raw/source=s/dt=2026-11-20/hour=99/s-20261120T990000Z-0123456789ab.jsonl.gz",
        "crypto/v1/ticker/raw/source=s/dt=2026-11-20/hour=10/s-20261120T100000Z-0123456789AB.jsonl.gz",
        "crypto/v1/ticker/table/s/s.parquet",
    ],
)
def test_a_key_that_is_not_an_object_s_has_no_slot(key: str) -> None:
    assert slots_of(key) is None


@pytest.mark.parametrize("prefix", ["", "crypto", "team-a/crypto"])
def test_a_slot_is_found_below_every_prefix(prefix: str) -> None:
    found = slots_of(make(prefix, "ticker", "bybit-linear", SLOT_MS + 59_000, LINES).key)
    assert found == Span(SLOT_MS + 59_000, SLOT_MS + HOUR_MS)
