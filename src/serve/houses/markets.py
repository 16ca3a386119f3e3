"""Rows of ``coins/markets`` for any parameters, chosen from the answers to the poller's own calls.

The poller asks for the top N or for coins by id, with prices in full and some changes. A client gets what it asked for
where these answers hold it: the columns that it did not ask for are left out, its price is rounded as CoinGecko rounds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cryptoproxy.serve.request import flag, listed
from cryptoproxy.serve.road.newest import Kept
from cryptoproxy.upstreams.coingecko import rendering

MOST_PER_PAGE = 250
_COUNT = re.compile(r"\d{1,9}", re.ASCII)
_CHANGES = ("1h", "14d", "1y", "200d", "24h", "30d", "7d")
_WITH_REHYPOTHECATED = "market_cap_rank_with_rehypothecated"
_rows = msgspec.json.Decoder(list[dict[str, Any]])

Row = dict[str, Any]


class Lacking(Exception):  # noqa: N818 - a question for somebody else, not a fault
    """The answers do not hold what is asked for; why, in words."""


def chosen(params: Mapping[str, str], kept: Sequence[Kept], precision: str | None) -> tuple[list[Row], list[Kept]]:
    """The rows in their order, and the answers that they are of.

    Args:
        kept: the newest first.

    Raises:
        Lacking: see there.
    """
    for name in ("names", "symbols", "include_tokens"):
        if params.get(name):
            raise Lacking(f"nothing is chosen by {name} here")
    if params.get("locale", "en") != "en":
        raise Lacking("other languages are not polled")
    if flag(params, "sparkline"):
        raise Lacking("sparklines are not polled")
    if params.get("order", "market_cap_desc") != "market_cap_desc":
        raise Lacking("the order by market cap, falling, is polled")
    changes = listed(params.get("price_change_percentage", ""))
    usable = [each for each in kept if _fits(each.params, params, changes)]
    if not usable:
        raise Lacking("no poll asks for these columns in this currency")
    size, page = min(_count(params.get("per_page"), 100), MOST_PER_PAGE), _count(params.get("page"), 1)
    found = _named(params, usable) if params.get("ids") else _top(params, usable, size * page)
    part = found[size * (page - 1) : size * page]
    rows = [_shown(row, changes, params, precision) for row, _ in part]
    return rows, list({id(each): each for _, each in part}.values()) or usable[:1]


def rows_of(kept: Kept) -> list[Row]:
    """Of one answer, read once."""
    if "rows" not in kept.made:
        kept.made["rows"] = _rows.decode(kept.body)
    rows: list[Row] = kept.made["rows"]
    return rows


def _fits(polled: Mapping[str, str], params: Mapping[str, str], changes: Sequence[str]) -> bool:
    return (
        polled.get("vs_currency") == params["vs_currency"].lower()
        and polled.get("precision") == rendering.FULL
        and set(changes) & set(_CHANGES) <= set(polled.get("price_change_percentage", "").split(","))
        and (flag(polled, "include_rehypothecated") or not flag(params, "include_rehypothecated"))
    )


def _named(params: Mapping[str, str], kept: Sequence[Kept]) -> list[tuple[Row, Kept]]:
    """These coins, by market cap."""
    ids = listed(params["ids"])
    if params.get("category"):
        raise Lacking("ids and a category together are not polled")
    there: dict[str, tuple[Row, Kept]] = {}
    for each in kept:
        for row in rows_of(each):
            there.setdefault(row.get("id", ""), (row, each))
    if unknown := [each for each in ids if each not in there]:
        raise Lacking(f"{', '.join(unknown)[:200]} are not polled")
    return sorted((there[each] for each in ids), key=lambda found: -(found[0].get("market_cap") or 0))


def _top(params: Mapping[str, str], kept: Sequence[Kept], wanted: int) -> list[tuple[Row, Kept]]:
    """The pages of the top of the market, or of one category, one behind the other; a coin that has slipped from one
    to the next meanwhile counts once."""
    polls: dict[tuple[tuple[str, str], ...], dict[int, Kept]] = {}
    for each in kept:
        polled = dict(each.params)
        page = _count(polled.pop("page", None), 1)
        if "ids" in polled or polled.get("category", "") != params.get("category", ""):
            continue
        if flag(polled, "include_rehypothecated") == flag(params, "include_rehypothecated"):
            polls.setdefault(tuple(sorted(polled.items())), {}).setdefault(page, each)
    pages = next(iter(polls.values()), {})  # as it is polled now; the newest answer comes first
    found: dict[str, tuple[Row, Kept]] = {}
    number = 0
    while number + 1 in pages:
        number += 1
        rows = rows_of(pages[number])
        for row in rows:
            found.setdefault(row.get("id", ""), (row, pages[number]))
        if len(rows) < _count(pages[number].params.get("per_page"), 100):
            return list(found.values())  # there are no more
    if len(found) < wanted:
        raise Lacking(f"the top {len(found)} are polled, not the top {wanted}")
    return list(found.values())


def _shown(row: Row, changes: Sequence[str], params: Mapping[str, str], precision: str | None) -> Row:
    shown = dict(row)
    for name in _CHANGES:
        if name not in changes:
            shown.pop(f"price_change_percentage_{name}_in_currency", None)
    if not flag(params, "include_rehypothecated"):
        shown.pop(_WITH_REHYPOTHECATED, None)
    price = shown.get("current_price")
    if isinstance(price, int | float):
        shown["current_price"] = rendering.rounded(price, precision)
    return shown


def _count(text: str | None, default: int) -> int:
    """A number from 1; anything else is as if it were not there."""
    return int(text) if text is not None and _COUNT.fullmatch(text) and int(text) else default
