"""What the settings allow."""

from __future__ import annotations

import pytest

from cryptoproxy.common.settings import Settings
from cryptoproxy.producer.budget import limits_of

DEMO = {"COINGECKO_PLAN": "demo", "COINGECKO_API_KEY": "a-key"}
PRO = {"COINGECKO_PLAN": "pro", "COINGECKO_API_KEY": "a-key"}


def amounts(texts: dict[str, str], upstream: str) -> dict[str, int]:
    limits = limits_of(Settings.from_texts(texts).upstreams)[upstream]
    return {limit.window: limit.amount for limit in limits.limits}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({}, {"minute": 5}),
        (DEMO, {"minute": 30, "month": 10_000}),
        (PRO, {"minute": 500, "month": 500_000}),
        (DEMO | {"COINGECKO_CALLS_PER_MINUTE": "100"}, {"minute": 100, "month": 10_000}),
        ({"COINGECKO_CALLS_PER_MONTH": "900"}, {"minute": 5, "month": 900}),
    ],
)
def test_the_plan_decides_what_coingecko_allows_unless_the_settings_do(
    texts: dict[str, str], expected: dict[str, int]
) -> None:
    assert amounts(texts, "coingecko") == expected


def test_zero_is_no_limit() -> None:
    texts = DEMO | {
        "COINGECKO_CALLS_PER_MINUTE": "0",
        "COINGECKO_CALLS_PER_MONTH": "0",
        "BINANCE_WEIGHT_PER_MINUTE": "0",
        "BYBIT_CALLS_PER_5S": "0",
    }
    assert [amounts(texts, upstream) for upstream in ("coingecko", "binance", "bybit")] == [{}, {}, {}]


def test_binance_counts_weight_and_slows_down_above_90_percent() -> None:
    limits = limits_of(Settings.from_texts({}).upstreams)["binance"]
    assert limits.unit == "weight"
    (limit,) = limits.limits
    assert (limit.amount, limit.calm) == (6000, 5400)


def test_bybit_counts_calls_in_5_seconds() -> None:
    assert amounts({}, "bybit") == {"5s": 300}


def test_every_limit_names_a_setting_that_exists() -> None:
    from dataclasses import fields

    from cryptoproxy.common.settings.catalogue import Upstreams

    documented = {str(field.metadata) for field in fields(Upstreams)}
    for limits in limits_of(Settings.from_texts(DEMO).upstreams).values():
        for name in (limits.interval_setting, *(limit.setting for limit in limits.limits)):
            assert any(name in each for each in documented), name
