"""Notes that other versions, or anybody, may have written beside ours: they end nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cryptoproxy.consumer.letters.fuse import Acceptances
from cryptoproxy.errors import OperatorError
from cryptoproxy.producer.feeds.stream.marks import StreamNote, told_in
from cryptoproxy.producer.lease import claims, note
from cryptoproxy.serve.teams import tokens
from cryptoproxy.watch.telling.silences import PREFIX, Silences

ODD = [b"", b"[]", b"NaN", b"7", b"null", b"[" * 3000 + b"]" * 3000, b"\xff", b'{"a":1'] + [
    b'{"until":%b,"topic_id":"t","offset":%b,"process":"p","client":%b,"waiting_since":1,"term":%b}' % ((odd,) * 4)
    for odd in (b"Infinity", b"NaN", b"null", b'"x"', b"[]", b"1e999", b'"\\ud83d"')
]


@pytest.mark.parametrize("value", ODD)
def test_it_is_passed_over(value: bytes, tmp_path: Path) -> None:
    silences: Any = Silences.__new__(Silences)
    silences._until = {}
    silences._note(f"{PREFIX}r", value)
    assert not silences._until
    accepted: Any = Acceptances.__new__(Acceptances)
    accepted._topic, accepted._state = "t", SimpleNamespace(read=lambda: {"accept-poison:t:0": value})
    assert accepted.read("t") == {}
    assert told_in(value).marks == {}
    assert claims.decode(value) is None
    assert (read := note.decode(value.decode(errors="replace"))) is None or read.term == 0
    (tmp_path / "teams.json").write_bytes(value)
    with pytest.raises(OperatorError, match="is no file of teams"):
        tokens.load(tmp_path / "teams.json")


@pytest.mark.parametrize("at_ms", [10**15, 10**25, -1, 1.5])
@pytest.mark.parametrize("form", ['{"marks":{"BTCUSDT":["2-20",%s]}}', '{"told_ms":%s}', '{"frame_ms":%s}'])
def test_a_time_of_no_year_in_a_streams_note_ends_no_stream(form: str, at_ms: float) -> None:
    """A gap that begins there could not be written, by any holder after this one."""
    assert told_in((form % at_ms).encode()) == StreamNote()
