"""A JSON array of rows into typed structs: all at once in C, or row by row if one of them is odd.

Both ways decode each field with the same types and the same leniency, so a good row comes out the same. An
optional field that cannot be read is None; a row without its required fields is rejected alone, and so is one that
is no JSON at all (``NaN``, half an emoji, a control character): then commas and brackets outside of texts tell where
the other rows are. What does not end was cut, and is nothing.
"""

from __future__ import annotations

import math
import re
from typing import Any, Generic, TypeVar

import msgspec

from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.upstreams.answers.refusals import not_spoken, words
from cryptoproxy.upstreams.base import Rejected

Row = TypeVar("Row", bound=msgspec.Struct)

_BLANK_OR_MARK = b"\xef\xbb\xbf \t\r\n"
_TEXT = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_DEEPEST = 5
"""Levels to look for what can be read beside what cannot."""
_token = re.compile(_TEXT + rb"|[\[\]{},]", re.DOTALL)
_member = re.compile(rb"\s*(" + _TEXT + rb")\s*:(.*)", re.DOTALL)

_items = msgspec.json.Decoder(list[msgspec.Raw])
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_anything = msgspec.json.Decoder()


class RowReader(Generic[Row]):
    """Reads arrays of one kind of row.

    Args:
        upstream: named in errors.
        row: the struct. Required fields are those that a row must have, the first of them names it; all others
            default to None.
        empty_is_null: whether the upstream writes ``""`` for "none" in any field.
    """

    def __init__(self, upstream: str, row: type[Row], *, empty_is_null: bool = False) -> None:
        self._upstream = upstream
        self._row = row
        self._empty_is_null = empty_is_null
        self._all = msgspec.json.Decoder(list[row], strict=False)  # type: ignore[valid-type]
        self._one = msgspec.json.Decoder(row, strict=False)
        fields = msgspec.structs.fields(row)
        self._each: list[tuple[str, str, msgspec.json.Decoder[Any], bool]] = [
            (field.name, field.encode_name, msgspec.json.Decoder(field.type, strict=False), field.required)
            for field in fields
        ]
        key = b'"' + re.escape(next(field.encode_name for field in fields if field.required).encode()) + rb'"\s*:\s*'
        self._name = re.compile(key + _TEXT, re.DOTALL)
        self._next_row = re.compile(rb"(?<=\})\s*,\s*(?=\{\s*" + key + b")")

    def read(self, body: bytes) -> tuple[list[Row], list[Rejected]]:
        """The rows of the array ``body``, and those that are none.

        Raises:
            TransientError: not a JSON array.
        """
        try:
            return self._all.decode(self._without_empties(body)), []
        except UNREADABLE:
            return self.read_each(body)

    def read_each(self, body: bytes) -> tuple[list[Row], list[Rejected]]:
        """The same, row by row and field by field."""
        rows: list[Row] = []
        rejected: list[Rejected] = []
        for raw in rows_in(self._upstream, body, self._next_row):
            row = self._read_one(raw)
            if isinstance(row, Rejected):
                rejected.append(row)
            else:
                rows.append(row)
        return rows, rejected

    def _without_empties(self, raw: bytes) -> bytes:
        # A colon (and a blank) before two quotes stands only between a key and an empty text: inside a string
        # the first quote would end it, and a second one right after that is no JSON.
        return raw.replace(b':""', b":null").replace(b': ""', b": null") if self._empty_is_null else raw

    def _read_one(self, raw: bytes) -> Row | Rejected:
        try:
            return self._one.decode(self._without_empties(raw))
        except UNREADABLE:
            pass
        try:
            found = _members.decode(raw)
        except msgspec.ValidationError:
            return Rejected("bad_row", "", f"not an object: {words(raw)}")
        except UNREADABLE as error:
            return Rejected("bad_row", self._name_of(raw), _fault(raw, error))
        values: dict[str, Any] = {}
        for name, key, decoder, required in self._each:
            value = found.get(key)
            try:
                if value is not None and not (self._empty_is_null and bytes(value) == b'""'):
                    values[name] = decoder.decode(value)
                    continue
            except msgspec.ValidationError:
                pass
            except UNREADABLE as error:
                return Rejected("bad_row", self._name_of(raw), f"{key}: {error}: {words(bytes(value or b''))}")
            if required:
                return Rejected("bad_row", self._name_of(raw), f"no usable {key}: {words(raw)}")
        return self._row(**values)

    def _name_of(self, raw: bytes) -> str:
        """What an odd row calls itself, as far as it can be read; empty if it does not say."""
        found = self._name.search(raw)
        return words(found[0].partition(b":")[2].strip().strip(b'"'))[:128] if found else ""


def rows_in(upstream: str, body: bytes, next_row: re.Pattern[bytes], *, row_ends: bytes = b"") -> list[bytes]:
    """The rows of the array ``body``, each as it was written, whether it is JSON or not.

    Args:
        next_row: what stands between two rows, told by how one ends and the next begins.
        row_ends: with what each row ends, where an array that is cut could end like a whole one.

    Raises:
        TransientError: not a JSON array, or one without an end.
    """
    text = body.strip(_BLANK_OR_MARK)
    try:
        return list(map(bytes, _items.decode(text)))
    except UNREADABLE as error:
        why = error
    try:
        found = pieces(text, b"[")
    except ValueError:
        # A quote or bracket too many in one row: the array has its end, and rows are told by how they begin.
        ended = text[-1:] == b"]" and text[:-1].rstrip().endswith(row_ends)
        if text[:1] != b"[" or not ended or not next_row.search(text):
            raise not_spoken(upstream, text, why) from why
        return next_row.split(text[1:-1])
    rows: list[bytes] = []
    for piece in found:
        several = next_row.split(piece)  # two quotes too many make one of all rows between them
        rows += several if all(map(_balanced, several)) else (piece,)
    return rows


def pieces(raw: bytes, opening: bytes) -> list[bytes]:
    """What stands between the commas of an array or object, whether it is JSON or not.

    Raises:
        ValueError: it does not begin with ``opening``, has no end, or there is more behind it.
    """
    if raw[:1] != opening:
        raise ValueError(f"it does not begin with {opening.decode()}")
    found: list[bytes] = []
    depth = begin = 0
    for token in _token.finditer(raw):
        mark = token[0]
        if mark in (b"[", b"{"):
            depth += 1
            begin = begin or token.end()
        elif mark == b",":
            if depth == 1:
                found.append(raw[begin : token.start()])
                begin = token.end()
        elif mark in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                found.append(raw[begin : token.start()])
                if raw[token.end() :].strip():
                    raise ValueError("there is more behind its end")
                return found
    raise ValueError("it has no end")


def members(raw: bytes | msgspec.Raw) -> dict[str, bytes]:
    """The members of an object by name, each as it was written, even if one of them is no JSON.

    Raises:
        ValueError: no object, or one without an end.
    """
    try:
        return {name: bytes(value) for name, value in _members.decode(raw).items()}
    except UNREADABLE:
        found = filter(None, map(_member.match, pieces(bytes(raw).strip(_BLANK_OR_MARK), b"{")))
        return {each[1][1:-1].decode(errors="replace"): each[2].strip() for each in found}


def rows_apart(body: bytes, *names: str) -> tuple[bytes, bytes] | None:
    """An answer's envelope with no rows in it, and the array of its rows, which one of ``names`` stands before: where a
    quote or bracket too many in one row hides the envelope's end. None where there is no such array, or no end."""
    begin = re.search(rb'"(?:' + "|".join(names).encode() + rb')"\s*:\s*\[', body)
    end = body.rfind(b"]")
    if begin is None or end < begin.end() or not body.rstrip().endswith(b"}"):
        return None
    return body[: begin.end()] + body[end:], body[begin.end() - 1 : end + 1]


def read_each_field(upstream: str, body: bytes, kind: type[Row]) -> Row:
    """An object of this kind, of whose members each that is no JSON is NaN, which is of no kind: it costs no other.

    Raises:
        TransientError: another shape, or one without an end.
    """
    try:
        try:
            return msgspec.json.decode(body, type=kind, strict=False)
        except UNREADABLE:
            return msgspec.convert(_readable(body.strip(_BLANK_OR_MARK), _DEEPEST), kind, strict=False)
    except (*UNREADABLE, ValueError) as error:
        raise not_spoken(upstream, body, error) from error


def _readable(raw: bytes, levels: int) -> object:
    try:
        return _anything.decode(raw)
    except UNREADABLE:
        if not levels or raw[:1] not in (b"{", b"["):
            return math.nan
    if raw[:1] == b"[":
        return [_readable(each.strip(), levels - 1) for each in pieces(raw, b"[")]
    return {name: _readable(value, levels - 1) for name, value in members(raw).items()}


def value_of(raw: bytes | None) -> object:
    """Any JSON value; None where it is absent or unreadable."""
    try:
        return None if raw is None else _anything.decode(raw)
    except UNREADABLE:
        return None


def _balanced(piece: bytes) -> bool:
    return piece.count(b"{") == piece.count(b"}") and piece.count(b"[") == piece.count(b"]")


def _fault(raw: bytes, error: Exception) -> str:
    """Where in a row it is no JSON, in words."""
    try:
        for piece in pieces(raw.strip(), b"{"):
            try:
                _anything.decode(b"{" + piece + b"}")
            except UNREADABLE as why:
                return f"{why}: {words(piece)}"
    except ValueError:
        pass
    return f"{error}: {words(raw)}"
