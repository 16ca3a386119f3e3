"""How far a replay has got: a small file for each replay, so that a second start goes on after the last full hour."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptoproxy.common.errors import OperatorError
from cryptoproxy.common.record import from_iso, iso

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Totals:
    """What a replay has done so far, its interrupted starts included."""

    read: int = 0
    written: int = 0
    known: int = 0
    """Were there already; always 0 for a topic, which cannot know."""
    poison: int = 0


class Marks:
    """The last finished (hour, source) of one replay, in the order of reading.

    Args:
        task: all that makes it this replay and no other: from where, what, and to where.
    """

    def __init__(self, folder: Path, task: dict[str, Any]) -> None:
        self._task = task
        name = hashlib.sha256(json.dumps(task, sort_keys=True).encode()).hexdigest()[:12]
        self.path = folder / f"replay-{name}.json"

    def load(self) -> tuple[tuple[int, str] | None, Totals]:
        """The mark, or None where nothing is finished yet. A file that cannot be used counts as none: what is sent
        again does no harm."""
        try:
            found = json.loads(self.path.read_bytes())
            return (from_iso(found["hour"]), str(found["source"])), Totals(**found["totals"])
        except FileNotFoundError:
            return None, Totals()
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s cannot be used, so the replay starts anew: %s", self.path, error)
            return None, Totals()

    def finish(self, hour_ms: int, source: str, totals: Totals) -> None:
        """All up to this hour of this source is at its target.

        Raises:
            OperatorError: the mark cannot be written.
        """
        content = {"hour": iso(hour_ms), "source": source, "totals": asdict(totals), "task": self._task}
        beside = self.path.with_suffix(f".{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(f"{json.dumps(content)}\n", encoding="utf-8")
            beside.replace(self.path)
        except OSError as error:
            raise OperatorError(
                f"{self.path} cannot be written: {error.strerror}", remedy="Mend that, or name another --progress-dir"
            ) from error

    def forget(self) -> None:
        """The replay is at its end, or starts anew."""
        self.path.unlink(missing_ok=True)
