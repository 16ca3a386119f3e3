"""All that is known of what was used of an upstream's quotas, and of its ban: one value, what becomes of it, and
its bytes, which have the same form in the file and in the topic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec.structs import replace

from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.producer.budget import windows as rolling
from cryptoproxy.producer.budget.windows import WINDOWS, RollingWindow, even_share, month_of
from cryptoproxy.upstreams.base import Limits

LONGEST_BAN_SECONDS = 3 * 86_400.0
"""Binance's longest. Whoever says more has a broken clock."""

LONGEST_UNASKED_SECONDS = 900.0
"""How long an upstream that refuses again and again is left alone at most, unless it asks for more."""

KEPT_MONTHS = 6
"""More than the two that matter, so that a clock far off cannot push these out."""

Cost = Annotated[int, msgspec.Meta(ge=0)]
Stamp = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
Label = Annotated[str, msgspec.Meta(pattern=r"\A\d{4}-\d{2}\Z")]


class Ban(msgspec.Struct, frozen=True):
    """Nothing is sent before ``until_ms``. ``seconds`` is how long it was when it began: wherever the clock is found
    when it is read again, it lasts no longer than that."""

    until_ms: Stamp
    seconds: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_BAN_SECONDS)]
    why: str


class Counts(msgspec.Struct, frozen=True, omit_defaults=True):
    """By name of the window, its buckets; by month, its count; the ban, also one that is over; how often the upstream
    has refused since it answered last."""

    windows: dict[str, tuple[tuple[Stamp, Cost], ...]] = {}
    months: dict[Label, Cost] = {}
    ban: Ban | None = None
    refusals: Annotated[int, msgspec.Meta(ge=0)] = 0

    def used(self, of: RollingWindow, now_ms: int) -> int:
        return rolling.used(of, self.windows.get(of.name, ()), now_ms)

    def used_in(self, labels: Iterable[str]) -> int:
        """The largest count of these months."""
        return max((self.months.get(label, 0) for label in labels), default=0)

    def ban_ms(self, now_ms: int) -> int:
        """Milliseconds until the ban is over; 0 without one."""
        return max(0, self.ban.until_ms - now_ms) if self.ban else 0


def counted(counts: Counts, limits: Limits, *, cost: int, now_ms: int, labels: Iterable[str]) -> Counts:
    """With an attempt more. The months are counted where there is no limit, too: one may be set next week."""
    by_month = dict(counts.months)
    for label in labels:
        by_month[label] = by_month.get(label, 0) + cost
    windows = {
        limit.window: rolling.added(WINDOWS[limit.window], counts.windows.get(limit.window, ()), now_ms, cost)
        for limit in limits.rolling
    }
    return replace(counts, windows=windows, months=_newest(by_month))


def corrected(counts: Counts, of: RollingWindow, *, used: int, now_ms: int) -> Counts:
    """With what others behind our address have used, by the upstream's own count of its window.

    What it counts beyond ours is added as used now. Where it counts less, ours stays: its window may have begun
    just now, ours reaches back, and requests may be on their way to it.
    """
    more = used - counts.used(of, now_ms)
    if more <= 0:
        return counts
    buckets = rolling.added(of, counts.windows.get(of.name, ()), now_ms, more)
    return replace(counts, windows={**counts.windows, of.name: buckets})


def banned(counts: Counts, *, seconds: float, why: str, now_ms: int, least: float = 0.0) -> Counts:
    """With a ban from now on; one that ends later stays.

    With ``least`` above 0 it is a refusal. The first in a row lasts as long as was asked; each further one lasts at
    least 2, 4, 8 … times ``least``, up to :data:`LONGEST_UNASKED_SECONDS`.
    """
    if least > 0 and counts.refusals:
        seconds = max(seconds, min(least * 2 ** min(counts.refusals, 16), LONGEST_UNASKED_SECONDS))
    seconds = min(max(seconds, 0.0), LONGEST_BAN_SECONDS)
    before = counts.ban if counts.ban_ms(now_ms) else None
    ban = _later(before, Ban(now_ms + round(seconds * 1000), seconds, why))
    return replace(counts, ban=ban, refusals=counts.refusals + (least > 0))


def merged(ours: Counts, theirs: Counts) -> Counts:
    """The larger count of each bucket and month, the later end of the ban, the larger number of refusals. Commutative,
    associative, idempotent."""
    names = {*ours.windows, *theirs.windows}
    labels = {*ours.months, *theirs.months}
    return Counts(
        windows={name: rolling.merged(ours.windows.get(name, ()), theirs.windows.get(name, ())) for name in names},
        months=_newest({label: max(ours.months.get(label, 0), theirs.months.get(label, 0)) for label in labels}),
        ban=_later(ours.ban, theirs.ban),
        refusals=max(ours.refusals, theirs.refusals),
    )


def shifted(counts: Counts, by_ms: int) -> Counts:
    """When the clock that all stamps are read against was stepped: what is left of each stays as long as it was."""
    return replace(
        counts,
        windows={
            name: tuple((start + by_ms, cost) for start, cost in buckets) for name, buckets in counts.windows.items()
        },
        ban=replace(counts.ban, until_ms=counts.ban.until_ms + by_ms) if counts.ban else None,
    )


def clipped(counts: Counts, now_ms: int) -> Counts:
    """Counts from elsewhere, made fit for now: nothing from the future, nothing that is over, no unknown window."""
    ban = counts.ban
    if ban is not None:
        until_ms = min(ban.until_ms, now_ms + round(ban.seconds * 1000))
        ban = replace(ban, until_ms=until_ms) if until_ms > now_ms else None
    return Counts(
        windows={
            name: rolling.clipped(WINDOWS[name], buckets, now_ms)
            for name, buckets in counts.windows.items()
            if name in WINDOWS
        },
        months=_newest(counts.months),
        ban=ban,
        refusals=counts.refusals,
    )


def assumed(limits: Limits, now_ms: int) -> Counts:
    """What to believe when all knowledge is lost: each rolling window is used up, the month evenly until now."""
    month = limits.month
    return Counts(
        windows={limit.window: ((WINDOWS[limit.window].start(now_ms), limit.amount),) for limit in limits.rolling},
        months={month_of(now_ms): even_share(month.amount, now_ms)} if month else {},
    )


def _newest(by_month: dict[str, int]) -> dict[str, int]:
    return {label: by_month[label] for label in sorted(by_month)[-KEPT_MONTHS:]}


def _later(one: Ban | None, other: Ban | None) -> Ban | None:
    if one is None or other is None:
        return one or other
    last = max(one, other, key=lambda ban: (ban.until_ms, ban.why))
    return replace(last, seconds=max(one.seconds, other.seconds))


class BudgetState(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Unknown fields are ignored, so that a newer and an older process can follow each other. ``boot`` and ``zero_ms``
    are in the file alone: by which boot's monotonic clock the stamps run."""

    upstream: str
    counts: Counts
    boot: str = ""
    zero_ms: int = 0


class DamagedStateError(ValueError):
    """Bytes that are no state of this upstream."""


_decoder = msgspec.json.Decoder(BudgetState)


def encode(state: BudgetState) -> bytes:
    """The same bytes for the same state."""
    return msgspec.json.encode(state, order="deterministic")


def decode(content: bytes, *, upstream: str) -> BudgetState:
    """
    Raises:
        DamagedStateError: cut, garbage, or somebody else's.
    """
    try:
        state = _decoder.decode(content)
    except UNREADABLE as error:
        raise DamagedStateError(f"it is no state: {error}") from error
    if state.upstream != upstream:
        raise DamagedStateError(f"it is the state of {state.upstream!r}")
    return state
