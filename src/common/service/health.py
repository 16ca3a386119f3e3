"""Readiness: which parts cannot go on, and why. Empty means ready."""

from __future__ import annotations

import logging
import threading

log = logging.getLogger(__name__)


class Health:
    """Thread-safe. A part says why it is held up, and that it is not any more; each change is logged once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reasons: dict[str, str] = {}

    def hold(self, part: str, reason: str) -> None:
        """``part`` cannot go on. Said again with the same first words, it is not logged again."""
        with self._lock:
            new = part not in self._reasons
            self._reasons[part] = reason
        if new:
            log.warning("not ready: %s: %s", part, reason)

    def release(self, part: str) -> None:
        """``part`` goes on."""
        with self._lock:
            released = self._reasons.pop(part, None)
        if released is not None:
            log.info("%s goes on", part)

    def reasons(self) -> dict[str, str]:
        """By part; empty when ready."""
        with self._lock:
            return dict(self._reasons)
