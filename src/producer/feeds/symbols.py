"""The exchanges' own lists of symbols, which tell the quote currency: loaded at start, then once a day, and when a
symbol comes up that nothing tells.

On a thread of their own, so that a list of several MB never delays a poll. What is known is kept on disk, since the
quote is a part of a record's id: a source that starts while the list cannot be had goes on with the same ids.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from cryptoproxy.common import files
from cryptoproxy.common.clock import Clock
from cryptoproxy.common.log import Limited
from cryptoproxy.common.service import Loop
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.producer.feeds.poll import PollOnce, Wait
from cryptoproxy.producer.statistics import RejectedLog
from cryptoproxy.upstreams.answers.quotes import UNKNOWN, Quotes
from cryptoproxy.upstreams.base import Call, RephrasedError, Response, Source, SymbolList

log = logging.getLogger(__name__)

FRESH_SECONDS = 86_400.0
AGAIN_SECONDS = 600.0
WAITED_FOR_SECONDS = 10.0
"""Between two attempts while symbols wait for the list; six times as long after one that did not help them."""
FIRST_WAIT_SECONDS = 20.0
_ATTEMPT_MS = 60_000
_LOOK_SECONDS = 0.1
_SAID = 20


class SymbolLists:
    """Loads the list of each feed that has one; of feeds that share one, for the first of them.

    Args:
        ask: per feed, what asks its upstream within its budget.
        may_poll: whether this process is the active poller right now.
        folder: where the quotes that are known are kept.
        heard: by feed, the symbols of which a stream hears: of one that is not traded any more some upstreams say
            nothing at all, for ever.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        ask: Mapping[str, PollOnce],
        *,
        may_poll: Callable[[], bool],
        clock: Clock,
        folder: Path,
        heard: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._heard = heard or {}
        of = {source.feed.name: source.symbol_list for source in sources if source.symbol_list is not None}
        self._loaded_for = {
            name: next(first for first, other in of.items() if other is symbols) for name, symbols in of.items()
        }
        self._lists = {name: of[name] for name in dict.fromkeys(self._loaded_for.values())}
        self._due = dict.fromkeys(self._lists, 0.0)
        self._soon = dict.fromkeys(self._lists, 0.0)
        self._kept = list(filter(None, (kept_quotes(folder, source) for source in sources)))
        self._ask = ask
        self._may_poll = may_poll
        self._clock = clock
        self._deadlines: dict[str, float] = {}
        self._tried = {name: threading.Event() for name in self._lists}

    def wait_for_first(self, feed: str, wait: Wait) -> None:
        """Returns when the list of that feed was asked for once, with whatever success. At once, and not only the
        first time, while its upstream wants to be left alone: the feed meets that itself, and says so."""
        tried = self._tried.get(self._loaded_for.get(feed, ""))
        while tried is not None and not tried.is_set():
            now = self._clock.monotonic()
            if self._ask[feed].ban_ends_in() > 0:
                self._deadlines.pop(feed, None)
                return
            if now >= self._deadlines.setdefault(feed, now + FIRST_WAIT_SECONDS) or wait(_LOOK_SECONDS):
                return

    def run(self, loop: Loop) -> None:
        """Until the process stops."""
        while loop.running:
            now = self._clock.monotonic()
            for name, symbols in self._lists.items():
                due = now >= self._due[name] or (symbols.quotes.waiting and now >= self._soon[name])
                if due and loop.running and self._may_poll():
                    loaded = self._load(name, loop)
                    self._due[name] = now + (FRESH_SECONDS if loaded else AGAIN_SECONDS)
                    self._soon[name] = now + WAITED_FOR_SECONDS * (6 if symbols.quotes.waiting else 1)
                    self._tried[name].set()
            self.save()
            loop.wait(1.0)

    def save(self) -> None:
        """What is newly known, on disk."""
        for each in self._kept:
            each.save()

    def _load(self, name: str, loop: Loop) -> bool:
        def ask(call: Call) -> Response:
            loop.turn()
            return self._ask[name].ask(call, self._clock.now_ms() + _ATTEMPT_MS, loop.wait)

        symbols = self._lists[name]
        if loaded := load(name, symbols, ask):
            known = symbols.listed.union(row.asset_id for row in symbols.rejected)
            for feed in (feed for feed, first in self._loaded_for.items() if first == name):
                if absent := [each for each in self._heard.get(feed, ()) if each not in known]:
                    log.warning(
                        "%s: its exchange does not list %s: misspelled, or delisted; nothing of it comes",
                        feed, ", ".join(absent[:_SAID]),
                    )  # fmt: skip
        return loaded


def load(name: str, symbols: SymbolList, ask: Callable[[Call], Response]) -> bool:
    """Asks for the whole list of ``name``; False, and said, if it could not be had. A list that is refused will not
    come: what waits for it is settled then as well."""
    quotes = symbols.quotes
    waiting = frozenset(quotes.waiting)
    loaded, odd = False, set[str]()
    try:
        try:
            count = _load(symbols, ask)
        except RephrasedError:
            count = _load(symbols, ask)
        loaded, odd = True, {row.asset_id for row in symbols.rejected}
        unread = f"; {len(symbols.rejected)} rows of its list cannot be read" if symbols.rejected else ""
        log.info("%s: quotes of %d symbols known%s", name, count, unread)
        RejectedLog(f"{name}: the list of symbols", most=_SAID).say(symbols.rejected)
    except TransientError as error:
        log.warning("%s: no list of symbols, so new ones wait whose quote nothing else tells: %s", name, error)
        return False
    except OperatorError as error:
        log.warning("%s: no list of symbols: %s", name, error)
    settled = waiting - odd  # what is there, but cannot be read, goes on waiting
    quotes.settle(settled)
    if untold := sorted(symbol for symbol in settled if quotes.of(symbol) == UNKNOWN):
        log.warning("%s: nothing tells the quote of %s: it is %s for good", name, ", ".join(untold[:_SAID]), UNKNOWN)
    return loaded


def _load(symbols: SymbolList, ask: Callable[[Call], Response]) -> int:
    bodies: list[bytes] = []
    call = symbols.next_call(None)
    while call is not None:
        bodies.append(ask(call).body)
        call = symbols.next_call(bodies[-1])
    return symbols.load(bodies)


class KeptQuotes:
    """The quotes of one source on disk, ``<source>.json``: what an asset's id was made with outlives a restart. They
    are those of one address: another one is another exchange.

    Args:
        asked: the list's address.
    """

    def __init__(self, folder: Path, name: str, quotes: Quotes, asked: str) -> None:
        self._path = folder / f"{name}.json"
        self._quotes = quotes
        self._asked = asked
        self._often = Limited(log, seconds=600)
        try:
            kept = _kept.decode(self._path.read_bytes())
            if kept.asked == asked:
                quotes.learn(kept.quotes)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read (%s): the quotes are asked for anew", self._path, error)
        self._saved = len(quotes.known)

    def save(self) -> None:
        """Whole or not at all, if there is anything new; what could not be written is tried again."""
        if len(self._quotes.known) == self._saved:  # nothing known ever changes
            return
        known = self._quotes.known.copy()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            files.replace(self._path, msgspec.json.encode(_Kept(self._asked, known)))
            self._saved = len(known)
        except OSError as error:
            self._often.warning("disk", f"{self._path} cannot be written, the quotes are not kept: {error}")


class _Kept(msgspec.Struct):
    asked: str
    quotes: dict[str, str]


_kept = msgspec.json.Decoder(_Kept)


def kept_quotes(folder: Path, source: Source) -> KeptQuotes | None:
    """The quotes of ``source`` with what ``folder`` holds of them; None where it has no list."""
    if (symbols := source.symbol_list) is None or (call := symbols.next_call(None)) is None:
        return None
    return KeptQuotes(folder, source.feed.name, symbols.quotes, call.url)
