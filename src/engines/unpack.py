"""An installation out of a zip, and the proof at each start that it still is what the zip holds."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path

from cryptoproxy.engines.machine.process import Say, locked, say_nothing
from cryptoproxy.errors import OperatorError

PARTIAL = ".unpacking-"
FOLDER_MODE, FILE_MODE, PROGRAM_MODE = 0o755, 0o644, 0o755
"""Set by hand: another user must be able to read it whatever the umask is, and the zip knows no run bits."""


def install(archive: Path, parent: Path, *, say: Say = say_nothing) -> Path:
    """The unpacked content of the archive's single top folder, below ``parent``; unpacked again if it was changed."""
    target = parent / archive.stem
    try:
        _open_to_all(parent)
        with locked(parent / f".{archive.stem}.lock", why=f"is unpacking into {parent}", say=say):
            if target.exists() and (fault := difference(archive, target)):
                say(f"{target} was changed ({fault}): unpacking it anew")
                _remove(target)
            if not target.exists():
                _unpack(archive, target)
    except (OSError, zipfile.BadZipFile) as error:
        raise OperatorError(
            f"{archive.name} cannot be unpacked into {parent}: {error}",
            remedy="Make the folder writable and give it room, or name another one in XDG_CACHE_HOME.",
        ) from error
    return target


def difference(archive: Path, target: Path) -> str | None:
    """The first thing in which the installation is not what the archive holds."""
    with zipfile.ZipFile(archive) as content:
        wanted = {_inner(info.filename): info for info in content.infolist() if not info.is_dir()}
    found = {str((Path(folder) / file).relative_to(target)) for folder, _, files in os.walk(target) for file in files}
    if strange := sorted(found ^ set(wanted)):
        return f"{strange[0]} {'is missing' if strange[0] in wanted else 'does not belong there'}"
    for name, info in wanted.items():
        file = target / name
        if file.stat().st_size != info.file_size or zlib.crc32(file.read_bytes()) != info.CRC:
            return f"{name} differs"
    return None


def _inner(name: str) -> str:
    return name.partition("/")[2]


def _open_to_all(folder: Path) -> None:
    """Makes a folder that every user may enter; one that was there is left as it is."""
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(FOLDER_MODE)


def _remove(target: Path) -> None:
    aside = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=target.parent))
    target.rename(aside / target.name)
    shutil.rmtree(aside, ignore_errors=True)


def _unpack(archive: Path, target: Path) -> None:
    for left_over in target.parent.glob(f"{PARTIAL}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=target.parent) as partial:
        with zipfile.ZipFile(archive) as content:
            content.extractall(partial)  # the archive is pinned, and zipfile lets no name out of the folder
        (top,) = Path(partial).iterdir()
        top.chmod(FOLDER_MODE)
        for path in top.rglob("*"):
            program = path.parent.name == "bin" and path.is_file()
            path.chmod(FOLDER_MODE if path.is_dir() else PROGRAM_MODE if program else FILE_MODE)
        top.rename(target)
