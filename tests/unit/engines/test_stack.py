"""What a stack's folder remembers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cryptoproxy.engines.ports import Ports
from cryptoproxy.engines.stack import REMEMBERED, Memory, Remembered
from cryptoproxy.errors import OperatorError


def test_it_comes_back_as_it_was_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    saved = Remembered(Ports.free(), Memory(kafka_mb=300))
    saved.save(tmp_path)
    assert Remembered.load(tmp_path) == saved
    assert (tmp_path / REMEMBERED).stat().st_mode & 0o777 == 0o600
    replace(saved, memory=Memory()).save(tmp_path)
    assert Remembered.load(tmp_path) == replace(saved, memory=Memory())


def test_a_new_folder_remembers_nothing(tmp_path: Path) -> None:
    assert Remembered.load(tmp_path / "new") is None


def test_each_folder_has_keys_of_its_own_and_shows_none() -> None:
    one, other = Remembered(Ports.usual()), Remembered(Ports.usual())
    assert one.s3_secret_key != other.s3_secret_key
    assert one.s3_secret_key not in repr(one)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"ports": {}, "memory": {}}', '{"ports": 1}'])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / REMEMBERED).write_text(content)
    with pytest.raises(OperatorError, match=r"stack\.json is damaged.*Remove it"):
        Remembered.load(tmp_path)
