"""The file that keeps an upstream's state across restarts. One process per folder."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path

from cryptoproxy.common.errors import OperatorError
from cryptoproxy.producer.budget.state import DamagedStateError, State, decode, encode
from cryptoproxy.producer.outbox.files import sync_folder

log = logging.getLogger(__name__)


class KeptFile:
    """``<folder>/<upstream>.json``."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self.path = folder / f"{upstream}.json"
        self._new = folder / f"{upstream}.json.new"
        self._upstream = upstream
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OperatorError(f"the folder {folder} cannot be made: {error}", remedy="Mend OUTBOX_DIR") from error

    def load(self, *, now_ms: int) -> tuple[State | None, bool]:
        """What was written last, and whether it was damaged; None and False when nothing was ever written.

        A damaged file is set aside under a name that says when, and never taken for an empty one.

        Raises:
            OperatorError: it is there and cannot be read.
        """
        try:
            try:
                return decode(self.path.read_bytes(), upstream=self._upstream), False
            except FileNotFoundError:
                return None, False
            except DamagedStateError as error:
                self._set_aside(str(error), now_ms)
                return None, True
        except OSError as error:
            raise OperatorError(
                f"{self.path} cannot be read: {error}", remedy="Mend its rights: it tells what may be sent"
            ) from error

    def write(self, state: State, *, sync: bool) -> None:
        """Replaces it whole. It survives the end of the process in any case; with ``sync`` a power failure, too.

        Without, such a failure may cost the last seconds' counts: the file system decides. A month's quota does not
        notice, and the short windows are over when the machine is up again.

        Raises:
            OSError: the old one stays.
        """
        with self._new.open("wb") as file:
            file.write(encode(state))
            if sync:
                file.flush()
                os.fsync(file.fileno())
        self._new.replace(self.path)
        if sync:
            sync_folder(self.path.parent)

    def _set_aside(self, fault: str, now_ms: int) -> None:
        aside = self.path.with_name(f"{self.path.name}.damaged-{_stamp(now_ms)}")
        self.path.replace(aside)
        log.error(
            "%s is damaged (%s) and was set aside as %s; until the state topic tells more, the budget's short windows "
            "count as used up and its month as used evenly until now",
            self.path, fault, aside,
        )  # fmt: skip


def _stamp(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
