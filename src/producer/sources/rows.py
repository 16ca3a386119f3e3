"""A JSON array of rows into typed structs: all at once in C, or row by row if one of them is odd.

Both ways decode each field with the same types and the same leniency, so a good row comes out the same. An
optional field that cannot be read is None; a row without its required fields is rejected alone.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from cryptoproxy.producer.sources.base import Rejected
from cryptoproxy.producer.sources.refusals import UNREADABLE, not_spoken, words

Row = TypeVar("Row", bound=msgspec.Struct)

_rows = msgspec.json.Decoder(list[msgspec.Raw])
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class RowReader(Generic[Row]):
    """Reads arrays of one kind of row.

    Args:
        upstream: named in errors.
        row: the struct. Required fields are those that a row must have; all others default to None.
        empty_is_null: whether the upstream writes ``""`` for "none" in any field.
    """

    def __init__(self, upstream: str, row: type[Row], *, empty_is_null: bool = False) -> None:
        self._upstream = upstream
        self._row = row
        self._empty_is_null = empty_is_null
        self._all = msgspec.json.Decoder(list[row], strict=False)  # type: ignore[valid-type]
        self._each: list[tuple[str, str, msgspec.json.Decoder[Any], bool]] = [
            (field.name, field.encode_name, msgspec.json.Decoder(field.type, strict=False), field.required)
            for field in msgspec.structs.fields(row)
        ]

    def read(self, body: bytes) -> tuple[list[Row], list[Rejected]]:
        """The rows of the array ``body``, and those that are none.

        Raises:
            TransientError: not a JSON array, or not a single one of its rows is such a row.
        """
        # A colon (and a blank) before two quotes stands only between a key and an empty text: inside a string
        # the first quote would end it, and a second one right after that is no JSON.
        rows = body.replace(b':""', b":null").replace(b': ""', b": null") if self._empty_is_null else body
        try:
            return self._all.decode(rows), []
        except msgspec.ValidationError:
            return self.read_each(body)
        except UNREADABLE as error:
            raise not_spoken(self._upstream, body, error) from error

    def read_each(self, body: bytes) -> tuple[list[Row], list[Rejected]]:
        """The same, row by row and field by field."""
        rows: list[Row] = []
        rejected: list[Rejected] = []
        try:
            for raw in _rows.decode(body):
                row = self._read_one(raw)
                if isinstance(row, Rejected):
                    rejected.append(row)
                else:
                    rows.append(row)
        except UNREADABLE as error:
            raise not_spoken(self._upstream, body, error) from error
        if rejected and not rows:
            raise not_spoken(self._upstream, body, "no row of it is one")
        return rows, rejected

    def _read_one(self, raw: msgspec.Raw) -> Row | Rejected:
        try:
            found = _fields.decode(raw)
        except msgspec.ValidationError:
            return Rejected("bad_row", "", f"not an object: {words(bytes(raw))}")
        values: dict[str, Any] = {}
        for name, key, decoder, required in self._each:
            value = found.get(key)
            try:
                if value is not None and not (self._empty_is_null and bytes(value) == b'""'):
                    values[name] = decoder.decode(value)
                    continue
            except msgspec.ValidationError:
                pass
            if required:
                return Rejected("bad_row", "", f"no usable {key}: {words(bytes(raw))}")
        return self._row(**values)
