"""The connections of one venue. The next one is made before the last one ends, and both are read until the seam is
over; only where that fails, and nothing carries a topic any more, its stream is told that it was cut.
"""

from __future__ import annotations

import logging
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from cryptoproxy.common.log import Limited
from cryptoproxy.common.retry import Backoff
from cryptoproxy.common.service import Loop
from cryptoproxy.errors import CryptoProxyError, TransientError
from cryptoproxy.producer.feeds.stream.link import Link
from cryptoproxy.producer.feeds.stream.websocket import RefusedHandshakeError, WebSocket
from cryptoproxy.upstreams.answers.refusals import leave_alone, retry_after, words
from cryptoproxy.upstreams.base import RefusedError, Response
from cryptoproxy.upstreams.streaming.stream import Heard, Venue

log = logging.getLogger(__name__)

SEAM_SECONDS = 2.0
"""Two connections are read so long after the new one gives all topics."""
LOOK_SECONDS = 0.05
PACE_SECONDS = 0.01
"""Between two looks: what comes in between is read at once, which costs less than one by one."""
QUIET_SECONDS = 30.0
QUIET_FACTOR = 10
"""Without data for so long, or so many times its longest pause of late, a connection is suspected and replaced."""
BAN_SECONDS = 120.0
"""Who refuses a handshake by a ban, a limit or a firewall's gate is left alone for so long at least, and twice as long
each further time in a row."""
LONGEST_UNASKED_SECONDS = 3600.0
_FADES = 0.999


class Strand:
    """Topics that share a connection."""

    def __init__(self, topics: Sequence[str]) -> None:
        self.topics = topics
        self.link: Link | None = None
        self.next: Link | None = None
        self.making: Future[WebSocket] | None = None
        self.backoff = Backoff(first=0.1, cap=30.0)
        self.not_before = 0.0
        self.joined = False
        """Whether it was told that its topics come."""
        self.longest = 0.0
        """Its longest pause between data of late, in seconds."""

    @property
    def links(self) -> list[Link]:
        return [each for each in (self.link, self.next) if each is not None]


class Carrier:
    """Give :meth:`run` a thread.

    Args:
        topics: what to subscribe to.
        active: whether this process is the one to stream.
        begin: prepares the streams, before the first connection; raises what it waits for.
        paused: whether nothing may come for now, since there is no room for it.
        heard: takes what frames mean.
        cut: told of topics that nothing carries any more, and why.
        joined: told of topics that come, where nothing carried them before.
        refused: told of a topic that the upstream does not give, and why.
        renewals: gives frames for the connections of topics that want a new beginning.
        state: told in words why it is not connected; empty when it is.
        connect: makes a WebSocket; on a thread of its own.
    """

    def __init__(
        self,
        venue: Venue,
        topics: Sequence[str],
        *,
        active: Callable[[], bool],
        begin: Callable[[Loop], None],
        paused: Callable[[], bool],
        heard: Callable[[Heard], None],
        cut: Callable[[Sequence[str], str], None],
        joined: Callable[[Sequence[str]], None],
        refused: Callable[[str, str], None],
        state: Callable[[str], None],
        monotonic: Callable[[], float],
        renewals: Callable[[], Mapping[str, Sequence[bytes]]] = dict,
        connect: Callable[[str], WebSocket] | None = None,
    ) -> None:
        self.venue = venue
        most = venue.most_topics
        self.strands = [Strand(topics[at : at + most]) for at in range(0, len(topics), most)]
        self._active = active
        self._begin = begin
        self._paused = paused
        self._heard = heard
        self._cut = cut
        self._joined = joined
        self._refused = refused
        self._state = state
        self._monotonic = monotonic
        self._renewals = renewals
        self._connect = connect or partial(WebSocket, doubtful=set())
        self._attempts: deque[float] = deque()
        self._often = Limited(log, seconds=60, clock=monotonic)
        self._why: str | None = None
        self._alone_until = 0.0
        """The upstream wants to be left alone, whichever strand it has told so."""
        self._refusals = 0
        """In a row."""
        self.connected = False
        """Whether each topic is subscribed to."""

    def run(self, loop: Loop) -> None:
        """Until the process stops."""
        begun = False
        try:
            while loop.running:
                if not self._active():
                    if begun:
                        self.leave("handover")
                        self._tell("")
                    begun = False
                    loop.wait(0.2)
                    continue
                if not begun:
                    try:
                        self._begin(loop)
                        begun = True
                    except CryptoProxyError as error:
                        self._tell(str(error))
                        loop.wait(1.0)
                        continue
                if self._paused():
                    self.leave("paused")
                    loop.wait(0.2)
                    continue
                self.turn()
                loop.wait(PACE_SECONDS)
        finally:
            self.leave("stopped")

    def turn(self) -> None:
        """Looks after each connection, and reads what has come."""
        now = self._monotonic()
        for strand in self.strands:
            self._tend(strand, now)
        for topic, frames in self._renewals().items():
            for strand in self.strands:
                if topic in strand.topics and strand.link is not None:
                    strand.link.send(frames)
        links = [(strand, link) for strand in self.strands for link in strand.links]
        if links:
            _wait([link.socket for _, link in links])
        now = self._monotonic()
        for strand, link in links:
            heard = link.receive(now)
            if heard.data and link is strand.link:
                strand.longest = max(strand.longest * _FADES, link.pause)
            if heard.data or heard.rejected:
                self._heard(heard)
        self.connected = all(each.link is not None and each.link.subscribed_at is not None for each in self.strands)
        if self.connected:
            self._tell("")

    def leave(self, why: str) -> None:
        """Ends all connections."""
        self._why = None
        for strand in self.strands:
            had = bool(strand.links)
            for link in strand.links:
                link.close()
            strand.link = strand.next = None
            if strand.making is not None:
                strand.making.add_done_callback(_close)
                strand.making = None
            strand.joined = False
            if had:
                # An outbox that is full again and again shall not use up the attempts.
                strand.not_before = self._monotonic() + strand.backoff.next()
                self._cut(strand.topics, why)
        self.connected = False

    # --- one strand

    def _tend(self, strand: Strand, now: float) -> None:
        for each in strand.links:
            why = each.ended
            try:
                if not why:
                    each.step(now)
            except TransientError as error:
                why = str(error)
            if why:
                self._lost(strand, each, why, now)
        self._take_made(strand, now)
        link, following = strand.link, strand.next
        if following is not None and following.subscribed_at is not None:
            if link is None or now - following.subscribed_at >= SEAM_SECONDS:
                if link is not None:
                    link.close()
                self._follow(strand, following)
                strand.backoff.reset()
        elif link is None or self._shall_be_replaced(strand, link, now):
            self._make(strand, now)
        if strand.link is not None and strand.link.subscribed_at is not None:
            if now - strand.link.subscribed_at > SEAM_SECONDS:
                strand.backoff.reset()
                self._refusals = 0
            if not strand.joined:
                strand.joined = True
                self._joined(strand.topics)

    def _follow(self, strand: Strand, following: Link) -> None:
        """The next connection is the one from now on. Streams look whether the last one took something with it that was
        still on its way."""
        strand.link, strand.next = following, None
        strand.joined = False

    def _shall_be_replaced(self, strand: Strand, link: Link, now: float) -> bool:
        if link.ends or now - link.opened > self.venue.life_seconds:
            return True
        if _is_quiet(strand, link, now):
            quiet = now - link.data_at
            self._often.warning("quiet", f"{self.venue.name}: no data for {quiet:.0f} s; connects anew beside it")
            return True
        return False

    def _lost(self, strand: Strand, link: Link, why: str, now: float) -> None:
        link.close()
        if link is strand.next:
            strand.next = None
        else:
            strand.link = None
        log.info("%s: a connection of %.0f s has ended: %s", self.venue.name, now - link.opened, why)
        following = strand.next
        if following is not None and following.subscribed_at is not None:
            self._follow(strand, following)
        elif link is not following and strand.link is None:
            strand.joined = False
            self._cut(strand.topics, "reconnect")
            self._tell(f"not connected: {why}")
        strand.not_before = now + strand.backoff.next()

    def _make(self, strand: Strand, now: float) -> None:
        """Begins the next connection, unless one is being made, or it is too early for another attempt."""
        if strand.making is not None or strand.next is not None or now < max(strand.not_before, self._alone_until):
            return
        most, seconds = self.venue.attempts
        while self._attempts and now - self._attempts[0] > seconds:
            self._attempts.popleft()
        if len(self._attempts) >= most:
            self._tell(f"{most} attempts to connect in {seconds:.0f} s are used")
            return
        self._attempts.append(now)
        strand.making = making = Future[WebSocket]()

        def make() -> None:
            try:
                making.set_result(self._connect(self.venue.url))
            except BaseException as error:  # noqa: BLE001 - for the thread that waits for it
                making.set_exception(error)

        threading.Thread(target=make, name=f"connect {self.venue.name}", daemon=True).start()

    def _take_made(self, strand: Strand, now: float) -> None:
        making = strand.making
        if making is None or not making.done():
            return
        strand.making = None
        try:
            socket = making.result()
        except RefusedHandshakeError as error:
            wait = self._refused_for(error.answer, strand)
            self._tell(f"{error}: {words(error.answer.body) or 'no words'}; tried again in {wait:.0f} s")
            strand.not_before = now + wait
            return
        except CryptoProxyError as error:
            strand.not_before = now + strand.backoff.next()
            self._tell(f"not connected: {error}")
            return
        link = Link(self.venue, strand.topics, socket, refused=self._refused, now=now)
        if strand.link is None:
            strand.link = link
        else:
            if _is_quiet(strand, strand.link, now):  # half-open, maybe: the next one's data need not follow on its last
                self._cut(strand.topics, "quiet")
            strand.next = link

    def _refused_for(self, answer: Response, strand: Strand) -> float:
        """Seconds for which it is not tried again: by this strand, or by all where it wants to be left alone."""
        seconds, alone = wait_told(self.venue.name, answer)
        if not alone:
            return max(seconds, strand.backoff.next())
        now = self._monotonic()
        if now >= self._alone_until:  # those that were asked at once are one refusal
            seconds = max(seconds, min(BAN_SECONDS * 2 ** min(self._refusals, 16), LONGEST_UNASKED_SECONDS))
            self._refusals += 1
        self._alone_until = max(self._alone_until, now + seconds)
        return self._alone_until - now

    def _tell(self, why: str) -> None:
        if why != self._why:
            self._why = why
            self._state(why)


def _is_quiet(strand: Strand, link: Link, now: float) -> bool:
    return now - link.data_at > max(QUIET_SECONDS, QUIET_FACTOR * strand.longest)


def _wait(sockets: Sequence[WebSocket]) -> None:
    """Until something has come on one of them, or a moment is over."""
    poll = select.poll()
    for each in sockets:
        poll.register(each, select.POLLIN)
    poll.poll(LOOK_SECONDS * 1000)


def wait_told(upstream: str, answer: Response) -> tuple[float, bool]:
    """Seconds for which a refused handshake is not to be tried again, and whether the upstream wants to be left alone
    altogether. Bybit tells in every answer when its limit is reset: here only who asks for a wait is heard."""
    now_ms = time.time_ns() // 1_000_000
    heard = {name: value for name, value in answer.headers.items() if not name.startswith("x-bapi-")}
    try:
        leave_alone(upstream, replace(answer, headers=heard), now_ms=now_ms, said="")
    except RefusedError as error:
        return error.retry_after, True
    return retry_after(heard, now_ms=now_ms) or 0.0, False


def _close(made: Future[WebSocket]) -> None:
    if made.exception() is None:
        made.result().close()
