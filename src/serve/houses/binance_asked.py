"""Parameters of Binance's paths, read and refused as Binance does; which of the newest trades a question asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from cryptoproxy.datasets import Trade
from cryptoproxy.datasets.times import moment_of
from cryptoproxy.serve.houses.house import RefusedError
from cryptoproxy.upstreams.binance import rendering
from cryptoproxy.upstreams.binance.streams.trades import PAGE
from cryptoproxy.upstreams.streaming.chain import numbers

DEFAULT_TRADES = 500
_NUMBER, SYMBOL = r"^[0-9]{1,20}$", r"^[\w\-.]{1,20}$"
_SYMBOLS = re.compile(r'\[("[\w\-.]{1,50}"(,"[\w\-.]{1,50}")*)?\]')
_MICROSECONDS = 100_000_000_000_000
"""A time as large as this is none in milliseconds."""


def symbols_of(params: Mapping[str, str]) -> list[str] | None:
    """The pairs by name; None for all.

    Raises:
        RefusedError: as Binance does.
    """
    if "symbol" not in params and "symbols" not in params:
        return None
    if "symbol" in params and "symbols" in params:
        raise RefusedError(400, rendering.BOTH_GIVEN)
    if "symbol" in params:
        symbol = text_of(params, "symbol", SYMBOL)
        return [symbol or ""]
    if not _SYMBOLS.fullmatch(params["symbols"]):
        raise RefusedError(400, rendering.illegal("symbols", _SYMBOLS.pattern))
    names: list[str] = msgspec.json.decode(params["symbols"])
    if not names:
        raise RefusedError(400, rendering.INVALID_SYMBOL)
    return list(dict.fromkeys(names))


def text_of(params: Mapping[str, str], name: str, legal: str) -> str | None:
    text = params.get(name)
    if text == "":
        raise RefusedError(400, rendering.empty(name))
    if text is not None and not re.match(legal, text):
        raise RefusedError(400, rendering.illegal(name, legal))
    return text


def number_of(params: Mapping[str, str], name: str) -> int | None:
    text = text_of(params, name, _NUMBER)
    return None if text is None else int(text)


def moment_ms(params: Mapping[str, str], name: str) -> int | None:
    asked = number_of(params, name)
    return asked // 1000 if asked is not None and asked >= _MICROSECONDS else asked


def trades_of(params: Mapping[str, str], run: Sequence[Trade]) -> Sequence[Trade] | None:
    """What ``aggTrades`` tells: from a number or a time on, bounds inclusive; the newest where neither is given. None
    where that reaches back beyond ``run``, which is of the newest and without a hole, oldest first.

    Raises:
        RefusedError: as Binance does.
    """
    start, end, number = moment_ms(params, "startTime"), moment_ms(params, "endTime"), number_of(params, "fromId")
    limit = number_of(params, "limit")
    if not run or limit == 0 or (number is not None and not (start is None and end is None)):
        return None
    limit = min(PAGE, DEFAULT_TRADES if limit is None else limit)
    if number is not None:
        found = [each for each in run if numbers(each.trade_id)[0] >= number]
        return found[:limit] if numbers(run[0].trade_id)[0] <= number else None
    there = run if end is None else [each for each in run if moment_of(each.timestamp) <= end]
    if start is None:
        return there[-limit:] if len(there) >= limit else None
    found = [each for each in there if moment_of(each.timestamp) >= start]
    return found[:limit] if moment_of(run[0].timestamp) < start else None
