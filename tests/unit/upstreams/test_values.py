"""Numbers, times and waits."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cryptoproxy.datasets import from_iso
from cryptoproxy.upstreams.answers.refusals import LONGEST_WAIT, retry_after
from cryptoproxy.upstreams.answers.values import difference, iso_of_ms, iso_of_text, ms_of_seconds, percent

NOW_MS = 1_763_632_800_000  # Thu, 20 Nov 2025 10:00:00 GMT


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [(0.0124, 1.24), (0.57, 57.0), (-0.0, 0.0), (1e-9, 1e-07), (1.5e300, 1.5e302), (1e308, None), (None, None)],
)
def test_percent(fraction, expected):
    assert percent(fraction) == expected


def in_decimal(number: Decimal) -> float | None:
    return float(number) if math.isfinite(float(number)) else None


any_number = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-2e7, 2e7),
    st.integers(0, 14).flatmap(lambda places: st.decimals(-(2 * 10**7), 2 * 10**7, places=places)).map(float),
)
"""As short decimals, at the border of the short way through them, and as what no decimal of 15 digits is."""


@settings(deadline=None, max_examples=2000)
@given(any_number)
@example(9999999.99999999)
@example(10000000.00000001)
@example(5e-9)
def test_percent_only_moves_the_point(fraction):
    assert percent(fraction) == in_decimal(Decimal(repr(fraction)).scaleb(2))


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [(0.3, 0.1, 0.2), (25838.0, 25571.23, 266.77), (1.0, None, None), (1.0, 0.0, None), (1e308, -1e308, None)],
)
def test_difference(now, before, expected):
    assert difference(now, before) == expected


@settings(deadline=None, max_examples=2000)
@given(any_number, any_number.filter(bool))
@example(9999999.99999999, -9999999.99999999)
@example(10000000.0, 9999999.99999999)
@example(1e-8, 1.5e-8)
@example(9007199254740994.0, 0.9999999999999999)
def test_difference_is_that_of_the_decimals(now, before):
    with localcontext(prec=1000):
        expected = in_decimal(Decimal(repr(now)) - Decimal(repr(before)))
    assert difference(now, before) == expected


@settings(deadline=None)
@given(st.integers(1, 253_402_300_799_999))
def test_every_moment_is_spelled_as_the_contract_wants_it(ms):
    assert from_iso(iso_of_ms(ms)) == ms


@pytest.mark.parametrize("ms", [None, 0, -1, 253_402_300_800_000])
def test_no_moment_is_none(ms):
    assert iso_of_ms(ms) is None


@pytest.mark.parametrize(
    ("seconds", "ms"),
    [
        ("1672324738.823984", 1672324738823),
        ("1567654169.767232", 1567654169767),
        (1672324738, 1672324738000),
        (1672324738.823, 1672324738823),
        ("", None),
        ("NaN", None),
        ("-5", None),
        ("1e99", None),
        (True, None),
        (None, None),
        ([], None),
    ],
)
def test_unix_seconds_with_a_fraction(seconds, ms):
    assert ms_of_seconds(seconds) == ms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-01-29T17:06:45.247Z", "2022-01-29T17:06:45.247Z"),
        ("2022-01-29T17:06:45Z", "2022-01-29T17:06:45.000Z"),
        ("2022-01-29 17:06:45", "2022-01-29T17:06:45.000Z"),
        ("2022-01-29T17:06:45.2479Z", "2022-01-29T17:06:45.247Z"),
        ("2022-01-29T19:06:45.247+02:00", "2022-01-29T17:06:45.247Z"),
        ("2022-01-29T17:06:45.247+0000", "2022-01-29T17:06:45.247Z"),
        ("2022-02-30T17:06:45.247Z", None),
        ("2022-01-29", None),
        ("2022-W04-6T17:06:45Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
        (None, None),
    ],
)
def test_iso_in_other_spellings(text, expected):
    assert iso_of_text(text) == expected


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("119", 119),
        (" 0.5 ", 0.5),
        ("0", 0),
        ("Thu, 20 Nov 2025 10:02:00 GMT", 120),
        ("Thu, 20 Nov 2025 11:02:00 +0100", 120),
        ("Thu, 20 Nov 2025 10:02:00 -0000", 120),
        ("Thu, 20 Nov 2025 09:00:00 GMT", 0),
        ("Thu, 20 Nov 2099 09:00:00 GMT", LONGEST_WAIT),
        ("99999999999999999999", LONGEST_WAIT),
        ("9" * 400, LONGEST_WAIT),
        (str(NOW_MS // 1000 + 30), 30),
        (str(NOW_MS + 30_000), 30),
        (str(NOW_MS // 1000 - 30), 0),
        ("-1", None),
        ("nan", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(header, seconds):
    assert retry_after({"retry-after": header}, now_ms=NOW_MS) == seconds


@given(
    st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{1,5} \d\d:\d\d:\d\d [+-]\d{4}", fullmatch=True)
)
@example("Wed, 32 Nov 2026 25:61:61 GMT")
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
def test_whatever_stands_in_the_header_is_a_time_within_the_longest_or_none(header):
    seconds = retry_after({"retry-after": header, "x-bapi-limit-reset-timestamp": header}, now_ms=NOW_MS)
    assert seconds is None or 0 <= seconds <= LONGEST_WAIT


def test_no_retry_after():
    assert retry_after({}, now_ms=NOW_MS) is None


def test_percent_agrees_with_decimal_for_each_written_fraction():
    for written in ("0.004439", "-0.016674", "0.155669", "0.0068", "-0.025", "0.00605"):
        assert percent(float(written)) == float(Decimal(written) * 100)
