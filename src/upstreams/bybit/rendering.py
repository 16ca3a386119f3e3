"""Bybit's answers made of what we have: the envelope, bars, refusals. The inverse of ``candles``, beside it on
purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptoproxy.datasets import Candle, from_iso
from cryptoproxy.upstreams.answers.spelling import plain
from cryptoproxy.upstreams.bybit.symbols import Category

Body = Mapping[str, Any]

OK, PARAMETER_ERROR = 0, 10001
_NO_KEY, _TOO_MANY, _AWAY = 10003, 10006, 10016
_CODES = {401: _NO_KEY, 429: _TOO_MANY, 503: _AWAY, 502: _AWAY, 504: _AWAY}


def kline(candle: Candle, market: Category) -> list[str]:
    """A row of ``kline``: volume and turnover are base and quote, but the other way round for inverse contracts."""
    volumes = [_plain(candle.base_volume), _plain(candle.quote_volume)]
    if market is Category.INVERSE:
        volumes.reverse()
    prices = (candle.open, candle.high, candle.low, candle.close)
    return [str(from_iso(candle.timestamp)), *map(plain, prices), *volumes]


def enveloped(result: Any, *, now_ms: int, code: int = OK, words: str = "OK") -> Body:
    """What stands around every answer."""
    return {"retCode": code, "retMsg": words, "result": result, "retExtInfo": {}, "time": now_ms}


def error(status: int, words: str, *, now_ms: int) -> Body:
    """Of our own refusals, by their status."""
    return enveloped({}, now_ms=now_ms, code=_CODES.get(status, PARAMETER_ERROR), words=words)


def _plain(value: float | None) -> str:
    return "" if value is None else plain(value)
