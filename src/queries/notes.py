"""What must be said beside the rows of an answer, gathered while they go by (:class:`Noting`); and why there are none
(:func:`raise_why`).
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cryptoproxy.datasets import MARKET
from cryptoproxy.queries.answer import Covers, NothingFound
from cryptoproxy.queries.backend import Backend, Facts
from cryptoproxy.queries.fields import SENDERS
from cryptoproxy.queries.periods import ends, words_of, written
from cryptoproxy.queries.scope import AssetRef, Scope, Seen, spelled

_LISTED = 5
_SUGGESTED = 10
_SHORT_MS = 300_000
_WHOLE = 0.95
"""Share of the time from which on it counts as covered."""


@dataclass(slots=True)
class Noting:
    """``lacks`` is what is said of an asset without a row: ``sends no change_7d``."""

    scope: Scope
    lacks: str
    covers: Covers
    field: str | None = None
    """What is asked for, if that is one field."""
    by_samples: bool = False
    """The answer counts samples, so it follows the interval."""
    whole_period: bool = True
    """The answer is about the whole period; False: about the newest records in it."""
    step_ms: int = 0
    """What the answer is made of, where only whole ones count."""
    _assets: dict[tuple[str, str], set[tuple[str, str]]] = dataclasses.field(default_factory=dict)
    """By source and symbol: asset and quote."""
    _without: dict[str, set[AssetRef]] = dataclasses.field(default_factory=dict)
    _with: set[str] = dataclasses.field(default_factory=set)
    _seen: dict[AssetRef, Seen] = dataclasses.field(default_factory=dict)
    untold: set[AssetRef] = dataclasses.field(default_factory=set)
    """Assets with a mean over samples, as a record does not tell its interval."""
    unbounded: set[AssetRef] = dataclasses.field(default_factory=set)
    """Assets with a value that does not fit into a double."""
    more: list[str] = dataclasses.field(default_factory=list)
    """What a question has to say of its own."""

    @property
    def saw_any(self) -> bool:
        return bool(self._with or self._without)

    @property
    def saw_rows(self) -> bool:
        return bool(self._with)

    def see(self, asset: AssetRef, seen: Seen | None = None, *, has_value: bool = True) -> None:
        if has_value:
            self._with.add(asset.source)
            self._assets.setdefault((asset.source, asset.symbol), set()).add((asset.asset_id, asset.quote))
            if seen is not None:
                self.covers.see(seen)
                self._seen[asset] = seen
        else:
            self._without.setdefault(asset.source, set()).add(asset)

    def notes(self) -> Iterator[str]:
        yield from self._ambiguous()
        yield from self.lacking()
        yield from self._absent()
        if self.whole_period:
            yield from self._uncovered()
        if self.untold:
            yield (
                f"{listed(each.symbol for each in self.untold)}: some records tell no interval_ms, so the mean is "
                "over samples: a stretch that was polled more often weighs more"
            )
        if self.by_samples:
            changed = {each for each, seen in self._seen.items() if seen.shortest_ms != seen.longest_ms}
            if changed:
                yield (
                    f"{listed(each.symbol for each in changed)}: the interval changed within the period; samples are "
                    "counted, so a stretch that was polled more often weighs more"
                )
        if self.unbounded:
            yield f"{listed(each.symbol for each in self.unbounded)}: what does not fit into a double is left empty"
        yield from self.more

    def lacking(self) -> Iterator[str]:
        """Sources and assets without the value."""
        senders = SENDERS.get(self.field or "")
        for source, assets in sorted(self._without.items()):
            if source not in self._with:
                who = f"; {senders} {'do' if ',' in senders else 'does'}" if senders else ""
                yield f"{source} {self.lacks}{who}"
                continue
            with_values = {identity for (each, _), them in self._assets.items() if each == source for identity in them}
            rest = [each.symbol for each in assets if (each.asset_id, each.quote) not in with_values]
            if rest:
                yield f"{source} {self.lacks} for {listed(rest)}"

    def silent_sources(self, there: Sequence[str]) -> Iterator[str]:
        """For a question to all sources: those of ``there`` without a record that fits."""
        if silent := [each for each in there if each not in self._with and each not in self._without]:
            yield f"no record of {', '.join(silent)} that fits in the period{self._pairs()}"

    def _absent(self) -> Iterator[str]:
        seen = [AssetRef(source, asset, quote, symbol) for (source, symbol), them in self._assets.items()
                for asset, quote in them]  # fmt: skip
        seen += [each for assets in self._without.values() for each in assets]
        for what, wanted, has in (
            ("", self.scope.symbols, {each.symbol for each in seen}),
            ("the asset ", self.scope.assets, {each.asset_id for each in seen}),
            ("the quote ", self.scope.quotes, {each.quote for each in seen}),
        ):
            if missing := [each for each in wanted if has.isdisjoint(spelled([each]))]:
                yield f"no record of {what}{', '.join(missing)} at {self.scope} in the period"
        for source in self.scope.sources:
            if source not in self._with and source not in self._without:
                yield f"no record of {source} that fits in the period{self._pairs()}"

    def _pairs(self) -> str:
        if not self.scope.symbols or self.scope.coins:
            return ""
        return f"; --base {self.scope.symbols[0]} finds it under the symbols of exchanges, too"

    def _uncovered(self) -> Iterator[str]:
        """Where there are records of a part of the period only."""
        covers, asked = self.covers, self.covers.asked
        if covers.first_ms is None or covers.last_ms is None:
            return
        slack = self._slack()
        begin, until = ends(asked)
        if covers.first_ms - asked.begin_ms > slack:
            yield (
                f"the records begin at {written(covers.first_ms)}: of the time from {begin} until "
                "then, which was asked for, there are none"
            )
        if asked.end_ms - covers.last_ms > slack:
            last = written(covers.last_ms)
            yield f"the records end at {last}: of the time until {until}, which was asked for, there are none"
        partly = [
            asset.symbol
            for asset, seen in self._seen.items()
            if seen.first_ms - covers.first_ms > slack or covers.last_ms - seen.last_ms > slack
        ]
        if partly:
            yield f"only of a part of that time there are records of {listed(partly)} (data_from, data_to)"
        holes = {
            asset: share for asset, seen in self._seen.items() if (share := seen.share) is not None and share < _WHOLE
        }
        if holes:
            worst = min(holes.values())
            yield (
                f"between first and last record, slots are missing of {listed(each.symbol for each in holes)}: "
                f"{worst * 100:.0f} % of the time are covered{' at worst' if len(holes) > 1 else ''}"
            )

    def _slack(self) -> int:
        """What may be missing at an end without a word."""
        longest = max((seen.longest_ms or 0 for seen in self._seen.values()), default=0)
        return max(_SHORT_MS, 2 * longest, self.step_ms, self.covers.asked.length_ms // 50)

    def _ambiguous(self) -> Iterator[str]:
        several = {key: them for key, them in sorted(self._assets.items()) if len(them) > 1}
        for (source, symbol), them in list(several.items())[:_LISTED]:
            listed = ", ".join(f"{asset} in {quote}" for asset, quote in sorted(them)[:_LISTED])
            yield f"{symbol} is {len(them)} assets at {source}, shown apart: {listed}; --assets chooses"
        if len(several) > _LISTED:
            yield f"{len(several) - _LISTED} more symbols are several assets each"


def listed(names: Any) -> str:
    there = sorted(set(names))
    more = f" and {len(there) - _LISTED} more" if len(there) > _LISTED else ""
    return f"{', '.join(there[:_LISTED])}{more}"


# ---- why there is nothing


def why(scope: Scope, facts: Facts, *, place: str, engine: str) -> str:
    """The first condition that no record meets."""
    period = words_of(scope.period)
    if not facts.total:
        return f"{place} is empty: nothing has been {stored_there(engine)} yet"
    if not facts.source or facts.first_ms is None or facts.newest_ms is None:
        return f"no record of {scope}; there are records of {', '.join(facts.sources)}"
    if not facts.period:
        first, newest = written(facts.first_ms), written(facts.newest_ms)
        return f"no record of {scope} in {period}; its records run from {first} to {newest}"
    if not facts.symbols:
        said = unknown("symbol", scope.symbols, scope, facts.there["symbols"])
    elif not facts.assets:
        said = unknown("asset", scope.assets, scope, facts.there["assets"])
        said += f" that is called {', '.join(scope.symbols)}" if scope.symbols else ""
    elif scope.quotes:
        said = unknown("quote", scope.quotes, scope, facts.there["quotes"])
    else:
        said = f"no row can be made of the {facts.assets} records of {scope}"
    return f"{said} in {period}"


def stored_there(engine: str) -> str:
    return "archived" if engine == "lake" else "indexed"


def unknown(what: str, wanted: Sequence[str], scope: Scope, there: Sequence[str]) -> str:
    """That nobody is called so, and who is called nearly so."""
    said = f"no {what} {', '.join(wanted)} at {scope}"
    by_folded = {each.casefold(): each for each in there}
    near = {by_folded[each] for one in wanted for each in _near(one.casefold(), list(by_folded))}
    if near:
        return f"{said} (near it: {', '.join(sorted(near))})"
    return f"{said} (there are: {', '.join(there[:_SUGGESTED])} …)" if there else said


def _near(word: str, among: Sequence[str]) -> list[str]:
    """Spelled nearly so, or beginning so: a pair of that coin."""
    near = difflib.get_close_matches(word, among, n=3, cutoff=0.6)
    return near or [each for each in among if each.startswith(word)][:3]


def raise_why(engine: Backend, scope: Scope) -> None:
    """Raises:
    NothingFound: always.
    """
    raise NothingFound(why(scope, engine.facts(scope), place=engine.place(), engine=engine.name))


def raise_no_market(engine: Backend, scope: Scope, quote: str) -> None:
    """Why there is no market cap.

    Raises:
        NothingFound: always.
    """
    place = engine.place(MARKET)
    there = [each for each in engine.series(MARKET) if not scope.sources or each.source in scope.sources]
    ends = [found for each in there if (found := engine.ends(each, scope.period.end_ms))]
    if not ends:
        raise NothingFound(f"{place} has nothing of {scope} yet: coingecko.market in SOURCES polls it")
    first, newest = written(min(each[0] for each in ends)), written(max(each[1] for each in ends))
    raise NothingFound(
        f"no market cap in {quote} in {words_of(scope.period)}; figures run from {first} to {newest}, in USD and in "
        "COINGECKO_QUOTE"
    )
