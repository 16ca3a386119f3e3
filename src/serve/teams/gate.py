"""The one place where a request, or the handshake of a stream, is admitted: whose token it carries, and how much that
team may ask. Without a file of teams everybody is, as one team and without limits.

Limits hold in this process, two doors allow twice as much; or, with a folder that they share, among all of a machine.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptoproxy.common.log import Limited
from cryptoproxy.common.service import Loop
from cryptoproxy.errors import OperatorError
from cryptoproxy.serve.teams import tokens
from cryptoproxy.serve.teams.limits import Bucket, Places
from cryptoproxy.serve.teams.shared import SharedBucket, SharedFile

log = logging.getLogger(__name__)

ANYBODY = "anybody"
"""The team of all where there are no teams."""
LOOK_SECONDS = 1.0
"""Between two looks at the file: for so long a revoked token may still count."""
_NO_END = 1 << 62
REFUSED_SECONDS = 0.5
"""A refusal is told after this: who asks too much has each of its connections busy with waiting, not our processor."""


class NotAdmittedError(Exception):
    """Told to the client, in its upstream's words."""

    def __init__(self, status: int, words: str, *, team: str = "", retry_after: float | None = None) -> None:
        super().__init__(words)
        self.status, self.words, self.team, self.retry_after = status, words, team, retry_after


@dataclass(slots=True)
class _Team:
    name: str
    requests: int
    streams: int
    bucket: Bucket
    places: Places


class Stream:
    """One admitted stream; :meth:`close` it at its end."""

    def __init__(self, gate: Gate, digest: str, team: _Team) -> None:
        self._gate, self._digest, self._team = gate, digest, team
        self._end: Callable[[], Any] | None = None
        self._closed = False

    @property
    def team(self) -> str:
        return self._team.name

    def still_admitted(self) -> bool:
        """False once its token is revoked."""
        return self._gate.knows(self._digest)

    def when_revoked(self, end: Callable[[], Any]) -> None:
        """What ends it when its token counts no more; called once, in the thread that looks at the file."""
        self._end = end
        self.look()

    def look(self) -> None:
        """Ends it if it is not admitted any more."""
        if not self.still_admitted() and self._end is not None:
            end, self._end = self._end, None
            end()

    def close(self) -> None:
        """Makes room for another one. Closing twice is closing once."""
        if not self._closed:
            self._closed = True
            self._team.places.give_back()
            self._gate.forget(self)


class Gate:
    """
    Args:
        file: of teams; None: everybody is admitted.
        requests, streams: a team's limits where the file says no others.
        shared: the folder in which all doors of this machine count together.

    Raises:
        OperatorError: the file cannot be read, or nothing can be written into the folder.
    """

    def __init__(
        self,
        file: Path | None = None,
        *,
        requests: int = 6000,
        streams: int = 50,
        shared: Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file, self._requests, self._streams = file, requests, streams
        self._shared, self._files = shared, dict[str, SharedFile]()
        self._monotonic = monotonic
        self._told = Limited(log, seconds=300)
        self._teams: dict[str, _Team] = {}
        self._by_digest: dict[str, _Team] = {}
        self._open: set[Stream] = set()
        self._seen: tuple[int, int, int] | None = None
        self._anybody = _Team(ANYBODY, 1, _NO_END, Bucket(1), Places())
        if file is not None:
            self._seen = _stamp(file)
            self._enter(tokens.load(file))

    @property
    def is_open(self) -> bool:
        """Whether everybody is admitted."""
        return self._file is None

    def admit(self, token: str) -> str:
        """The team that asks, by its token.

        Raises:
            NotAdmittedError: nobody knows the token; the team has asked as much as it may.
        """
        if self._file is None:
            return ANYBODY
        team = self._team(tokens.digest(token))
        if wait := team.bucket.take(self._monotonic()):
            raise NotAdmittedError(
                429,
                f"Too many requests; team {team.name} may ask {team.requests} times a minute here",
                team=team.name,
                retry_after=wait,
            )
        return team.name

    def admit_stream(self, token: str) -> Stream:
        """The same of a stream, which counts as long as it is open.

        Raises:
            NotAdmittedError: see :meth:`admit`.
        """
        if self._file is None:
            self._anybody.places.take(_NO_END)
            return self._opened("", self._anybody)
        digest = tokens.digest(token)
        team = self._team(digest)
        if not team.places.take(team.streams):
            raise NotAdmittedError(
                429,
                f"Too many streams; team {team.name} may have {team.streams} at once here",
                team=team.name,
                retry_after=60.0,
            )
        return self._opened(digest, team)

    def _opened(self, digest: str, team: _Team) -> Stream:
        made = Stream(self, digest, team)
        self._open.add(made)
        return made

    def forget(self, stream: Stream) -> None:
        """It has ended."""
        self._open.discard(stream)

    def knows(self, digest: str) -> bool:
        """Whether the token of this digest still counts."""
        return self._file is None or digest in self._by_digest

    def run(self, loop: Loop) -> None:
        """Reads the file again whenever it changes, until the process stops."""
        while loop.running:
            self.look()
            loop.wait(LOOK_SECONDS)

    def look(self) -> None:
        """One look at the file. One that cannot be read changes nothing."""
        if self._file is None or (stamp := _stamp(self._file)) == self._seen:
            return
        try:
            found = tokens.load(self._file)
            self._enter(found)
        except OperatorError as error:
            self._told.warning("file", f"the teams stay as they are: {error}")
            return
        self._seen = stamp
        for each in self._open.copy():
            each.look()
        log.info("%s: %d teams, %d tokens", self._file, len(found.teams), len(self._by_digest))

    def _team(self, digest: str) -> _Team:
        if (team := self._by_digest.get(digest)) is None:
            raise NotAdmittedError(401, "A token of a team is needed here, and this is none")
        return team

    def _enter(self, found: tokens.Teams) -> None:
        """What a team has asked, and its open streams, stay counted where its limits stay the same."""
        teams: dict[str, _Team] = {}
        by_digest: dict[str, _Team] = {}
        if self._shared is not None:
            for name in found.teams:  # what cannot be made changes nothing
                self._file_of(self._shared, name)
        for name, each in found.teams.items():
            requests = self._requests if each.requests is None else each.requests
            streams = self._streams if each.streams is None else each.streams
            team = self._teams.get(name)
            if team is None:
                team = _Team(name, requests, streams, self._bucket(name, requests), self._places(name))
            if team.requests != requests:
                team.requests, team.bucket = requests, self._bucket(name, requests)
            team.streams = streams
            teams[name] = team
            by_digest |= {token.sha256: team for token in each.tokens}
        self._teams, self._by_digest = teams, by_digest

    def _bucket(self, name: str, requests: int) -> Bucket:
        return Bucket(requests) if self._shared is None else SharedBucket(requests, self._file_of(self._shared, name))

    def _places(self, name: str) -> Places:
        return Places() if self._shared is None else self._file_of(self._shared, name).places

    def _file_of(self, folder: Path, name: str) -> SharedFile:
        """Kept for as long as the process: to close it would give back the places of its streams."""
        if (found := self._files.get(name)) is None:
            found = self._files[name] = SharedFile(folder, name)
        return found


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
