"""CoinGecko's plans: each has an address, a header for its key, and limits."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping

from cryptoproxy.common.settings.catalogue import Upstreams
from cryptoproxy.errors import OperatorError
from cryptoproxy.upstreams.base import MONTH, Limit, Limits, in_force


class Plan(enum.StrEnum):
    """Decides address and key header. A key of one paid plan is refused at the other's address."""

    KEYLESS = "keyless"
    DEMO = "demo"
    PRO = "pro"


PUBLIC_BASE_URL = "https://api.coingecko.com/api/v3"
PRO_BASE_URL = "https://pro-api.coingecko.com/api/v3"
BASE_URLS = {Plan.KEYLESS: PUBLIC_BASE_URL, Plan.DEMO: PUBLIC_BASE_URL, Plan.PRO: PRO_BASE_URL}
KEY_HEADERS = {Plan.DEMO: "x-cg-demo-api-key", Plan.PRO: "x-cg-pro-api-key"}
ALLOWED = {Plan.KEYLESS: (5, 0), Plan.DEMO: (30, 10_000), Plan.PRO: (500, 500_000)}
"""Calls per minute and per month, where the settings say nothing. 0: no limit."""

# Looked at before it is sent: a client library refuses other characters with the key in its message.
_KEY = re.compile(r"[!-~]+", re.ASCII)


def limits_of(settings: Upstreams) -> Limits:
    """Those of the plan, unless the settings have others."""
    per_minute, per_month = ALLOWED[Plan(settings.coingecko_plan)]
    if settings.coingecko_calls_per_minute is not None:
        per_minute = settings.coingecko_calls_per_minute
    if settings.coingecko_calls_per_month is not None:
        per_month = settings.coingecko_calls_per_month
    return Limits(
        upstream="coingecko",
        unit="calls",
        interval_setting="COINGECKO_INTERVAL",
        limits=in_force(
            Limit(window="minute", amount=per_minute, setting="COINGECKO_CALLS_PER_MINUTE"),
            Limit(window=MONTH, amount=per_month, setting="COINGECKO_CALLS_PER_MONTH"),
        ),
    )


def key_header(plan: Plan, key: str | None) -> Mapping[str, str]:
    """The plan's own header with the key in it; nothing where there is no key to send.

    Raises:
        OperatorError: the plan needs a key and there is none, or none that a header can hold.
    """
    if plan is Plan.KEYLESS:
        return {}
    if not key:
        raise OperatorError(
            f"coingecko's {plan} plan needs a key and there is none",
            remedy="Set COINGECKO_API_KEY, or COINGECKO_PLAN=keyless",
        )
    if not _KEY.fullmatch(key):
        raise OperatorError(
            "coingecko's key has a blank or a character that no header can hold",
            remedy="Set COINGECKO_API_KEY to the key alone",
        )
    return {KEY_HEADERS[plan]: key}
