"""What is allowed, per upstream, from the settings. A quota of 0 is no limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptoproxy.common.errors import OperatorError
from cryptoproxy.common.settings.catalogue import Upstreams
from cryptoproxy.producer.budget.windows import FIVE_SECONDS, MINUTE, WINDOWS

MONTH = "month"

# Calls per minute and per month by CoinGecko's plan, where the settings say nothing. 0: no limit.
_COINGECKO_PLANS = {"keyless": (5, 0), "demo": (30, 10_000), "pro": (500, 500_000)}

SLOW_ABOVE = 0.9
"""Of Binance's weight. Others behind our address use it too, and going on at the limit ends in a ban."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most ``amount`` in ``window``: ``minute`` and ``5s`` roll, ``month`` is the calendar's in UTC."""

    window: str
    amount: int
    setting: str
    """What a person changes to allow more, or less."""
    slow_above: float = 1.0
    """Above this share of the amount, what is left is spread over the window."""

    @property
    def calm(self) -> int:
        """Up to here nothing is slowed down."""
        return int(self.amount * self.slow_above)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """All limits of one upstream; none in a window means that it is free there."""

    upstream: str
    unit: str
    interval_setting: str
    limits: tuple[Limit, ...] = ()

    @property
    def rolling(self) -> tuple[Limit, ...]:
        return tuple(limit for limit in self.limits if limit.window in WINDOWS)

    @property
    def month(self) -> Limit | None:
        return next((limit for limit in self.limits if limit.window == MONTH), None)

    def require_possible(self, cost: int, what: str) -> None:
        """Raises:
        OperatorError: no window ever holds the ``cost`` of ``what``.
        """
        for limit in self.limits:
            if cost > limit.amount:
                raise OperatorError(
                    f"{what} costs {cost} {self.unit}, {limit.setting} allows {limit.amount} per {limit.window}",
                    remedy=f"Raise {limit.setting}, or ask for less",
                )


def limits_of(upstreams: Upstreams) -> Mapping[str, Limits]:
    """By upstream: ``coingecko``, ``binance``, ``bybit``."""
    per_minute, per_month = _COINGECKO_PLANS[upstreams.coingecko_plan]
    if upstreams.coingecko_calls_per_minute is not None:
        per_minute = upstreams.coingecko_calls_per_minute
    if upstreams.coingecko_calls_per_month is not None:
        per_month = upstreams.coingecko_calls_per_month
    every = (
        Limits(
            upstream="coingecko",
            unit="calls",
            interval_setting="COINGECKO_INTERVAL",
            limits=_without_zeros(
                Limit(window=MINUTE.name, amount=per_minute, setting="COINGECKO_CALLS_PER_MINUTE"),
                Limit(window=MONTH, amount=per_month, setting="COINGECKO_CALLS_PER_MONTH"),
            ),
        ),
        Limits(
            upstream="binance",
            unit="weight",
            interval_setting="BINANCE_INTERVAL",
            limits=_without_zeros(
                Limit(
                    window=MINUTE.name,
                    amount=upstreams.binance_weight_per_minute,
                    setting="BINANCE_WEIGHT_PER_MINUTE",
                    slow_above=SLOW_ABOVE,
                )
            ),
        ),
        Limits(
            upstream="bybit",
            unit="calls",
            interval_setting="BYBIT_INTERVAL",
            limits=_without_zeros(
                Limit(window=FIVE_SECONDS.name, amount=upstreams.bybit_calls_per_5s, setting="BYBIT_CALLS_PER_5S")
            ),
        ),
    )
    return {limits.upstream: limits for limits in every}


def _without_zeros(*limits: Limit) -> tuple[Limit, ...]:
    return tuple(limit for limit in limits if limit.amount > 0)
