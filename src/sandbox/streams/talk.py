"""One WebSocket from handshake to end, on the thread of its connection: what is heard, what is due, what goes wrong."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from websockets.exceptions import WebSocketException
from websockets.frames import Frame as Message
from websockets.frames import Opcode

from cryptoproxy.common.clock import Clock
from cryptoproxy.sandbox.rules.frame import Sending, StreamRule
from cryptoproxy.sandbox.rules.script import StreamScript
from cryptoproxy.sandbox.streams.breaking import Breaking, Holes, Out
from cryptoproxy.sandbox.streams.capture import Capture, CapturePlan
from cryptoproxy.sandbox.streams.frame import NO_NUMBER, text
from cryptoproxy.sandbox.streams.ledger import KeptBack, StreamLedger
from cryptoproxy.sandbox.streams.line import EndedError, Line
from cryptoproxy.sandbox.streams.plan import Due, DuePlan
from cryptoproxy.sandbox.streams.session import Chosen, Reply, Session
from cryptoproxy.sandbox.wire import Request

TICK_S = 0.01
"""How often it looks what is due."""
BACKLOG = 8 << 20
"""Bytes that may wait for a client that reads slowly; over it the connection is cut."""
TOO_MANY = 1008, "Too many requests"
NO_PONG = 1008, "Pong timeout"
RESTART = 1001, ""


@dataclass(slots=True)
class Streams:
    """What all WebSockets of a sandbox share."""

    clock: Clock
    ledger: StreamLedger = field(default_factory=StreamLedger)
    script: StreamScript = field(default_factory=StreamScript)
    holes: Holes = field(default_factory=Holes)
    captures: Mapping[str, Capture] = field(default_factory=dict)
    backlog: int = BACKLOG


class Talk:
    """Args:
    request: the handshake, as it came.
    """

    def __init__(
        self,
        sock: socket.socket,
        request: Request,
        make: Callable[[Chosen], Session],
        *,
        upstream: str,
        streams: Streams,
        stopping: threading.Event,
    ) -> None:
        self._streams, self._stopping, self._clock = streams, stopping, streams.clock
        self._line = Line(sock, streams.clock, streams.backlog)
        self._request = request
        self._upstream = upstream
        self._make = make
        self._replies: list[tuple[float, bytes]] = []
        self._partial = b""
        self._pings: dict[bytes, float] = {}
        """Those that were not answered, and when they were sent."""
        self._why = ""
        self._times: list[float] = []
        """When the last messages came, in the clock's seconds."""
        self._waiting: deque[Due] = deque()
        self._breaking = Breaking()
        self._mute = False
        """Nothing is sent any more, and nothing says so."""
        self._stalled_until_ms = 0
        self._ends_at_ms: int | None = None
        self._reset = False

    def run(self) -> None:
        if not self._line.shake_hands(self._request):
            return
        now_ms = self._clock.now_ms()
        self._opened = self._heard = self._pinged = self._clock.monotonic()
        capture = self._streams.captures.get(self._upstream)
        self._plan = DuePlan(now_ms) if capture is None else CapturePlan(capture)
        self._entry = self._streams.ledger.opened(self._upstream, self._request.target, now_ms)
        try:
            self._session = self._make(self._chosen)
            self._subscribed({}, now_ms)
            while not self._stopping.is_set():
                self._listen()
                if not self._mute:
                    self._turn()
            self._over("stopped")
        except EndedError as ended:
            self._over(str(ended))
        except (OSError, WebSocketException) as error:
            self._over(f"lost: {type(error).__name__}")

    def _turn(self) -> None:
        """All that is due now."""
        if not self._line.closing:
            self._beat()
        if not self._line.closing:
            self._speak(self._clock.now_ms())
        self._line.flush()

    # --- what comes

    def _listen(self) -> None:
        """Waits a tick for the other side, and makes what is due later meanwhile."""
        if not self._line.ready(0) and (self._plan.prepare(self._clock.now_ms()) or not self._line.ready(TICK_S)):
            return
        for message in self._line.receive():
            self._hear(message)

    def _hear(self, message: Message) -> None:
        if message.opcode is Opcode.CLOSE:
            self._line.close_came()
        if self._line.closing:
            return
        self._entry.heard += 1
        self._heard = self._clock.monotonic()
        if self._too_many():
            self._close(*TOO_MANY)
            return
        if message.opcode is Opcode.PONG:
            if message.data in self._pings:  # others prove nothing
                self._pings.clear()
        elif message.opcode in (Opcode.TEXT, Opcode.CONT):
            self._partial += message.data
            if message.fin:
                said, self._partial = self._partial, b""
                self._answer(said)

    def _too_many(self) -> bool:
        most = self._session.habits.messages_per_second
        if most is None:
            return False
        self._times = [at for at in self._times if at > self._heard - 1] + [self._heard]
        return len(self._times) > most

    def _answer(self, said: bytes) -> None:
        now_ms = self._clock.now_ms()
        self._streams.ledger.event(self._entry, "heard", said.decode(errors="replace"), now_ms)
        before = dict(self._session.feeds)
        replies = self._session.hear(said)
        self._subscribed(before, now_ms)
        for reply in replies:
            self._reply(reply)

    def _reply(self, reply: Reply) -> None:
        if reply.after_ms:
            self._replies.append((time.monotonic() + reply.after_ms / 1000, reply.message))
        else:
            self._say(reply.message)

    def _subscribed(self, before: Mapping[str, object], now_ms: int) -> None:
        feeds = self._session.feeds
        if feeds == before:
            return
        self._waiting += self._plan.due(now_ms)
        self._plan.set(feeds, now_ms)
        for topic in feeds.keys() - before.keys():
            self._waiting += [Due(topic, frame) for frame in feeds[topic].opening(now_ms)]

    # --- what goes

    def _beat(self) -> None:
        habits, now = self._session.habits, self._clock.monotonic()
        if habits.life_s is not None and now - self._opened >= habits.life_s:
            self._close(*RESTART, why="life")
        elif habits.idle_s is not None and now - self._heard >= habits.idle_s:
            raise EndedError("idle")
        elif self._pings and now - next(iter(self._pings.values())) >= habits.pong_s:
            self._close(*NO_PONG)
        elif habits.ping_s is not None and now - self._pinged >= habits.ping_s:
            self._pinged = now
            payload = str(self._clock.now_ms()).encode()
            self._pings.setdefault(payload, now)
            self._line.ping(payload)

    def _speak(self, now_ms: int) -> None:
        wall = time.monotonic()
        for at, message in [reply for reply in self._replies if reply[0] <= wall]:
            self._replies.remove((at, message))
            self._say(message)
        for out in self._breaking.late(now_ms):
            self._send(out, now_ms)
        if self._ends_at_ms is not None and now_ms >= self._ends_at_ms:
            self._close(*RESTART, why="shutdown")
        self._waiting += self._plan.due(now_ms)
        while self._waiting and now_ms >= self._stalled_until_ms and not self._mute and not self._line.closing:
            self._put(self._waiting.popleft(), now_ms)

    def _say(self, message: bytes) -> None:
        """An answer, or what is no topic's."""
        self._streams.ledger.event(self._entry, "said", message.decode(errors="replace"), self._clock.now_ms())
        self._line.write(text(message))

    def _put(self, due: Due, now_ms: int) -> None:
        streams, topic, frame = self._streams, due.topic, due.frame
        if streams.script.empty and streams.holes.empty and not self._breaking.holds:  # tens of thousands a second
            streams.holes.reach(self._upstream, topic, frame)
            streams.ledger.sent(self._entry, topic, frame)
            self._line.write(text(self._session.wrapped(topic, frame.data)))
            return
        with streams.holes.lock:
            if streams.holes.has(self._upstream, topic, frame):
                return
            new = streams.holes.reach(self._upstream, topic, frame)
            rule = None
            if not streams.script.empty:
                rule = streams.script.decide(Sending(self._request.target, topic, frame.data, new))
            if rule is not None and rule.hole is not None:
                self._make_hole(due, rule.hole, everywhere=rule.everywhere)
        if rule is not None:
            streams.ledger.event(self._entry, "fault", f"{rule.label}: {topic} {frame.first}", now_ms)
            if rule.hole is not None:
                return
        for out in self._breaking.through(due, rule, now_ms):
            self._send(out, now_ms)

    def _make_hole(self, due: Due, count: int, *, everywhere: bool) -> None:
        """Without numbers only the one frame is dropped."""
        topic, first = due.topic, due.frame.first
        if first == NO_NUMBER:
            return
        last = first + count - 1
        self._streams.holes.add(self._upstream, topic, first, last)
        if everywhere:
            self._session.hide(topic, first, last)
        self._streams.ledger.keep_back(KeptBack(topic, first, last, everywhere))

    def _send(self, out: Out, now_ms: int) -> None:
        due, rule = out.due, out.rule
        message = due.frame.data if out.message is None else out.message
        data = text(self._session.wrapped(due.topic, message))
        if rule is not None and rule.cut is not None:
            self._line.write(data[: min(rule.cut, len(data) - 1)])
            self._reset = rule.reset
            self._line.flush()
            raise EndedError("cut")
        self._streams.ledger.sent(self._entry, due.topic, due.frame)
        self._line.write(data)
        if rule is not None:
            self._begin(rule, now_ms)

    def _begin(self, rule: StreamRule, now_ms: int) -> None:
        """What a rule does to the connection from here on."""
        if rule.half_open:
            self._line.flush()
            self._mute = True
        if rule.stall is not None:
            self._stalled_until_ms = now_ms + round(rule.stall * 1000)
        if rule.drip is not None:
            self._line.slow_down(rule.drip)
        if rule.late_close is not None:
            self._line.late_close_s = rule.late_close
        if rule.shutdown is not None:
            farewell = self._session.farewell(now_ms)
            if farewell is not None:
                self._say(farewell)
            self._ends_at_ms = now_ms + round(rule.shutdown * 1000)
        if rule.close is not None:
            self._close(rule.close, "", why="close")

    def _chosen(self, topic: str) -> str:
        rule = self._streams.script.decide(Sending(self._request.target, topic, None))
        if rule is None:
            return ""
        self._streams.ledger.event(self._entry, "fault", f"{rule.label}: {topic}", self._clock.now_ms())
        return "refuse" if rule.refuse else "ignore"

    def _close(self, code: int, reason: str, why: str = "") -> None:
        if not self._line.closing:
            self._why = why or reason
            self._line.close(code, reason)

    def _over(self, why: str) -> None:
        why = "stopped" if self._stopping.is_set() else self._why or why
        self._streams.ledger.ended(self._entry, why, self._clock.now_ms())
        self._line.end(reset=self._reset)
