"""What was served, which tests take as the truth.

An entry is written before its first byte leaves: so the ledger may know of an answer that never arrived (``whole``
and ``fault`` tell the planned ones), but no answer can arrive that it does not know of.
"""

from __future__ import annotations

import base64
import hashlib
import os
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import msgspec

from cryptoproxy.sandbox.wire import Request, Response


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer. ``body`` is what was meant to be sent, before compression; None where it was not kept."""

    seq: int
    at_ms: int
    upstream: str
    method: str
    target: str
    status: int
    """0: the connection was closed without an answer."""
    fault: str
    """The label of the rule that was applied; empty where none was."""
    whole: bool
    """Everything was meant to be sent: not cut, not closed."""
    size: int
    sha256: str
    body: bytes | None


class CallLog:
    """In memory, and in a file of JSON lines where one is named.

    Args:
        file: appended to, one write per entry, so that it survives the death of this process.
        keep_bodies: False keeps size and SHA-256 alone, in memory and file.
        limit: entries kept in memory; older ones go.
        body_limit: bytes of bodies kept in memory; the oldest lose theirs, not their SHA-256.
    """

    def __init__(
        self,
        file: Path | str | None = None,
        *,
        keep_bodies: bool = True,
        limit: int | None = None,
        body_limit: int = 256 * 1024 * 1024,
    ) -> None:
        self._keep_bodies = keep_bodies
        self._body_limit = body_limit
        self._limit = limit
        self._entries: deque[Entry] = deque()
        self._last = 0
        self._bodies = 0
        self._without_body = 0
        """How many entries, counted from the oldest, have no body left to give up."""
        self._changed = threading.Condition()
        self._file = -1 if file is None else os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def add(
        self,
        at_ms: int,
        upstream: str,
        request: Request,
        answer: Response | None,
        *,
        fault: str = "",
        whole: bool = True,
    ) -> None:
        body = b"" if answer is None else answer.body
        digest = hashlib.sha256(body).hexdigest()
        kept = body if self._keep_bodies else None
        status = 0 if answer is None else answer.status
        with self._changed:
            self._last += 1
            entry = Entry(
                self._last,
                at_ms,
                upstream,
                request.method,
                request.target,
                status,
                fault,
                whole,
                len(body),
                digest,
                kept,
            )
            self._write(entry)
            self._entries.append(entry)
            self._bodies += len(kept or b"")
            self._forget()
            self._changed.notify_all()

    def entries(self, since: int = 0, limit: int | None = None) -> list[Entry]:
        """Those after number ``since``, oldest first."""
        with self._changed:
            later = [entry for entry in self._entries if entry.seq > since]
        return later if limit is None else later[:limit]

    def __len__(self) -> int:
        """How many answers there were, also those no longer in memory."""
        return self._last

    def wait(self, count: int, *, timeout: float = 10.0) -> bool:
        """Waits until there were so many answers; False when the time was over first."""
        end = time.monotonic() + timeout
        with self._changed:
            while self._last < count and time.monotonic() < end:
                self._changed.wait(end - time.monotonic())
            return self._last >= count

    def close(self) -> None:
        """Closes the file; what is in memory stays readable."""
        with self._changed:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _write(self, entry: Entry) -> None:
        if self._file >= 0:
            os.write(self._file, msgspec.json.encode(show(entry)) + b"\n")

    def _forget(self) -> None:
        while self._limit is not None and len(self._entries) > self._limit:
            self._bodies -= len(self._entries.popleft().body or b"")
            self._without_body = max(0, self._without_body - 1)
        while self._bodies > self._body_limit and self._without_body < len(self._entries) - 1:
            entry = self._entries[self._without_body]
            self._bodies -= len(entry.body or b"")
            self._entries[self._without_body] = replace(entry, body=None)
            self._without_body += 1


def show(entry: Entry, *, body: bool = True) -> dict[str, object]:
    """As JSON: the body as text, or as ``body_base64`` where it is none, or left out."""
    shown = asdict(entry)
    content: bytes | None = shown.pop("body")
    if body and content is not None:
        try:
            shown["body"] = content.decode()
        except UnicodeDecodeError:
            shown["body_base64"] = base64.b64encode(content).decode()
    return shown


def read(file: Path | str) -> list[Entry]:
    """The entries of a ledger file. A last line without its end (the writer died in it) is left out."""
    entries: list[Entry] = []
    for line in Path(file).read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            shown = msgspec.json.decode(line, type=dict[str, object])
            text, packed = shown.pop("body", None), shown.pop("body_base64", None)
            body = text.encode() if isinstance(text, str) else None
            body = base64.b64decode(packed) if isinstance(packed, str) else body
            entries.append(msgspec.convert(shown | {"body": None}, Entry))
            entries[-1] = replace(entries[-1], body=body)
    return entries
