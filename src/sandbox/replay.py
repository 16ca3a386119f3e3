"""Replay of recorded bodies: as they are, byte for byte, one after the other for each endpoint.

Where a file answers is told by the request in its ``NAME.headers.json``, else by its shape, else it is the endpoint
that pollers ask. Status and headers come from there too, save ``Date`` and the framing, which are today's.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from cryptoproxy.sandbox.upstream import Upstream
from cryptoproxy.sandbox.wire import FRAMING, Request, Response

NOT_REPLAYED = FRAMING | {"date", "content-encoding", "set-cookie"}
SUFFIXES = (".json", ".txt", ".html", ".body")
_CATEGORY = re.compile(rb'"category"\s*:\s*"(\w+)"')
_STATUS = re.compile(r"error_(\d{3})_")


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded body and where it belongs."""

    path: str
    category: str
    """Bybit's, where the body names one: it then answers no other. Else empty."""
    status: int
    headers: Mapping[str, str] | None
    """None: those the upstream sends today."""
    body: bytes


class Replay:
    """What is left to serve. At the end the last recording stays, or with ``cycle`` the first comes again."""

    def __init__(self, recordings: Iterable[Recording], *, cycle: bool = False) -> None:
        self._cycle = cycle
        self._queues: dict[tuple[str, str], list[Recording]] = {}
        self._next: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()
        for recording in recordings:
            self._queues.setdefault((recording.path, recording.category), []).append(recording)

    def answer(self, request: Request, upstream: Upstream) -> Response | None:
        """None where nothing was recorded for this endpoint: then the live market answers."""
        keys = (request.path, request.params.get("category", "")), (request.path, "")
        key = next((key for key in keys if key in self._queues), None)
        if key is None:
            return None
        with self._lock:
            at = self._next.get(key, 0)
            queue = self._queues[key]
            self._next[key] = (at + 1) % len(queue) if self._cycle else min(at + 1, len(queue) - 1)
        found = queue[at]
        usual = Response(found.status, upstream.headers(), found.body, chunked=True)
        if found.headers is None:
            return usual
        date = usual.header("date") or ""
        return replace(usual, headers=(("Date", date), *found.headers.items()))


def load(paths: Iterable[Path | str], upstream: Upstream) -> list[Recording]:
    """Files in the order given, folders by name.

    Raises:
        OSError: a path cannot be read.
        ValueError: there is nothing to replay.
    """
    files = [file for path in paths for file in _files(Path(path))]
    if not files:
        raise ValueError(f"nothing to replay in {', '.join(map(str, paths))}")
    return [_recording(file, upstream) for file in files]


def by_upstream(path: Path, names: Iterable[str], upstream: str | None = None) -> dict[str, list[Path]]:
    """Whose recordings lie at a path: told by ``upstream``, by folders of these names in it, or by the folder it is in.

    Raises:
        ValueError: none of the three tells.
    """
    if upstream is not None:
        return {upstream: [path]}
    inside = {name: [path / name] for name in names if (path / name).is_dir()}
    own = next((part for part in (path.name, path.parent.name) if part in names), None)
    if not inside and own is None:
        raise ValueError(f"whose recordings are in {path}? Name the upstream, or a folder after it: {', '.join(names)}")
    return inside or {str(own): [path]}


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(f for f in path.iterdir() if f.suffix in SUFFIXES and not f.name.endswith(".headers.json"))


def _recording(file: Path, upstream: Upstream) -> Recording:
    body = file.read_bytes()
    category = _CATEGORY.search(body[:400])
    endpoint = next((path for mark, path in upstream.marks.items() if mark in body), upstream.polled)
    named = _STATUS.match(file.name)
    status, headers = int(named.group(1)) if named else 200, None
    beside = file.with_name(f"{file.stem}.headers.json")
    if beside.exists():
        meta: dict[str, Any] = msgspec.json.decode(beside.read_bytes())
        status = meta["status"]
        asked = urlsplit(meta.get("request", "").partition(" ")[2]).path
        endpoint = asked if asked in (upstream.polled, *upstream.marks.values()) else endpoint
        kept = {name: values for name, values in meta["response_headers"].items() if name.lower() not in NOT_REPLAYED}
        headers = {name: ", ".join(values) for name, values in kept.items()}
    return Recording(endpoint, category.group(1).decode() if category else "", status, headers, body)
