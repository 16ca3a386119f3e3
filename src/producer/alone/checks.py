"""What `cryptoproxy check` asks the upstreams."""

from __future__ import annotations

from contextlib import ExitStack
from typing import cast

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import iso, slot_of
from cryptoproxy.errors import TransientError
from cryptoproxy.producer.alone.asking import SLOT_SECONDS, asker_of, budget_folder, sleep
from cryptoproxy.producer.feeds.stream.websocket import WebSocket
from cryptoproxy.producer.outbox.files import OutboxInUseError
from cryptoproxy.producer.outbox.outbox import Outbox
from cryptoproxy.producer.planning import budgets_of, fitting_intervals
from cryptoproxy.upstreams import pollings_of, sources_of
from cryptoproxy.upstreams.base import Source
from cryptoproxy.upstreams.streaming.stream import Stream

CHECK_SECONDS = 15.0


def check_upstream(settings: Settings, source: Source) -> str:
    """What the first call of a poll of ``source`` proves, in a line: that its upstream is reached from here and takes
    our key, plan and symbols.

    The call counts in the budget of OUTBOX_DIR. Beside a poller of that folder, whose budget it is, nothing is sent:
    what was polled last answers instead.

    Raises:
        CryptoProxyError: what failed, and what to do.
    """
    clock = SystemClock()
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(budget_folder(settings, remedy=""))
        except OutboxInUseError as error:
            return _polled_last(settings, source.upstream, error, clock.now_ms())
        budgets = budgets_of(settings.upstreams, folder, clock=clock)
        asker = stack.enter_context(asker_of(settings, source, budgets, clock))
        calls = source.calls()
        now_ms = clock.now_ms()
        answer = asker.ask(calls[0], now_ms + round(CHECK_SECONDS * 1000), sleep)
        left = ", ".join(f"{amount} per {window}" for window, amount in asker.budget.left().items())
    found = ""
    if len(calls) == 1:
        polling = pollings_of(settings.upstreams)[source.feed.name]
        slot_ms = slot_of(now_ms, round(polling.interval * 1000), round(polling.offset * 1000))
        poll = source.read([answer.body], slot_ms=slot_ms, fetched_at_ms=clock.now_ms())
        found = f" with {len(poll.records)} records"
    return f"{source.feed.name} was answered{found} in {answer.seconds:.2f} s; left of the budget: {left or 'no limit'}"


def check_stream(settings: Settings, stream: Stream) -> str:
    """What a connection to the venue of ``stream`` proves, and a question for its time, in a line. Nothing is
    subscribed to.

    The question counts in the budget of OUTBOX_DIR, and is not sent beside a poller of that folder.

    Raises:
        CryptoProxyError: what failed, and what to do.
    """
    clock, venue = SystemClock(), stream.venue
    began = clock.monotonic()
    WebSocket(venue.url).close()
    proven = f"{venue.name} took a stream's connection in {clock.monotonic() - began:.2f} s"
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(budget_folder(settings, remedy=""))
        except OutboxInUseError:
            return proven
        budgets = budgets_of(settings.upstreams, folder, clock=clock)
        asker = stack.enter_context(asker_of(settings, cast("Source", stream), budgets, clock))
        answer = asker.ask(venue.time_call(), clock.now_ms() + round(CHECK_SECONDS * 1000), sleep)
        venue.time_in(answer)
    return f"{proven}, and what mends it answered in {answer.seconds:.2f} s"


def _polled_last(settings: Settings, upstream: str, error: OutboxInUseError, now_ms: int) -> str:
    """Raises:
    TransientError: nothing lately, and whether another machine's poller does nobody knows here.
    """
    intervals = fitting_intervals(settings.upstreams, sources_of(settings.upstreams))[upstream].by_source
    lasts = {name: Outbox.last_slot_in(settings.poller.outbox_dir, name) for name in intervals}
    told = ", ".join(f"{name} {'never' if last is None else f'for {iso(last)}'}" for name, last in lasts.items())
    answer = f"not asked beside a poller, which answers for it (process {error.holder}); polled last: {told}"
    late = [
        name
        for name, last in lasts.items()
        if last is None or now_ms - last > 1000 * (2 * intervals[name] + SLOT_SECONDS)
    ]
    if late:
        raise TransientError(f"{answer}. It misses slots, or stands by for another: `cryptoproxy status` tells which")
    return answer
