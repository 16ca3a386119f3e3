"""The two shapes of Bybit's tickers, and the envelope around them, in one vocabulary.

| shape | envelope | rows |
|---|---|---|
| v5 | ``retCode``, ``result: {category, list: […]}``, ``time`` in ms | camel case, every number as text |
| v2 | ``ret_code``, ``result: […]``, ``time_now`` in seconds as text | snake case, numbers and text mixed |

In both an empty text may stand for "none" in any field, and ``"0"`` for "no such time". What people keep as examples
is often the result alone, without its envelope: that is read too, and has no time.

An answer of today is decoded whole, in one go. What that does not take, each for its own reason, goes the long way: the
envelope, then the rows with their empty texts replaced, then each row and field by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.errors import TransientError
from cryptoproxy.upstreams.answers.refusals import not_spoken
from cryptoproxy.upstreams.answers.rows import RowReader, members, rows_apart, value_of
from cryptoproxy.upstreams.answers.values import Number, iso_of_ms, ms_of_seconds
from cryptoproxy.upstreams.base import Rejected

Moment: TypeAlias = str | int | None
Symbol: TypeAlias = Annotated[str, Meta(min_length=1)]


def _camel(name: str) -> str:
    """``price_24h_pcnt`` → ``price24hPcnt``, which msgspec's own way of it writes with a capital H."""
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


class V5Row(msgspec.Struct, gc=False, rename=_camel):
    """Spot rows have no index, mark, funding or open interest; no row has had ``price1hPcnt`` so far.

    Of the fields read here only ``fundingRate`` is known to be empty at times: dated contracts have none. Any other
    empty number goes the long way.
    """

    symbol: Symbol
    last_price: Number = None
    index_price: Number = None
    mark_price: Number = None
    prev_price_24h: Number = None
    price_24h_pcnt: Number = None
    high_price_24h: Number = None
    low_price_24h: Number = None
    prev_price_1h: Number = None
    price_1h_pcnt: Number = None
    open_interest: Number = None
    turnover_24h: Number = None
    volume_24h: Number = None
    total_volume: Number = None
    funding_rate: Number | Literal[""] = None
    next_funding_time: Moment = None
    delivery_time: Moment = None
    bid_price: Number = msgspec.field(default=None, name="bid1Price")
    ask_price: Number = msgspec.field(default=None, name="ask1Price")


class V2Row(msgspec.Struct, gc=False):
    symbol: Symbol
    bid_price: Number = None
    ask_price: Number = None
    last_price: Number = None
    prev_price_24h: Number = None
    price_24h_pcnt: Number = None
    high_price_24h: Number = None
    low_price_24h: Number = None
    prev_price_1h: Number = None
    price_1h_pcnt: Number = None
    mark_price: Number = None
    index_price: Number = None
    open_interest: Number = None
    turnover_24h: Number = None
    total_volume: Number = None
    volume_24h: Number = None
    funding_rate: Number = None
    next_funding_time: Moment = None
    delivery_time: Moment = None


Row: TypeAlias = V5Row | V2Row


_v5_reader = RowReader("bybit", V5Row, empty_is_null=True)
_v2_reader = RowReader("bybit", V2Row, empty_is_null=True)


class _V5Result(msgspec.Struct, rename={"rows": "list"}):
    category: str
    rows: list[V5Row]


class _V5Answer(msgspec.Struct):
    result: _V5Result
    time: str | int


_v5_answer = msgspec.json.Decoder(_V5Answer, strict=False)


@dataclass(frozen=True, slots=True)
class Tickers:
    """One answer, opened."""

    v2: bool
    category: str | None
    last_updated: str | None
    rows: list[V5Row] | list[V2Row]
    rejected: list[Rejected]


def open_tickers(body: bytes) -> Tickers:
    """The rows in either shape.

    Raises:
        TransientError: neither of the two.
    """
    try:
        answer = _v5_answer.decode(body)
        result = answer.result
        return Tickers(False, result.category, iso_of_ms(_ms(answer.time)), result.rows, [])
    except UNREADABLE:
        pass
    try:
        return _open_slowly(body)
    except TransientError:
        if (apart := rows_apart(body, "list", "result")) is None:
            raise
    opened = _open_slowly(apart[0])
    rows, rejected = (_v2_reader if opened.v2 else _v5_reader).read(apart[1])
    return replace(opened, rows=rows, rejected=rejected)


def result_of(body: bytes) -> dict[str, bytes]:
    """The members of a v5 answer's ``result``, each as it was written; one of them is ``list``, the rows.

    Raises:
        TransientError: no such envelope.
    """
    try:
        return _result_in(body)
    except TransientError:
        if (apart := rows_apart(body, "list")) is None:
            raise
    return _result_in(apart[0]) | {"list": apart[1]}


def _result_in(body: bytes) -> dict[str, bytes]:
    try:
        result = members(members(body)["result"])
        result["list"]
    except (*UNREADABLE, ValueError, KeyError) as error:
        raise not_spoken("bybit", body, error) from error
    return result


def _open_slowly(body: bytes) -> Tickers:
    if body.lstrip()[:1] == b"[":
        return _v2(body, None)
    try:
        envelope = members(body)
        result = envelope.get("result", b"")
        if result[:1] == b"[":
            return _v2(result, iso_of_ms(ms_of_seconds(value_of(envelope.get("time_now")))))
        opened = members(result) if result else envelope
    except (*UNREADABLE, ValueError) as error:
        raise not_spoken("bybit", body, error) from error
    category = value_of(opened.get("category"))
    if "list" not in opened or not isinstance(category, str | None):
        raise not_spoken("bybit", body)
    rows, rejected = _v5_reader.read(opened["list"])
    time = iso_of_ms(_ms(value_of(envelope.get("time")))) if result else None
    return Tickers(False, category, time, rows, rejected)


def moment_text(moment: Moment) -> str | None:
    """A time as Bybit sends it; ``""`` and ``"0"`` mean that there is none."""
    return str(moment) if moment and moment != "0" else None


def _v2(rows: bytes, last_updated: str | None) -> Tickers:
    return Tickers(True, None, last_updated, *_v2_reader.read(rows))


def _ms(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
