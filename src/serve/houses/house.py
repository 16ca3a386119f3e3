"""What the doors of all upstreams have in common: replies that are kept, reading through, refusals."""

from __future__ import annotations

import asyncio
import logging
import re
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import msgspec

from cryptoproxy.common.clock import Clock
from cryptoproxy.datasets import TICKER
from cryptoproxy.errors import CryptoProxyError
from cryptoproxy.serve.reply import Header, Reply, Told, json_reply
from cryptoproxy.serve.request import Request, query_without_keys
from cryptoproxy.serve.road.bars import Bars, Found, Wanted
from cryptoproxy.serve.road.newest import Kept, Newest
from cryptoproxy.serve.upstream.seam import Asks, Fetched, NotFetchedError

log = logging.getLogger(__name__)

ROAD, INDEX, LAKE, THROUGH = "road", "index", "lake", "through"
MOST_WAITING = 200
"""Questions of one upstream that are read through at once: those behind them would be asked long after whoever wanted
to know has gone."""
_PASSED_ON = ("per-page", "total", "retry-after")
"""Headers of an upstream that say something of its answer's body."""
_LINK = re.compile(r"<[^>?]*\?([^>]*)>")


class Shelf:
    """Replies by question, each as long as what it was made of stays the same; the least used go first.

    Args:
        most_bytes: of all bodies, and of the questions, which may be the larger part.
    """

    def __init__(self, most_bytes: int = 64 * 1024 * 1024) -> None:
        self._most = most_bytes
        self._held = 0
        self._replies: OrderedDict[Hashable, tuple[object, Reply]] = OrderedDict()

    def held(self, place: Hashable, version: object) -> Reply | None:
        known = self._replies.get(place)
        if known is None or known[0] != version:
            return None
        self._replies.move_to_end(place)
        return known[1]

    def get(self, place: Hashable, version: object, make: Callable[[], Reply]) -> Reply:
        if (held := self.held(place, version)) is not None:
            return held
        reply = make()
        if (before := self._replies.get(place)) is not None:
            self._held -= _size(place, before[1])
        self._replies[place] = version, reply
        self._replies.move_to_end(place)
        self._held += _size(place, reply)
        while self._held > self._most or len(self._replies) > 10_000:
            gone, (_, its) = self._replies.popitem(last=False)
            self._held -= _size(gone, its)
        return reply


def _size(place: Hashable, reply: Reply) -> int:
    return len(repr(place)) + len(reply.body)


class RefusedError(Exception):
    """Told to the client in the upstream's own words."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


@dataclass(slots=True, kw_only=True)
class Means:
    """What a house answers from.

    ``threads`` wait for Elasticsearch and the lake, ``askers`` for an upstream: a slow one holds up no other answer.
    """

    newest: Newest
    clock: Clock
    threads: Executor
    askers: Executor
    limit_ms: Callable[[str], int]
    """What of a dataset is older is refused, where it is polled that often."""
    through: Asks | None = None


class House(ABC):
    """One upstream's paths."""

    upstream: ClassVar[str]
    base: ClassVar[str]
    """Of its paths, as :class:`Asks` takes them: ``api/v3/``."""

    def __init__(self, means: Means) -> None:
        self.means = means
        self.newest = means.newest
        self.shelf = Shelf()
        self._under_way: dict[Hashable, asyncio.Future[Fetched]] = {}

    @abstractmethod
    async def answer(self, request: Request) -> Reply:
        """Of a question whose path is below the upstream's base, without slashes at its ends.

        Raises:
            RefusedError: in the upstream's words.
        """

    @abstractmethod
    def error(self, status: int, words: str) -> object:
        """The body by which the upstream would say this."""

    def refusal(self, status: int, words: str, *, retry_after: float | None = None) -> Reply:
        more: Sequence[Header] = ()
        if retry_after is not None:
            more = ((b"retry-after", b"%d" % max(1, round(retry_after))),)
        return json_reply(self.error(status, words), status=status, more=more)

    async def read_through(self, request: Request, why: str = "") -> Reply:
        """The upstream's own answer, its errors too.

        Args:
            why: what the road lacks, for a client where nothing is read through.
        """
        means = self.means
        if means.through is None:
            return self.refusal(404, f"{request.path} is not carried here{f': {why}' if why else ''}")
        try:
            fetched, first = await self.fetched(request)
        except NotFetchedError as error:
            if error.unknown:
                return self.refusal(404, str(error))
            return self.refusal(429 if error.limited else 503, str(error), retry_after=error.retry_after or 5.0)
        asked_ms = means.clock.now_ms() - round(fetched.age * 1000)
        more = [(name.encode(), fetched.headers[name].encode("latin-1", "replace"))
                for name in _PASSED_ON if name in fetched.headers]  # fmt: skip
        if link := linked(fetched.headers.get("link", "")):
            more.append((b"link", link.encode("latin-1", "replace")))
        told = Told(
            way=THROUGH,
            upstream=self.upstream,
            asked_ms=asked_ms,
            every_ms=round(fetched.fresh * 1000) or None,
            detail="stale-upstream" if fetched.stale else "",
            made=first and fetched.made,
        )
        reply = Reply(fetched.body, fetched.status, told, more=more)
        if fetched.status != 200 and not _is_json(fetched.body):  # a page for people, which no client reads
            reply = self.refusal(fetched.status, f"{self.upstream} answers {fetched.status} to {request.path}")
            reply.told = told
        return reply

    async def bars(self, bars: Bars, wanted: Wanted, request: Request, *, through: bool) -> Found | Reply:
        """As the road holds them, or read through where a bar is missing. If that cannot be, and the open one alone is,
        the closed ones are given; without reading through, whatever is held.
        """
        find = partial(asyncio.get_running_loop().run_in_executor, self.means.threads)
        try:
            found = await find(partial(bars.find, wanted, wholly=through))
        except CryptoProxyError as error:
            log.debug("bars are not found: %s", error)
            if through:
                return await self.read_through(request)
            return self.refusal(503, "what holds bars does not answer", retry_after=5)
        if found.whole or not through:
            return found
        reply = await self.read_through(request)
        return found if reply.told is None and found.open_bar and found.candles else reply

    def asks(self, request: Request) -> bool:
        """Whether just this is being asked now."""
        return request.place in self._under_way

    async def fetched(self, request: Request) -> tuple[Fetched, bool]:
        """Identical questions at once are one; and whether this was the first of them.

        Raises:
            NotFetchedError: see there.
        """
        through = self.means.through
        if through is None:
            raise NotFetchedError("nothing is read through here", unknown=True)
        under_way = self._under_way.get(request.place)
        first = under_way is None
        if under_way is None:
            if len(self._under_way) >= MOST_WAITING:
                raise NotFetchedError(f"{MOST_WAITING} other questions wait already", limited=True, retry_after=5.0)
            under_way = asyncio.get_running_loop().run_in_executor(
                self.means.askers, through.get, self.upstream, f"{self.base}{request.path}", dict(request.params)
            )
            self._under_way[request.place] = under_way
            under_way.add_done_callback(lambda _: self._under_way.pop(request.place, None))
        return await asyncio.shield(under_way), first

    def as_polled(self, request: Request, params: Mapping[str, str], dataset: str) -> Reply | None:
        """The newest answer to just this call, as it came; None where there is none."""
        kept = self.newest.answer(self.upstream, request.path, params)
        if kept is None:
            return None
        return self.shelf.get(
            request.place, kept.asked_ms, lambda: Reply(kept.body, told=self.told([kept], dataset=dataset))
        )

    def is_new(self, kept: Kept) -> bool:
        """Whether it says what is there now; what is not polled any more stays on the topic."""
        return not self.told([kept]).too_old(self.means.clock.now_ms(), self.means.limit_ms)

    def told(self, of: Sequence[Kept], as_of_ms: int | None = None, *, dataset: str = TICKER.name) -> Told:
        """Of answers that are put together: as old as the oldest."""
        oldest = min(of, key=lambda each: each.asked_ms)
        return Told(
            way=ROAD, upstream=self.upstream, dataset=dataset, asked_ms=oldest.asked_ms, as_of_ms=as_of_ms,
            every_ms=oldest.every_ms,
        )  # fmt: skip


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


def linked(header: str) -> str:
    """An upstream's ``Link`` to other pages of an answer, which lead past the door: what is left of each is its query,
    which stands for the same path here, whatever prefix a client asks by. Keys are taken out."""
    return _LINK.sub(lambda found: f"<?{query_without_keys(found[1])}>", header) if "?" in header else ""


def named(rows: Iterable[bytes], decoder: msgspec.json.Decoder[Any]) -> dict[str, bytes]:
    """By symbol; a row without one is none, as for the poller."""
    found: dict[str, bytes] = {}
    for row in rows:
        with suppress(msgspec.ValidationError):
            found[decoder.decode(row).symbol] = row
    return found
