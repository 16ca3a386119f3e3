"""The exchanges' own lists of symbols, which tell the quote currency: loaded at start, then once a day.

On a thread of their own, so that a list of several MB never delays a poll. Without a list the quote comes from a table
of suffixes; a source waits for the first attempt, so that its assets do not change their quote right after the start.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from cryptoproxy.common.clock import Clock
from cryptoproxy.common.errors import OperatorError, TransientError
from cryptoproxy.common.service import Loop
from cryptoproxy.producer.poll import PollOnce, Wait
from cryptoproxy.producer.sources.base import Answer, Call, Source, SymbolList

log = logging.getLogger(__name__)

FRESH_SECONDS = 86_400.0
AGAIN_SECONDS = 600.0
FIRST_WAIT_SECONDS = 20.0
_ATTEMPT_MS = 60_000
_LOOK_SECONDS = 0.1


class SymbolLists:
    """Loads the list of each source that has one.

    Args:
        ask: per source name, what asks its upstream within its budget.
        may_poll: whether this process is the active poller right now.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        ask: Mapping[str, PollOnce],
        *,
        may_poll: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._due: dict[str, float] = {source.name: 0.0 for source in sources if source.symbol_list is not None}
        self._lists = {source.name: source.symbol_list for source in sources if source.symbol_list is not None}
        self._ask = ask
        self._may_poll = may_poll
        self._clock = clock
        self._deadlines: dict[str, float] = {}
        self._tried = {name: threading.Event() for name in self._due}

    def wait_for_first(self, source: str, wait: Wait) -> None:
        """Returns when the list of ``source`` was asked for once, with whatever success. At once, and not only the
        first time, while its upstream wants to be left alone: the source meets that itself, and says so."""
        while source in self._tried and not self._tried[source].is_set():
            now = self._clock.monotonic()
            if self._ask[source].ban_ends_in() > 0:
                self._deadlines.pop(source, None)
                return
            if now >= self._deadlines.setdefault(source, now + FIRST_WAIT_SECONDS) or wait(_LOOK_SECONDS):
                return

    def run(self, loop: Loop) -> None:
        """Until the process stops."""
        while loop.running:
            now = self._clock.monotonic()
            for name, due in self._due.items():
                if now >= due and loop.running and self._may_poll():
                    self._due[name] = now + (FRESH_SECONDS if self._load(name, loop) else AGAIN_SECONDS)
                    self._tried[name].set()
            loop.wait(1.0)

    def _load(self, name: str, loop: Loop) -> bool:
        def ask(call: Call) -> Answer:
            loop.turn()
            return self._ask[name].ask(call, self._clock.now_ms() + _ATTEMPT_MS, loop.wait)

        return load(name, self._lists[name], ask)


def load(name: str, symbols: SymbolList, ask: Callable[[Call], Answer]) -> bool:
    """Asks for the whole list of ``name``; False, and said, if it could not be had."""
    bodies: list[bytes] = []
    try:
        call = symbols.next_call(None)
        while call is not None:
            bodies.append(ask(call).body)
            call = symbols.next_call(bodies[-1])
        count = symbols.load(bodies)
    except (TransientError, OperatorError) as error:
        log.warning("%s: no list of symbols, quotes come from their suffixes until it is there: %s", name, error)
        return False
    log.info("%s: quotes of %d symbols known", name, count)
    return True
