from __future__ import annotations

from pathlib import Path

import pytest

from cryptoproxy.common.settings import Secret
from cryptoproxy.errors import OperatorError


@pytest.mark.parametrize("spell", [str, repr, lambda each: f"{each}", lambda each: f"{[each]}", "%s".__mod__])
def test_a_secret_is_never_printed(spell: object, tmp_path: Path) -> None:
    assert callable(spell)
    file = tmp_path / "password"
    file.write_text("open sesame")
    for secret in (Secret("NAME", "open sesame"), Secret("NAME", file=file)):
        assert "sesame" not in spell(secret)
        assert "NAME" in spell(secret)
        assert secret.get() == "open sesame"


def test_a_secret_from_a_file_is_what_the_file_holds_by_then(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(" first \n")
    secret = Secret("NAME", file=file)
    assert secret.get() == "first"
    file.write_text("second\r\n")
    assert secret.get() == "second"


def test_no_secret_is_false_and_empty() -> None:
    assert not Secret("NAME")
    assert Secret("NAME").get() == ""
    assert Secret("NAME", "x")


def test_a_file_that_cannot_be_read_is_a_person_s_matter(tmp_path: Path) -> None:
    secret = Secret("NAME", file=tmp_path / "gone")
    assert secret
    with pytest.raises(OperatorError, match=r"NAME_FILE=.*gone cannot be read") as caught:
        secret.get()
    assert "readable" in caught.value.remedy
    (tmp_path / "gone").write_bytes(b"\xff\xfe")
    with pytest.raises(OperatorError, match="cannot be read"):
        secret.get()


def test_an_empty_file_is_no_empty_password(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("\n")
    with pytest.raises(OperatorError, match="is empty"):
        Secret("NAME", file=tmp_path / "password").get()
