"""Who Elasticsearch runs as when we are root, and where that user can reach.

Elasticsearch refuses to run as root. Another user needs the x bit of every folder above its files, and a checkout or a
cache below a closed home has it not. What such a user needs lies elsewhere then: the installation in
``/var/cache/cryptoproxy``, the data in ``/var/lib/cryptoproxy``, with a link where they would have been.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

from cryptoproxy.engines.machine.process import Say, User
from cryptoproxy.errors import OperatorError

INSTALLATIONS = Path("/var/cache/cryptoproxy")
DATA = Path("/var/lib/cryptoproxy")
ORIGIN = "origin"
"""Beside data that lie elsewhere: the path of the link that leads to them."""
THROWAWAY = "throwaway"
"""A mark beside data that nobody wants when the link is gone."""
FALLBACK_ID = 65534


def stand_in() -> User | None:
    """The user that takes root's place; None if we are not root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return User(FALLBACK_ID, FALLBACK_ID, "nobody")
    return User(entry.pw_uid, entry.pw_gid, entry.pw_name)


def barrier(path: Path, user: User) -> Path | None:
    """The first folder on the way to ``path``, itself included, that this user may not enter."""
    real = path.resolve()
    for folder in (*reversed(real.parents), real):
        if folder.is_dir() and not _may_enter(folder, user):
            return folder
    return None


def installation_parent(cache: Path, user: User | None) -> Path:
    """Where to unpack what the user must be able to read."""
    return cache if user is None or barrier(cache, user) is None else INSTALLATIONS


def home(link: Path, user: User | None, *, throwaway: bool, say: Say) -> Path:
    """A folder for the user's data: ``link`` itself, or where it leads if the user cannot reach it. Owned by the user.

    Raises:
        OperatorError: the link leads to another folder's data.
    """
    if user is None:
        link.mkdir(parents=True, exist_ok=True)
        return link.resolve()
    if link.is_symlink():
        place = link.readlink()
        _check_origin(place, link)
        place.mkdir(parents=True, exist_ok=True)
    elif closed := barrier(link, user):
        place = _elsewhere(link)
        if link.exists():
            shutil.move(link, place)
        place.mkdir(exist_ok=True)
        link.symlink_to(place)
        if throwaway:  # only now, since another process sweeps marked places that nothing leads to
            (place.parent / THROWAWAY).touch()
        say(f"{closed} is closed to the user {user.name}, whom Elasticsearch runs as: its data lie in {place}")
    else:
        link.mkdir(parents=True, exist_ok=True)
        place = link.resolve()
    own(place, user)
    return place


def own(place: Path, user: User) -> None:
    """Gives the folder and all in it to the user, unless the folder is his already."""
    if place.stat().st_uid == user.uid:
        return
    for folder, folders, files in os.walk(place):
        for name in (*folders, *files):
            give(Path(folder) / name, user)
    give(place, user)


def give(path: Path, user: User) -> None:
    try:
        os.chown(path, user.uid, user.gid, follow_symlinks=False)
    except OSError as error:  # a container's root may own nothing but itself
        raise OperatorError(
            f"Elasticsearch cannot run as root, and this root may not act for {user.name} ({error.strerror})",
            remedy="Run this as an ordinary user.",
        ) from error


def forget(link: Path) -> None:
    """Removes the data that a link of ours leads to, and the link."""
    if not link.is_symlink():
        return
    place = link.readlink()
    if place.is_relative_to(DATA) and _origin(place) == link.absolute():
        shutil.rmtree(place.parent, ignore_errors=True)
        link.unlink()


def sweep() -> None:
    """Removes the data of throwaway folders that are gone: what a killed test left behind."""
    if os.geteuid() != 0:
        return
    for mark in DATA.glob(f"*/{THROWAWAY}"):
        if not _origin(mark.parent / "data").is_symlink():
            shutil.rmtree(mark.parent, ignore_errors=True)


def _may_enter(folder: Path, user: User) -> bool:
    found = folder.stat()
    if found.st_uid == user.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == user.gid else stat.S_IXOTH))


def _elsewhere(link: Path) -> Path:
    name = hashlib.sha256(str(link.absolute()).encode()).hexdigest()[:12]
    try:
        DATA.mkdir(parents=True, exist_ok=True)
        DATA.chmod(0o755)
        entry = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=DATA))
        entry.chmod(0o755)
        (entry / ORIGIN).write_text(str(link.absolute()))
    except OSError as error:
        raise OperatorError(
            f"Elasticsearch cannot run as root, and no place for its data can be made: {error}",
            remedy="Run this as an ordinary user, or choose a folder that every user may enter.",
        ) from error
    return entry / "data"


def _origin(place: Path) -> Path:
    try:
        return Path((place.parent / ORIGIN).read_text())
    except OSError:
        return Path(os.devnull)


def _check_origin(place: Path, link: Path) -> None:
    """A moved folder takes its data along; a copied one must not share them."""
    origin = _origin(place)
    if origin == link.absolute():
        return
    if origin.is_symlink() and origin.readlink() == place:
        raise OperatorError(
            f"{link} leads to the Elasticsearch data of {origin.parent}: this folder seems to be a copy of that one",
            remedy=f"Remove {link} to begin with empty data here.",
        )
    if place.parent.is_dir():
        (place.parent / ORIGIN).write_text(str(link.absolute()))
