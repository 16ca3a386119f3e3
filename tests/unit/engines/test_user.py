"""Where the user who stands in for root can reach, and what leads there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cryptoproxy.engines.machine import user
from cryptoproxy.engines.machine.process import User
from cryptoproxy.errors import OperatorError

STRANGER = User(uid=os.getuid() + 12345, gid=os.getgid() + 12345, name="stranger")


@pytest.fixture(autouse=True)
def _nothing_changes_owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(user, "own", lambda place, whom: None)
    monkeypatch.setattr(user, "DATA", tmp_path / "elsewhere")


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path / "stack"


def test_the_first_closed_folder_on_the_way_is_found(tmp_path: Path) -> None:
    inner = tmp_path / "closed" / "open"
    inner.mkdir(parents=True)
    for folder in (tmp_path, inner):
        folder.chmod(0o755)
    inner.parent.chmod(0o750)
    above = user.barrier(tmp_path, STRANGER)
    assert user.barrier(inner / "not made yet", STRANGER) == (above or inner.parent)
    assert user.barrier(inner, User(os.getuid(), os.getgid(), "me")) is None


def test_data_lie_in_the_folder_itself_for_an_ordinary_user(tmp_path: Path) -> None:
    assert user.home(tmp_path / "node", None, throwaway=False, say=print) == (tmp_path / "node").resolve()


def test_data_behind_a_closed_folder_lie_elsewhere_and_stay_there(closed: Path) -> None:
    closed.mkdir()
    said: list[str] = []
    place = user.home(closed / "node", STRANGER, throwaway=False, say=said.append)
    (place / "file").write_text("data")
    assert place.is_relative_to(user.DATA)
    assert user.home(closed / "node", STRANGER, throwaway=False, say=said.append) == place
    assert (closed / "node" / "file").read_text() == "data"
    assert len(said) == 1
    assert str(place) in said[0]


def test_data_made_before_the_folder_was_closed_move_along(closed: Path) -> None:
    (closed / "node").mkdir(parents=True)
    (closed / "node" / "file").write_text("data")
    place = user.home(closed / "node", STRANGER, throwaway=False, say=lambda line: None)
    assert (place / "file").read_text() == "data"


def test_a_moved_folder_keeps_its_data_and_a_copied_one_does_not_share_them(closed: Path) -> None:
    closed.mkdir()
    place = user.home(closed / "node", STRANGER, throwaway=False, say=lambda line: None)
    copy = closed.with_name("copy")
    copy.mkdir()
    (copy / "node").symlink_to(place)
    with pytest.raises(OperatorError, match="seems to be a copy"):
        user.home(copy / "node", STRANGER, throwaway=False, say=lambda line: None)
    (closed / "node").unlink()
    assert user.home(copy / "node", STRANGER, throwaway=False, say=lambda line: None) == place


def test_what_a_killed_test_left_is_swept_and_nothing_else(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    closed.mkdir()
    gone, kept, lasting = (
        user.home(closed / name, STRANGER, throwaway=throwaway, say=lambda line: None)
        for name, throwaway in (("gone", True), ("kept", True), ("lasting", False))
    )
    (closed / "gone").unlink()
    (closed / "lasting").unlink()
    user.sweep()
    assert [place.exists() for place in (gone, kept, lasting)] == [False, True, True]
    user.forget(closed / "kept")
    assert not kept.parent.exists()
    assert not (closed / "kept").is_symlink()


def test_root_needs_a_stand_in_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert user.stand_in() is None
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    found = user.stand_in()
    assert found is not None
    assert found.uid > 0
