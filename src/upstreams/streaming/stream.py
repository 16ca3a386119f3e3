"""The seam of streams: what a market tells by WebSocket frames, and what proves that nothing of it lacks. All pure.

A :class:`Venue` is where connections lead to: its address, how to subscribe, its heartbeat, which frame is data and
which is an answer. A :class:`Stream` is one dataset, or part of it, of one market: it takes the data of its topics,
says which calls it wants to be asked (what mends a hole, a snapshot), takes their answers, gives records and gaps.
Connections, budget, outbox and time belong to the poller (``producer.feeds.stream``).

Every ``now_ms`` here is the upstream's time, as far as our clock and the measured offset tell it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import msgspec

from cryptoproxy.datasets import Feed, Gap
from cryptoproxy.datasets.dataset import AnyRecord
from cryptoproxy.datasets.times import Noted
from cryptoproxy.upstreams.base import Call, Rejected, Response, SymbolList

AHEAD_MS = 60_000
"""A time so far ahead of ours is an odd one: with a clock that is half of it off, no answer of an upstream counts."""


class Heartbeat(NamedTuple):
    """What the client has to send by itself."""

    seconds: float
    frame: bytes


class Ack(NamedTuple):
    """The answer to a subscription. Data may come before it."""

    number: int
    """That of the frame; 0 where the answer does not say."""
    why: str = ""
    """Empty where it was taken; else the upstream's words."""
    topic: str = ""
    """The one that was refused, where that is told: then none of the frame's topics was taken."""


BAD_FRAME = "bad_frame"
"""Why a frame is rejected that cannot be read at all: it may have been data of any topic."""


class Heard(NamedTuple):
    """What some frames mean."""

    data: Mapping[str, Sequence[bytes | msgspec.Raw]]
    """By topic, in order of arrival: what the venue wraps its data in is gone where it tells nothing."""
    acks: Sequence[Ack] = ()
    ends: bool = False
    """The upstream is about to end this connection."""
    rejected: Sequence[Rejected] = ()
    """Frames that are none of these."""


class Venue(Protocol):
    """Where connections lead to: ``binance``, or one market of Bybit, ``bybit-linear``."""

    @property
    def name(self) -> str:
        """The ``source`` of its records."""

    @property
    def upstream(self) -> str:
        """Whose budget calls count in."""

    @property
    def url(self) -> str:
        """``wss://…``"""

    @property
    def most_topics(self) -> int:
        """On one connection."""

    @property
    def life_seconds(self) -> float:
        """A connection is replaced before it is so old."""

    @property
    def silence_seconds(self) -> float:
        """Without any frame for so long, pings too, it is taken for dead."""

    @property
    def attempts(self) -> tuple[int, float]:
        """At most so many connections are tried in so many seconds."""

    @property
    def frame_seconds(self) -> float:
        """Between two frames of ours."""

    @property
    def heartbeat(self) -> Heartbeat | None:
        """None where answering the upstream's pings is enough."""

    @property
    def topics_of_a_frame(self) -> int:
        """So many can be asked for at once."""

    def subscribe(self, topics: Sequence[str], *, number: int) -> bytes:
        """The frame that asks for ``topics``, with a number that its answer tells again."""

    def hear(self, frames: Sequence[bytes]) -> Heard:
        """What frames of one connection mean, in order of arrival."""

    def time_call(self) -> Call:
        """Asks for the upstream's time."""

    def time_in(self, answer: Response) -> int:
        """The milliseconds in its answer.

        Raises:
            TransientError: not what the upstream speaks.
        """


class Mark(msgspec.Struct, array_like=True, frozen=True):
    """How far the records of one symbol are whole: all up to this one are published, or lie in a gap that is."""

    id: str
    """As its dataset names a record: its serial, or what of it proves the order."""
    at_ms: Noted
    """The record's time; the one before it, where that goes back or is ahead of ours."""

    @staticmethod
    def behind(mark: Mark | None, trade_id: str, at_ms: int, now_ms: int) -> Mark:
        """The one that follows on ``mark`` by a trade. Its time alone moves nothing back, nor beyond our own: what is
        asked for, and whether ids begin anew, is decided by it."""
        latest_ms = now_ms + AHEAD_MS
        before_ms = mark.at_ms if mark is not None and mark.at_ms <= latest_ms else 0
        return Mark(trade_id, max(before_ms, at_ms) if at_ms <= latest_ms else before_ms or now_ms)


class Left(NamedTuple):
    """What the holder before has left."""

    marks: Mapping[str, Mark] = {}
    """By symbol."""
    records: Sequence[AnyRecord] = ()
    """On the topic since then, in any order."""
    gaps: Sequence[Gap] = ()
    """Those of this feed that are open."""


class Ask(NamedTuple):
    """A call that a stream wants to be asked."""

    key: str
    """What for: the same key is asked once at a time, and again until it is answered."""
    call: Call
    since_ms: int = 0
    """Since when it is wanted, for the stream's own use: it was asked no earlier."""


@dataclass(slots=True)
class Batch:
    """What is to be kept now: gaps that are open, records, gaps that are mended by them; then marks hold."""

    records: Sequence[AnyRecord] = ()
    """Of the stream's feed; the order of each asset is the upstream's."""
    gaps: Sequence[Gap] = ()
    marks: Mapping[str, Mark] = field(default_factory=dict)
    """Those that have moved, by symbol."""
    rejected: Sequence[Rejected] = ()
    missed: Mapping[str, int] = field(default_factory=dict)
    """Of a stream that has slots: how many have no record, by why."""
    slot_ms: int = 0
    """Of a stream that has slots: the last one that is done with it."""
    apart: Sequence[str] = ()
    """Of bars: in words, those whose first trade does not follow on the last one of the bar before."""


class Stream(Protocol):
    """One dataset, or part of it, of one market: ``binance.trade``. One thread at a time asks it anything.

    Its life: :meth:`begin` once this process holds the lease, then in any order :meth:`take`, :meth:`cut`,
    :meth:`asks` and :meth:`answered`, and about each second :meth:`collect`.
    """

    @property
    def feed(self) -> Feed:
        """Its records' ``source``, dataset and part."""

    @property
    def venue(self) -> Venue: ...

    @property
    def upstream(self) -> str:
        """Whose budget its calls count in."""

    @property
    def symbol_list(self) -> SymbolList | None:
        """As :attr:`Source.symbol_list`."""

    @property
    def symbols(self) -> Sequence[str]:
        """As its exchange's list spells them."""

    @property
    def topics(self) -> Sequence[str]:
        """What to subscribe to. Two streams of one venue may share one."""

    @property
    def ready(self) -> bool:
        """Whether all that lacks since :meth:`begin` is at least being mended."""

    @property
    def waiting(self) -> int:
        """So many records wait to be collected."""

    def begin(self, left: Left, *, now_ms: int) -> None:
        """Forgets all, and goes on where the holder before has ended."""

    def refused(self, topic: str, why: str) -> None:
        """The upstream does not give this topic."""

    def take(self, data: Mapping[str, Sequence[bytes | msgspec.Raw]], *, now_ms: int) -> None:
        """Data of its topics, as :class:`Heard` has it. May come twice while two connections are read."""

    def cut(self, topics: Sequence[str], *, now_ms: int) -> None:
        """No connection carries these any more: what comes next may not follow on what came last."""

    def asks(self, *, now_ms: int) -> Sequence[Ask]:
        """The calls that are wanted now, the most urgent first; each again until it was answered."""

    def check(self, answer: Response, *, now_ms: int) -> None:
        """As :meth:`Source.check`."""

    def used(self, answer: Response) -> int | None:
        """As :meth:`Source.used`."""

    def answered(self, ask: Ask, answer: Response, *, now_ms: int) -> None:
        """The answer to a call of :meth:`asks`.

        Raises:
            TransientError: not what the upstream speaks; it is asked again.
        """

    def hopeless(self, ask: Ask, why: str, *, now_ms: int) -> None:
        """The upstream refuses this call for good: what it was to mend stays a gap."""

    def collect(self, *, now_ms: int) -> Batch:
        """What has gathered since the last time."""


R = TypeVar("R", bound=AnyRecord)


class Gathered(Generic[R]):
    """What every stream has: its symbols, the topic of each, and what waits to be collected."""

    def __init__(self, symbol_of: Mapping[str, str]) -> None:
        self._symbol_of = dict(symbol_of)
        self.topics = tuple(self._symbol_of)
        self.symbols = tuple(self._symbol_of.values())
        self._records: list[R] = []
        self._rejected: list[Rejected] = []

    @property
    def waiting(self) -> int:
        """As :attr:`Stream.waiting`."""
        return len(self._records)

    def refused(self, topic: str, why: str) -> None:
        """As :meth:`Stream.refused`."""
        self._rejected.append(Rejected("refused", self._symbol_of.get(topic, ""), f"{topic}: {why}"[:300]))


@runtime_checkable
class Joining(Protocol):
    """A stream that wants to know when its topics come again, or by another connection: something may be missing."""

    def joined(self, topics: Sequence[str], *, now_ms: int) -> None:
        """All of these are subscribed to, where nothing or another connection carried them before."""


@runtime_checkable
class Unproved(Protocol):
    """A stream whose ids do not show that something lacks."""

    def unread(self) -> None:
        """A frame came that nobody can read, and that names no topic: it may have been one of its own."""


@runtime_checkable
class Renewing(Protocol):
    """A stream that begins anew with a new subscription, where its upstream tells no other beginning."""

    def renew(self, *, now_ms: int) -> Mapping[str, Sequence[bytes]]:
        """The topics that want it now, each with the frames that bring it, for the connection that carries it."""
