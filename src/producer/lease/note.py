"""The holder's note: metadata of the offset that it commits to confirm its lease. And how long it has been silent."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from cryptoproxy.datasets.codec import ODD_NOTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Who polls, by its own word."""

    process: str
    name: str
    """For people: host and pid."""
    term: int
    since: int
    """Epoch milliseconds at which it took the lease."""
    beat: int = 0
    """Another number with each confirmation, so that a living holder's note changes."""
    released: bool = False

    def encode(self) -> str:
        return json.dumps(asdict(self))


def decode(text: str | None) -> Note | None:
    """None where there is none. One that this version does not understand is somebody's, too."""
    if not text:
        return None
    try:
        content = json.loads(text)
        return Note(
            process=str(content["process"]),
            name=str(content["name"]),
            term=int(content["term"]),
            since=int(content["since"]),
            beat=int(content["beat"]),
            released=bool(content["released"]),
        )
    except ODD_NOTE:
        return Note(process=text, name="a poller of another version", term=0, since=0)


class NoteWatch:
    """How long the note has been the same while Kafka answered.

    Only time that was looked at counts: while Kafka is away a living holder cannot write either, so its silence says
    nothing. ``gap`` is the longest time between two looks that still counts as looking on.
    """

    def __init__(self, *, gap: float) -> None:
        self._gap = gap
        self._since: float | None = None
        self.looked: float | None = None
        self.note: Note | None = None

    def saw(self, note: Note | None, now: float) -> None:
        """Kafka answered at ``now``, and this was the note."""
        if self._since is None or self.looked is None or note != self.note or now - self.looked > self._gap:
            self._since = now
        self.note, self.looked = note, now

    def blind(self) -> None:
        """Kafka did not answer."""
        self._since = None

    @property
    def sees(self) -> bool:
        return self._since is not None

    def silent_for(self) -> float:
        """Seconds, up to the last look."""
        return 0.0 if self._since is None or self.looked is None else self.looked - self._since

    def free(self, process: str, *, silence: float) -> bool:
        """Whether ``process``, which was chosen, may take the lease: nobody can be about to come back to it."""
        if not self.sees:
            return False
        if self.note is None or self.note.released or self.note.process == process:
            return True
        return self.silent_for() >= silence
