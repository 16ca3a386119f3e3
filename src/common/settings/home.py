"""The project's folder: where ``.env`` is looked for, and what relative paths in settings begin at.

``CRYPTOPROXY_HOME``; without it the nearest folder, from the current one upwards, that this program has used (it has an
outbox or engines) or that has settings for it (a ``.env`` with at least one of their names); without one the current
folder. So a command means the same outbox, budget and engines in each folder below the project's, and another project's
``.env`` is left alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptoproxy.common.settings.environment import SPELLINGS
from cryptoproxy.common.settings.loading import names_in
from cryptoproxy.errors import SettingsError

VARIABLE = "CRYPTOPROXY_HOME"
ENV_FILE = Path(".env")
"""Stands for the project folder's own settings file, wherever that is; the only one that may be missing."""
USED = (Path(".run/outbox"), Path(".run/engines"))
"""Not `.run` alone: an IDE has a folder of that name, too."""


@dataclass(frozen=True, slots=True)
class Home:
    """``folder`` is absolute."""

    folder: Path
    named: bool = False
    """By ``CRYPTOPROXY_HOME``, not looked for."""
    known: bool = True
    """False: nothing of this program was found here or above, so what is made here is new."""

    def file(self, env_file: Path) -> Path:
        """Where ``env_file`` is, as it is given to ``--env-file``: a name of one's own is relative as ever."""
        return self.folder / env_file if env_file == ENV_FILE else env_file


def find_home(start: Path | None = None, environ: Mapping[str, str] = os.environ) -> Home:
    """
    Raises:
        SettingsError: ``CRYPTOPROXY_HOME`` is no folder.
    """
    here = (start or Path.cwd()).absolute()
    if named := environ.get(VARIABLE, "").strip():
        folder = here / Path(named).expanduser()
        if not folder.is_dir():
            raise SettingsError([f"{VARIABLE}={named!r} is not a folder"])
        return Home(folder.resolve(), named=True)
    for folder in (here, *here.parents):
        marks = [folder / each for each in (*USED, ENV_FILE)]
        if folder != here:
            marks = [mark for mark in marks if _is_trusted(mark)] if _is_a_project_s(folder) else []
        if any(mark.is_dir() or not SPELLINGS.isdisjoint(names_in(mark)) for mark in marks):
            return Home(folder)
    return Home(here, known=False)


def _is_a_project_s(folder: Path) -> bool:
    """Not ``/``, and not ``/tmp``: what a command once left there would be the project of every folder below it."""
    return folder != folder.parent and not folder.stat().st_mode & stat.S_IWOTH


def _is_trusted(mark: Path) -> bool:
    """Above the current folder somebody else may have put a file in our way, as in /tmp: that would be his settings."""
    try:
        return mark.stat().st_uid in (os.getuid(), 0)
    except OSError:
        return False
