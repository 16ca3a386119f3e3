"""Record to bytes and bytes to record. Decoding is strict: what passes may be stored as it is, byte for byte."""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from typing import Any

import msgspec

from cryptoproxy.datasets.names import MAX_DOCUMENT_ID_BYTES
from cryptoproxy.datasets.ticker import (
    ASSET_ID_PATTERN,
    LONGEST_INTERVAL_MS,
    MAX_RECORD_BYTES,
    QUOTE_PATTERN,
    SHORTEST_INTERVAL_MS,
    SOURCE_PATTERN,
    Ticker,
)
from cryptoproxy.datasets.times import from_iso, moment_of
from cryptoproxy.errors import PoisonError

EARLIEST_MS = 1_230_768_000_000
"""2009-01-01: before that there was no asset to record."""

MAX_AHEAD_MS = 10 * 60 * 1000
"""A slot further ahead is a mistake of somebody's clock; whose, the record does not tell (``consumer.delivery``)."""

MAX_DEPTH = 500
"""Levels of an unknown field's value. Readers give up at very different depths, some by ending."""

_MAX_NUMBER = 1000
"""Characters of a number, as Elasticsearch reads them."""

_MAX_SLOT_DIGITS = 14
_INTEGER, _LONG = 2**31, 2**63
"""As the index has them: what is out of range there must not get so far."""
_TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"
_FIELDS = frozenset(Ticker.__struct_fields__)
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Ticker)
_source = re.compile(SOURCE_PATTERN.replace("$", r"\Z"))
_asset_id = re.compile(ASSET_ID_PATTERN.replace("$", r"\Z"))
_quote = re.compile(QUOTE_PATTERN.replace("$", r"\Z"))


def encode(record: Ticker) -> bytes:
    """The record's bytes: compact JSON on one line, absent fields left out, numbers in shortest exact form.

    Raises:
        PoisonError: the record breaks the contract (an infinite number, a blank in its id, more than 64 KiB …).
    """
    try:
        value = _encoder.encode(record)
    except UnicodeEncodeError as error:
        raise PoisonError("not_utf8", f"not UTF-8: {error}") from error
    # Absent fields are left out, so a null can only be a number that JSON cannot spell (or stand in a name).
    if b":null" in value:
        _check_finite(record)
    if len(value) > MAX_RECORD_BYTES:
        raise PoisonError("too_large", f"record of {len(value)} bytes; the contract allows {MAX_RECORD_BYTES}")
    try:
        _decoder.decode(value)  # a record is not checked when it is made: what we write, every reader must take
    except msgspec.ValidationError as error:
        raise PoisonError("contract", _with_value(str(error), value)) from error
    _check(record)
    return value


def decode(value: bytes | None, *, now_ms: int | None = None) -> Ticker:
    """The record in ``value``, checked against the whole contract.

    Args:
        value: a Kafka record's value or a line of the lake, without its newline.
        now_ms: only for who knows that this clock is right: a slot more than 10 minutes ahead of it is refused.

    Raises:
        PoisonError: with one of the reasons ``empty``, ``too_large``, ``not_utf8``, ``not_json``, ``contract``;
            the text names the field and the value.
    """
    if not value:
        raise PoisonError("empty", "the record has no value" if value is None else "the record's value is empty")
    if len(value) > MAX_RECORD_BYTES:
        raise PoisonError("too_large", f"record of {len(value)} bytes; the contract allows {MAX_RECORD_BYTES}")
    # Legal JSON, but as a line of the lake or of a bulk request it would be two.
    if b"\n" in value:
        raise PoisonError("contract", "the record has a line break between its fields; it must be one line")
    try:
        record = _decoder.decode(value)
        if _encoder.encode(record) != value:
            _check_foreign(value)
    except UnicodeDecodeError as error:
        raise PoisonError("not_utf8", f"not UTF-8: {error}") from error
    except msgspec.ValidationError as error:
        raise PoisonError("contract", _with_value(str(error), value)) from error
    except msgspec.DecodeError as error:
        raise PoisonError("not_json" if _is_utf8(value) else "not_utf8", f"{error}: {_cut(value)}") from error
    except RecursionError as error:
        raise PoisonError("not_json", _TOO_DEEP) from error
    _check(record)
    if now_ms is not None and from_iso(record.timestamp) > now_ms + MAX_AHEAD_MS:
        raise PoisonError("contract", f"timestamp {record.timestamp!r} is more than 10 minutes ahead of the clock")
    return record


def _check(record: Ticker) -> None:
    _check_identity(record.source, record.asset_id, record.quote)
    try:
        slot_ms = from_iso(record.timestamp)
        from_iso(record.fetched_at)
        if record.last_updated is not None:
            moment_of(record.last_updated)
    except ValueError:
        _blame_a_time(record)
        raise
    if slot_ms < EARLIEST_MS:
        raise PoisonError("contract", f"timestamp {record.timestamp!r} is before 2009")
    if not (
        -_LONG <= record.fetch_delay_ms < _LONG
        and -_INTEGER <= (record.market_cap_rank or 0) < _INTEGER
        and -_LONG <= (record.trades_24h or 0) < _LONG
    ):
        _blame_a_count(record)
    # Means are weighed by it, and slots counted: one record must not count as a thousand, nor as less than none.
    if record.interval_ms is not None and not SHORTEST_INTERVAL_MS <= record.interval_ms <= LONGEST_INTERVAL_MS:
        raise PoisonError("contract", f"interval_ms {_cut(record.interval_ms)} is not 0.1 s to a day")


def _blame_a_time(record: Ticker) -> None:
    for field in ("timestamp", "fetched_at", "last_updated"):
        text = getattr(record, field)
        try:
            if text is not None:
                moment_of(text)
        except ValueError as error:
            raise PoisonError("contract", f"{field} {_cut(text)}: {error}") from error


def _blame_a_count(record: Ticker) -> None:
    for field, limit in (
        ("fetch_delay_ms", _LONG),
        ("market_cap_rank", _INTEGER),
        ("trades_24h", _LONG),
    ):
        count = getattr(record, field) or 0
        if not -limit <= count < limit:
            raise PoisonError("contract", f"{field} {_cut(count)} is out of range: {limit.bit_length()} bits")


@lru_cache(maxsize=16_384)
def _check_identity(source: str, asset_id: str, quote: str) -> None:
    # lru_cache keeps no exceptions: a bad identity is looked at each time, a good one once.
    for field, text, pattern, rule in (
        ("source", source, _source, "lower-case letters, digits and '-', at most 32"),
        ("asset_id", asset_id, _asset_id, "1 to 128 characters without ':', '/' or blank"),
        ("quote", quote, _quote, "1 to 32 characters without ':', '/' or blank"),
    ):
        if not pattern.match(text):
            raise PoisonError("contract", f"{field} {_cut(text)} is not allowed: {rule}")
    id_bytes = len(f"{source}:{asset_id}:{quote}:".encode()) + _MAX_SLOT_DIGITS
    if id_bytes > MAX_DOCUMENT_ID_BYTES:
        raise PoisonError("contract", f"asset_id {_cut(asset_id)} makes a document id of more than 512 bytes")


def _check_finite(record: Ticker) -> None:
    for field in record.__struct_fields__:
        number = getattr(record, field)
        if isinstance(number, float) and not math.isfinite(number):
            raise PoisonError("contract", f"{field} is {number}; only finite numbers are allowed")


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check_foreign(value: bytes) -> None:
    """What msgspec passes over in a record that our encoder has not written: a name that is there twice, which each
    reader understands in its own way and Elasticsearch refuses; in unknown fields numbers that are no doubles, what is
    nested too deeply, and what is not UTF-8; and names that Elasticsearch would act on.
    """
    found = json.loads(value.decode(), object_pairs_hook=_once, parse_float=_double, parse_int=_double)
    for name in found.keys() - _FIELDS:
        _check_name(name)
    if value.count(b"{") + value.count(b"[") <= MAX_DEPTH:
        return
    level: list[Any] = [found]
    for _ in range(MAX_DEPTH + 1):
        level = [
            each
            for outer in level
            for each in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(each, dict | list)
        ]
        if not level:
            return
    raise PoisonError("not_json", _TOO_DEEP)


def _check_name(unknown: str) -> None:
    """Elasticsearch counts ``_doc_count`` documents and adds ``price.`` to ``price``, silently (8.0 ``x.price`` too);
    of blank names each version takes others. What else means something to it (``_id``, an alias) it refuses itself.
    Within an unknown field no name does."""
    parts = unknown.rstrip(".").split(".")
    if unknown == "_doc_count" or not all(map(str.strip, parts)) or ("." in unknown and not _FIELDS.isdisjoint(parts)):
        raise PoisonError("contract", f"to Elasticsearch the unknown field {_cut(unknown)} would mean something")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, each in pairs:
        if name in found:
            raise PoisonError("contract", f"the field {_cut(name)} is there twice")
        found[name] = each
    return found


def _double(text: str) -> float:
    if len(text) > _MAX_NUMBER or not math.isfinite(number := float(text)):
        raise PoisonError("contract", f"number out of range: {_cut(text)}")
    return number


def _with_value(message: str, value: bytes) -> str:
    """Adds the offending value to msgspec's message, which names only the field."""
    field = re.search(r"`\$\.(\w+)`", message)
    if field is None:
        return f"{message}: {_cut(value)}"
    try:
        found = msgspec.json.decode(value)[field.group(1)]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        # A number out of range cannot be decoded at all: show the record's bytes instead.
        found = value
    return f"{message}: {_cut(found)}"


def _cut(value: object, limit: int = 200) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
