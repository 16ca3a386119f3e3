"""Whatever a broker takes can stand in a letter that every client writes, and is read back as it was."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.datasets import LETTER_HEADERS, letter, opened, size_of
from cryptoproxy.datasets.letters import CHANGES_HEADER, MAX_ERROR_BYTES

texts = st.none() | st.binary(max_size=40)
names = st.binary(max_size=12).map(lambda raw: raw.decode(errors="surrogateescape")) | st.sampled_from(
    [CHANGES_HEADER, *LETTER_HEADERS]
)
headers = st.lists(st.tuples(names, texts), max_size=6)


def written(**content: Any) -> Any:
    """The letter as it comes back from the topic, if every client may write it."""
    made = letter(
        **{"reason": "not_json", "error": "why", "topic": "crypto-data", "now_ms": 0, "partition": 2, "offset": 42}
        | content
    )
    assert made.key is not None or made.value is not None
    for name, value in made.headers:
        assert isinstance(value, bytes)
        name.encode()
    return SimpleNamespace(key=made.key, value=made.value, headers=made.headers)


@given(texts, texts, headers)
def test_key_value_and_headers_come_back_as_they_were(
    key: bytes | None, value: bytes | None, original: list[tuple[str, bytes | None]]
) -> None:
    found = opened(written(key=key, value=value, original=original))
    assert (found.key, found.value, found.headers, found.left_out) == (key, value, original, None)
    assert found.ours["dlq-offset"] == "42"


def test_an_ordinary_letter_has_nothing_but_the_six_headers_and_the_originals() -> None:
    found = written(key=b"k", value=None, original=[("trace", b"1")])
    assert [name for name, _ in found.headers] == [*LETTER_HEADERS, "trace"]
    assert found.value is None


def test_null_is_kept_apart_from_empty() -> None:
    original: list[tuple[str, bytes | None]] = [("a", None), ("a", b"")]
    assert opened(written(key=None, value=None, original=original))[1:4] == (None, None, original)
    assert opened(written(key=None, value=b"", original=original))[1:4] == (None, b"", original)
    assert opened(written(key=b"", value=None, original=original))[1:4] == (b"", None, original)


def test_a_letter_without_its_content_says_how_much_that_was() -> None:
    original = [("name", b"12345")]
    found = written(key=b"k", value=b"v" * 100, original=original, left_out=size_of(b"k", b"v" * 100, original))
    assert len(found.headers) == len(LETTER_HEADERS) + 1
    assert (found.key, found.value) == (None, b"")
    assert opened(found)[1:] == (None, None, [], 110)


@pytest.mark.parametrize("field", ["reason", "error", "topic"])
def test_no_text_of_anybody_s_keeps_a_letter_from_being_written(field: str) -> None:
    assert opened(written(key=None, value=b"", original=[], **{field: "a\ud800b"})).ours[f"dlq-{field}"] == "a?b"


def test_a_long_error_is_cut() -> None:
    assert len(dict(written(key=None, value=b"", original=[], error="x" * 10**6).headers)["dlq-error"]) == (
        MAX_ERROR_BYTES
    )


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"header_names":{"0":"zz"}}', b'{"left_out":"x"}', b'{"zz":' + b"[" * 100_000]
)
def test_a_header_of_that_name_which_is_not_ours_is_the_original_s(content: bytes) -> None:
    record = SimpleNamespace(
        key=None, value=b"v", headers=[*((name, b"") for name in LETTER_HEADERS), (CHANGES_HEADER, content)]
    )
    assert opened(record)[1:] == (None, b"v", [(CHANGES_HEADER, content)], None)


@pytest.mark.parametrize("content", [b'{"no_header_values":[-5,-1,9]}', b'{"header_names":{"-3":"6161","9":"6161"}}'])
def test_a_change_of_a_header_that_is_not_there_changes_nothing(content: bytes) -> None:
    headers = [*((name, b"") for name in LETTER_HEADERS), (CHANGES_HEADER, content), ("a", b"1")]
    assert opened(SimpleNamespace(key=None, value=b"v", headers=headers))[1:] == (None, b"v", [("a", b"1")], None)
