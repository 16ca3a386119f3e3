"""Records in, alerts out: the rules over all assets of one share. No clock, no Kafka, nothing that waits.

Of one asset each number that a rule looks at is a row of probes. What is late or there twice moves nothing, nor what
was past already when it was fetched (a history that is walked again), or not there yet (a clock that is wrong): one
such record would make all that comes after it late.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from cryptoproxy.datasets import DATASETS, MAX_AHEAD_MS, Candle, Stats, from_iso, iso
from cryptoproxy.datasets.contracts.alert import WATCH, Alert, in_key
from cryptoproxy.watch import words
from cryptoproxy.watch.assets import LATE_MS, Asset, Echo, Followed
from cryptoproxy.watch.cases import MOST, Apart, Case, Leaf, Probe, Row
from cryptoproxy.watch.figures.gauge import EVERY
from cryptoproxy.watch.gaps import FoundGap, Gaps
from cryptoproxy.watch.minutes import Minutes
from cryptoproxy.watch.rulebook.conditions import gauge
from cryptoproxy.watch.rulebook.rules import Rules


def slim(called: str, fields: Iterable[str]) -> msgspec.json.Decoder[Any]:
    """Decodes of a record what rules need, and no more, which is a sixth of the cost."""
    if called == "gap":
        return msgspec.json.Decoder(FoundGap)
    numbers = [(name, float | None, None) for name in sorted(fields)]
    struct = msgspec.defstruct(
        f"slim {called}", [("timestamp", str), ("fetched_at", str), ("symbol", str | None, None), *numbers], gc=False
    )
    return msgspec.json.Decoder(struct)


class Judge:
    """
    Args:
        rules: those in force.
        past: of the past, too: for a trial.

    ``found`` and ``told`` are what came of it, until who sends it takes it away: alerts, and by key of the ledger the
    cases that have changed.
    """

    def __init__(self, rules: Rules, *, past: bool = False) -> None:
        self.rules = rules
        self._past = past
        self.assets: dict[str, Asset] = {}
        self.dirty: set[Asset] = set()
        self.silent = False
        """Nothing is found: what happens was told before."""
        self.found: list[Alert] = []
        self.derived: list[Candle | Stats] = []
        """Bars and stats, as ``found``."""
        self.told: dict[str, dict[str, Any] | None] = {}
        self.passed_over = 0
        """Records that were late, there twice, of the past, or not there yet."""
        self.ahead = 0
        """Of these, so many were too far ahead of the clock since somebody has looked."""
        self._latest: dict[tuple[str, str, str], list[Any]] = {}
        """By place of an echo."""
        self._timestamp = self._fetched = ("", 0)
        """Of the last record, as text and ms."""
        self._now = 0
        self._latest_ms: float = math.inf
        """What is later than this is a mistake of some clock."""
        by_called = rules.asked()
        if any(rule.assets.top for rule in rules.rules.values()) and "ticker" in by_called:
            by_called["ticker"].add("market_cap_rank")
        self.decoders = {called: slim(called, fields) for called, fields in by_called.items()}
        self._ranked = any(rule.assets.top for rule in rules.rules.values())

    # --- records
    def follow(self, called: str, key: str, symbol: str | None) -> Followed | None:
        """All that is known of this kind of record of this asset, or a new one; None where no rule is for it."""
        if (known := self.assets.get(key)) is not None and called in known.followed:
            return known.followed[called]
        rules = [rule for rule in self.rules.rules.values() if rule.assets.hold(key)]
        echoes = self._echoes(called, key)
        bars, stats = self.rules.derives(key) if called == "ticker" else (False, False)
        if not (echoes or bars or stats) and not any(
            each.of.called == called for rule in rules for each in rule.conditions
        ):
            return None
        asset = known
        if asset is None:
            asset = self.assets[key] = Asset(key, symbol or key.split(":")[1])
            asset.cases = [Case(rule, key.split(":")[1]) for rule in rules]
        followed = asset.followed[called] = Followed(called, asset)
        followed.echoes = echoes
        if bars or stats:
            followed.minutes = Minutes(key, asset.symbol, bars=bars, stats=stats)
        self._fill(followed)
        followed.has_more = bool(
            followed.aparts or echoes or followed.minutes or followed.gaps or (self._ranked and called == "ticker")
        )
        return followed

    def _fill(self, followed: Followed) -> None:
        """With what each of its cases looks at."""
        asset, called = followed.asset, followed.called
        by_field: dict[str, dict[Any, list[Leaf]]] = {}
        for leaf in (leaf for case in asset.cases for leaf in case.leaves if leaf.condition.of.called == called):
            if leaf.condition.kind == "gap":
                followed.gaps = followed.gaps or Gaps(LATE_MS)
                followed.gaps.leaves.append(leaf)
            elif leaf.condition.stale_ms:
                followed.stale.append(leaf)
                followed.least_stale = min(each.condition.stale_ms for each in followed.stale)
            else:
                by_field.setdefault(leaf.condition.of.field, {}).setdefault(leaf.condition.spec, []).append(leaf)
        for field, specs in sorted(by_field.items()):
            probes = []
            for spec, leaves in specs.items():
                probe = Probe(spec, gauge(spec), leaves)
                if spec[0] == "apart":
                    place = spec[1], asset.key.split(":")[1], f"{called}.{field}"
                    followed.aparts.append(Apart(field, probe, self._newest(place)))
                else:
                    probes.append(probe)
            # Those that must see every sample have a row of their own, or all others would be asked with them.
            for row in ([each for each in probes if each.due != EVERY], [each for each in probes if each.due == EVERY]):
                if row:
                    followed.rows.append(Row(field, row))

    def _newest(self, place: tuple[str, str, str]) -> list[Any]:
        return self._latest.setdefault(place, [0, 0.0])

    def _echoes(self, called: str, key: str) -> list[Echo]:
        source, asset_id, _ = key.split(":")
        conditions = (each for rule in self.rules.rules.values() for each in rule.conditions)
        fields = {
            each.of.field
            for each in conditions
            if each.kind == "apart" and each.options["from"] == source and each.of.called == called
        }
        places = [(field, (source, asset_id, f"{called}.{field}")) for field in sorted(fields)]
        return [Echo(field, place, self._newest(place)) for field, place in places]

    def take(self, followed: Followed, record: Any) -> None:  # noqa: PLR0912 - in line: each record comes by here
        """One record, decoded by :attr:`decoders`.

        Raises:
            ValueError: its times are none.
        """
        if (text := record.timestamp) != self._timestamp[0]:  # records of a poll lie side by side
            self._timestamp = text, from_iso(text)
        if (text := record.fetched_at) != self._fetched[0]:
            self._fetched = text, from_iso(text)
        at, before = self._timestamp[1], followed.at
        if not before + followed.least_step <= at <= self._latest_ms or not (
            self._past or at - MAX_AHEAD_MS <= self._fetched[1] <= at + followed.late
        ):
            self.passed_over += 1
            self.ahead += at > self._latest_ms
            return
        followed.at = at
        asset = followed.asset
        self.dirty.add(asset)
        touched = None
        if followed.stale and (followed.is_stale or at - before > followed.least_stale):
            touched = self._refresh(followed, before, at)
        for row in followed.rows:
            value = getattr(record, row.field)
            if value is None:
                continue
            if row.low < value < row.high and at < row.due:
                if row.keeps:  # in line: most records come by here
                    row.keep_time(at)
                    row.keep_value(value)
                    if len(row.times) >= MOST:
                        row.catch_up()
            elif crossed := row.look(at, value):
                touched = {*(touched or ()), *crossed}
        if followed.has_more and (crossed := self._more(followed, at, record)):
            touched = {*(touched or ()), *crossed}
        if touched or asset.waiting:
            for case in sorted({*(touched or ()), *asset.waiting}, key=_by_name):
                self._decide(asset, case, at)

    def _more(self, followed: Followed, at: int, record: Any) -> list[Case]:
        """All but rows. The cases of which a leaf has changed."""
        touched: list[Case] = []
        if followed.gaps is not None:
            return followed.gaps.look(at, record)
        for apart in followed.aparts:
            if apart.other[0] and (value := getattr(record, apart.field)) is not None:
                touched += apart.look(at, value)
        for field, _, newest in followed.echoes:
            if (value := getattr(record, field)) is not None:
                newest[:] = at, value
        if followed.minutes is not None and (price := record.price) is not None and price > 0:
            made = followed.minutes.take(at, price, record.fetched_at)
            if made and not self.silent:
                self.derived += made
        if self._ranked and followed.called == "ticker":
            followed.asset.rank = record.market_cap_rank
        return touched

    def _refresh(self, followed: Followed, before: int, at: int) -> set[Case]:
        """There is something new: what was stale is not any more; and what was, though nobody has seen it, is told."""
        touched = set()
        for leaf in followed.stale:
            until = before + followed.step + leaf.condition.stale_ms
            if not leaf.holds and before and at + followed.step > until:
                self._gone_stale(followed, leaf, until)
            if leaf.holds:
                leaf.holds = False
                touched.add(leaf.case)
        followed.is_stale = False
        return touched

    def _gone_stale(self, followed: Followed, leaf: Leaf, until: int) -> None:
        leaf.holds, leaf.figure, followed.is_stale = True, leaf.threshold, True
        self._decide(followed.asset, leaf.case, until)

    def sweep(self, now_ms: int) -> None:
        """Looks for what is stale, by a clock that does not step; only where all that the topics have was read."""
        for asset in self.assets.values():
            for followed in asset.followed.values():
                for leaf in followed.stale:
                    until = followed.at + followed.step + leaf.condition.stale_ms
                    if not leaf.holds and followed.at and now_ms > until:
                        self.dirty.add(asset)
                        self._gone_stale(followed, leaf, until)

    # --- alerts
    def _decide(self, asset: Asset, case: Case, at: int) -> None:
        top = case.rule.assets.top
        changed = case.decide(at, may_open=top is None or (asset.rank is not None and asset.rank <= top))
        if case.waits:
            asset.waiting.add(case)
        else:
            asset.waiting.discard(case)
        if changed is not None and not self.silent:
            self._find(asset, case, at if changed else max(at, case.since))

    def _find(self, asset: Asset, case: Case, at: int) -> None:
        leaf = case.speaker()
        rule, condition, key, symbol = case.rule, leaf.condition, asset.key, asset.symbol
        self.found.append(
            Alert(
                source=WATCH,
                asset_id=rule.name,
                quote=in_key(key),
                rule=rule.name,
                asset=key,
                symbol=symbol,
                state="open" if case.open else "resolved",
                severity=rule.severity,
                timestamp=iso(at),
                fetched_at=iso(max(self._now, at)),
                since=iso(case.since),
                of=str(condition.of),
                kind=rule.kind,
                value=words.number(leaf.figure),
                threshold=condition.threshold,
                normal=words.number(leaf.normal),
                unit=condition.of_kind.unit or words.unit_of(condition.of, key),
                words=words.sentence(symbol, condition, leaf, opens=case.open, quote=key.rsplit(":", maxsplit=1)[-1]),
            )
        )
        self.told[f"case:{case.rule.name}:{asset.key}"] = case.truth()

    def begin(self, now_ms: int) -> None:
        """The time that what is found from now on was found at. What is further ahead of it than anywhere else is
        taken is passed over: else it would make all that comes until then late."""
        self._now, self._latest_ms = now_ms, math.inf if self._past else now_ms + MAX_AHEAD_MS

    def take_found(self) -> tuple[list[Alert], dict[str, dict[str, Any] | None]]:
        """What was found since the last call, to be sent as one."""
        found, told = self.found, self.told
        self.found, self.told = [], {}
        return found, told

    # --- across a restart
    def dump(self, asset: Asset) -> dict[str, Any]:
        """All of an asset but what its cases have told."""
        for row in (row for followed in asset.followed.values() for row in followed.rows):
            row.catch_up()
        return {
            "symbol": asset.symbol,
            "rank": asset.rank,
            "followed": {
                called: [
                    each.at,
                    {f"{field} {probe.spec}": probe.gauge.dump() for field, probe in probes_of(each)},
                    each.minutes and each.minutes.dump(),
                    each.gaps and each.gaps.dump(),
                ]
                for called, each in asset.followed.items()
            },
            "cases": {f"{case.rule.name} {case.rule.mark}": case.dump() for case in asset.cases},
            "latest": [[*echo.place, *echo.newest] for echo in _echoes_of(asset)],
        }

    def load(self, key: str, known: Mapping[str, Any]) -> None:
        """The reverse; what the rules do not ask for any more is forgotten."""
        for called, (at, gauges, *more) in known["followed"].items():
            followed = self.follow(called, key, known["symbol"])
            if followed is None:
                continue
            followed.at = at
            for mine, found in zip((followed.minutes, followed.gaps), more, strict=False):
                if mine is not None and found is not None:
                    mine.load(found)
            for field, probe in probes_of(followed):
                if found := gauges.get(f"{field} {probe.spec}"):
                    probe.gauge.load(found)
        asset = self.assets.get(key)
        if asset is None:
            return
        asset.rank = known["rank"]
        for case in asset.cases:
            if (found := known["cases"].get(f"{case.rule.name} {case.rule.mark}")) is not None:
                case.load(found)
            if case.waits:
                asset.waiting.add(case)
        for source, asset_id, series, at, value in known["latest"]:
            self._newest((source, asset_id, series))[:] = at, value
        for followed in asset.followed.values():
            followed.bound()

    def believe(self, truths: Mapping[str, Mapping[str, Any]]) -> None:
        """What was told of each case, by key of the ledger. What is open by a rule that is gone, or means another thing
        by now, ends: that is found."""
        known = {
            f"case:{case.rule.name}:{asset.key}": (asset, case)
            for asset in self.assets.values()
            for case in asset.cases
        }
        for key, (asset, case) in known.items():
            truth = truths.get(key)
            case.believe(truth if truth is not None and truth["mark"] == case.rule.mark else None)
            asset.waiting.discard(case)
            if case.waits:
                asset.waiting.add(case)
        for key, truth in truths.items():
            found = known.get(key)
            if found is None or found[1].rule.mark != truth["mark"]:
                self._forget(key, truth, None if found is None else found[0])

    def _forget(self, ledger_key: str, truth: Mapping[str, Any], asset: Asset | None) -> None:
        _, name, key = ledger_key.split(":", 2)
        self.told.setdefault(ledger_key, None)
        if not truth["open"]:
            return
        rule = self.rules.rules.get(name)
        at = max([truth["since"], *(each.at for each in asset.followed.values())] if asset else [truth["since"]])
        symbol = asset.symbol if asset else key.split(":")[1]
        said = f"{symbol}: the rule {name} was {'changed' if rule else 'taken out'}, so this ends"
        self.found.append(
            Alert(
                source=WATCH, asset_id=name, quote=in_key(key), rule=name, asset=key, symbol=symbol, state="resolved",
                severity=rule.severity if rule else "info", timestamp=iso(at), fetched_at=iso(max(self._now, at)),
                since=iso(truth["since"]), of=str(rule.conditions[0].of) if rule else "-",
                kind=rule.kind if rule else "-", words=said,
            )
        )  # fmt: skip


def _by_name(case: Case) -> str:
    return case.rule.name


def probes_of(followed: Followed) -> Iterator[tuple[str, Probe]]:
    """Each with its field."""
    return ((row.field, probe) for row in followed.rows for probe in row.probes)


def _echoes_of(asset: Asset) -> Iterator[Echo]:
    return (echo for followed in asset.followed.values() for echo in followed.echoes)


def topics_asked(rules: Rules) -> list[tuple[str, str]]:
    """Dataset and part of every record that the rules need, in the table's order."""
    asked = rules.asked()
    return [
        (name, part) for name, dataset in DATASETS.items() for part in dataset.parts if dataset.called(part) in asked
    ]
