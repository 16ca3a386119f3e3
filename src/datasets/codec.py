"""Record to bytes and bytes to record. Decoding is strict: what passes may be stored as it is, byte for byte."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from cryptoproxy.datasets.fields import ASSET_ID_PATTERN, QUOTE_PATTERN, SOURCE_PATTERN, columns
from cryptoproxy.datasets.names import MAX_DOCUMENT_ID_BYTES
from cryptoproxy.datasets.times import from_iso, moment_of
from cryptoproxy.errors import PoisonError

if TYPE_CHECKING:
    from cryptoproxy.datasets.dataset import AnyRecord

R = TypeVar("R", bound="AnyRecord")

MAX_RECORD_BYTES = 64 * 1024

EARLIEST_MS = 1_230_768_000_000
"""2009-01-01: before that there was no asset to record."""

MAX_AHEAD_MS = 10 * 60 * 1000
"""A slot further ahead is a mistake of some clock; whose, the record does not tell (``consumer.index.delivery``)."""

MAX_DEPTH = 500
"""Levels of an unknown field's value. Readers give up at very different depths, some by ending."""

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises of bytes that are not the JSON asked for: what is nested too deeply is a kind of its own."""

ODD_NOTE = (ValueError, KeyError, TypeError, OverflowError, RecursionError)
"""What reading a small note by ``json`` raises that another version, or anybody, may have written."""

_MAX_NUMBER = 1000
"""Characters of a number, as Elasticsearch reads them."""

_MAX_SERIAL_BYTES = 64
_TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"
_encoder = msgspec.json.Encoder()
_source = re.compile(SOURCE_PATTERN.replace("$", r"\Z"))
_asset_id = re.compile(ASSET_ID_PATTERN.replace("$", r"\Z"))
_quote = re.compile(QUOTE_PATTERN.replace("$", r"\Z"))


class Codec(Generic[R]):
    """Bytes of one kind of record, and back.

    Args:
        record: its Struct.
        check: what the Struct's types do not tell; raises PoisonError, or ValueError where
            :func:`check_columns` finds why.
    """

    def __init__(self, record: type[R], check: Callable[[R], None]) -> None:
        self._decoder = msgspec.json.Decoder(record)
        self._check_record = check
        self._fields = frozenset(column.name for column in columns(record))

    def encode(self, record: R) -> bytes:
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
            # A Struct is not checked when it is made: what we write, every reader must take.
            self._decoder.decode(value)
        except msgspec.ValidationError as error:
            raise PoisonError("contract", _with_value(str(error), value)) from error
        self._check(record)
        return value

    def decode(self, value: bytes | None, *, now_ms: int | None = None) -> R:
        """The record in ``value``, checked against the whole contract.

        Args:
            value: a Kafka record's value or a line of the lake, without its newline.
            now_ms: only for who knows that this clock is right: a time more than 10 minutes ahead of it is refused.

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
            record = self._decoder.decode(value)
            ours = _encoder.encode(record)
            if ours != value and not _is_only_spelled_otherwise(value, ours):
                _check_foreign(value, self._fields)
        except UnicodeDecodeError as error:
            raise PoisonError("not_utf8", f"not UTF-8: {error}") from error
        except msgspec.ValidationError as error:
            raise PoisonError("contract", _with_value(str(error), value)) from error
        except msgspec.DecodeError as error:
            raise PoisonError("not_json" if _is_utf8(value) else "not_utf8", f"{error}: {cut(value)}") from error
        except RecursionError as error:
            raise PoisonError("not_json", _TOO_DEEP) from error
        self._check(record)
        if now_ms is not None and from_iso(record.timestamp) > now_ms + MAX_AHEAD_MS:
            raise PoisonError("contract", f"timestamp {record.timestamp!r} is more than 10 minutes ahead of the clock")
        return record

    def _check(self, record: R) -> None:
        try:
            self._check_record(record)
        except ValueError:
            check_columns(record)
            raise


def check_plainly(record: AnyRecord) -> None:
    """What every contract asks for, column by column; for records that come by the hundred, not by the million."""
    check_identity(record.source, record.asset_id, record.quote)
    check_moment(record.timestamp)
    check_columns(record)


def check_moment(timestamp: str) -> None:
    """Of ``timestamp``.

    Raises:
        ValueError: no time.
        PoisonError: before there was anything to record.
    """
    if from_iso(timestamp) < EARLIEST_MS:
        raise PoisonError("contract", f"timestamp {timestamp!r} is before 2009")


def check_columns(record: Any) -> None:
    """That each column is what it says where JSON and Struct allow more: a time, a number of bits.

    Raises:
        PoisonError: which one is not.
    """
    for column in columns(record.__class__):
        found = getattr(record, column.name)
        if found is None:
            continue
        if column.kind == "time":
            try:
                moment_of(found)
            except ValueError as error:
                raise PoisonError("contract", f"{column.name} {cut(found)}: {error}") from error
        elif column.kind == "long" and not -(1 << column.bits - 1) <= found < 1 << column.bits - 1:
            raise PoisonError("contract", f"{column.name} {cut(found)} is out of range: {column.bits} bits")


@lru_cache(maxsize=16_384)
def check_identity(source: str, asset_id: str, quote: str) -> None:
    # lru_cache keeps no exceptions: a bad identity is looked at each time, a good one once.
    for field, text, pattern, rule in (
        ("source", source, _source, "lower-case letters, digits and '-', at most 32"),
        ("asset_id", asset_id, _asset_id, "1 to 128 characters without ':', '/' or blank"),
        ("quote", quote, _quote, "1 to 32 characters without ':', '/' or blank"),
    ):
        if not pattern.match(text):
            raise PoisonError("contract", f"{field} {cut(text)} is not allowed: {rule}")
    id_bytes = len(f"{source}:{asset_id}:{quote}:".encode()) + _MAX_SERIAL_BYTES
    if id_bytes > MAX_DOCUMENT_ID_BYTES:
        raise PoisonError("contract", f"asset_id {cut(asset_id)} makes a document id of more than 512 bytes")


def _check_finite(record: Any) -> None:
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


def _is_only_spelled_otherwise(value: bytes, ours: bytes) -> bool:
    """Whether a foreign record has the fields of ``ours`` in another order or with blanks, each once, and nothing else.
    Of this :func:`_check_foreign` finds nothing, for a tenth of the validation's cost instead of twice as much again.

    Without a backslash each quote begins or ends a name or a text. All that ``ours`` says stands in ``value``, where it
    was read; as many quotes leave no room for one more name. And no number is longer than the whole.
    """
    return len(value) <= _MAX_NUMBER and b"\\" not in value and value.count(b'"') == ours.count(b'"')


def _check_foreign(value: bytes, fields: frozenset[str]) -> None:
    """What msgspec passes over in a record that our encoder has not written: a name that is there twice, which each
    reader understands in its own way and Elasticsearch refuses; in unknown fields numbers that are no doubles, what is
    nested too deeply, and what is not UTF-8; and names that Elasticsearch would act on.
    """
    found = json.loads(value.decode(), object_pairs_hook=_once, parse_float=_double, parse_int=_double)
    for name in found.keys() - fields:
        _check_name(name, fields)
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


def _check_name(unknown: str, fields: frozenset[str]) -> None:
    """Elasticsearch counts ``_doc_count`` documents and adds ``price.`` to ``price``, silently (8.0 ``x.price`` too);
    of blank names each version takes others. What else means something to it (``_id``, an alias) it refuses itself.
    Within an unknown field no name does."""
    name = unknown.rstrip(".")
    parts = name.split(".")
    if name == "_doc_count" or not all(map(str.strip, parts)) or ("." in unknown and not fields.isdisjoint(parts)):
        raise PoisonError("contract", f"to Elasticsearch the unknown field {cut(unknown)} would mean something")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, each in pairs:
        if name in found:
            raise PoisonError("contract", f"the field {cut(name)} is there twice")
        found[name] = each
    return found


def _double(text: str) -> float:
    if len(text) > _MAX_NUMBER or not math.isfinite(number := float(text)):
        raise PoisonError("contract", f"number out of range: {cut(text)}")
    return number


def _with_value(message: str, value: bytes) -> str:
    """Adds the offending value to msgspec's message, which names only the field."""
    field = re.search(r"`\$\.(\w+)`", message)
    if field is None:
        return f"{message}: {cut(value)}"
    try:
        found = msgspec.json.decode(value)[field.group(1)]
    except (*UNREADABLE, KeyError, TypeError):
        # A number out of range cannot be decoded at all: show the record's bytes instead.
        found = value
    return f"{message}: {cut(found)}"


def cut(value: object, limit: int = 200) -> str:
    """As it is shown in an error."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
