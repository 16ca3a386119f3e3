"""Which calls ask CoinGecko for a poll, and how the three plans differ."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote as url_quote

from cryptoproxy.common.errors import OperatorError, SettingsError
from cryptoproxy.producer.sources.gathering import usable_id

PAGE = 250
"""Most coins in one answer; CoinGecko cuts a larger ``per_page`` without a word."""

MAX_IDS_LENGTH = 6000
"""Most characters of the encoded ids: servers commonly take a request line of 8 KiB."""


class Plan(enum.StrEnum):
    """Decides address and key header. A key of one paid plan is refused at the other's address."""

    KEYLESS = "keyless"
    DEMO = "demo"
    PRO = "pro"


PUBLIC_BASE_URL = "https://api.coingecko.com/api/v3"
PRO_BASE_URL = "https://pro-api.coingecko.com/api/v3"
BASE_URLS = {Plan.KEYLESS: PUBLIC_BASE_URL, Plan.DEMO: PUBLIC_BASE_URL, Plan.PRO: PRO_BASE_URL}
KEY_HEADERS = {Plan.DEMO: "x-cg-demo-api-key", Plan.PRO: "x-cg-pro-api-key"}

# Looked at before it is sent: a client library refuses other characters with the key in its message.
_KEY = re.compile(r"[!-~]+", re.ASCII)
_QUOTE = re.compile(r"[A-Za-z0-9]{1,32}", re.ASCII)


def verify(*, top_n: int, ids: Sequence[str], quote: str) -> None:
    """Refuses what CoinGecko would misread without a word: after a blank in ``ids`` it loses all later ones.

    Raises:
        SettingsError: with every fault.
    """
    faults = [
        f"COINGECKO_IDS holds {asset_id!r}; an id has no ',', ':', '/' or blank"
        for asset_id in ids
        if "," in asset_id or not usable_id(asset_id)
    ]
    if top_n < 1:
        faults.append(f"COINGECKO_TOP_N={top_n} must be 1 or more")
    if not _QUOTE.fullmatch(quote):
        faults.append(f"COINGECKO_QUOTE={quote!r} is not a currency like usd")
    if faults:
        raise SettingsError(faults)


def questions(*, top_n: int, ids: Sequence[str], quote: str) -> Iterator[Mapping[str, str]]:
    """The query of each call: pages of the top N, all of one size so that they meet, or chunks of ids."""
    common = {
        "vs_currency": quote,
        "order": "market_cap_desc",
        "price_change_percentage": "1h,24h,7d",
        "precision": "full",
    }
    if ids:
        for chunk in chunks(ids):
            yield {**common, "ids": ",".join(chunk), "per_page": str(PAGE), "page": "1"}
        return
    per_page = min(PAGE, top_n)
    for page in range(1, -(-top_n // per_page) + 1):
        yield {**common, "per_page": str(per_page), "page": str(page)}


def sizes(questions: Sequence[Mapping[str, str]], *, top_n: int) -> tuple[int, ...]:
    """How many coins of each answer are wanted: a page's, as far as N goes, or those that are named."""
    return tuple(
        question["ids"].count(",") + 1
        if "ids" in question
        else min(int(question["per_page"]), top_n - page * int(question["per_page"]))
        for page, question in enumerate(questions)
    )


def chunks(ids: Sequence[str]) -> Iterator[list[str]]:
    """Ids in portions that fit into one page and one URL, in which a comma takes three characters."""
    chunk: list[str] = []
    length = 0
    for asset_id in ids:
        more = len(url_quote(asset_id, safe="")) + 3
        if chunk and (len(chunk) == PAGE or length + more > MAX_IDS_LENGTH):
            yield chunk
            chunk, length = [], 0
        chunk.append(asset_id)
        length += more
    if chunk:
        yield chunk


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
