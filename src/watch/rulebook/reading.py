"""The file of rules, read: every mistake with its line and what is allowed, all at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from cryptoproxy.datasets.contracts.alert import RULE, RULE_PATTERN
from cryptoproxy.errors import SettingsError
from cryptoproxy.watch.rulebook.nodes import Item, Wrong, there_are
from cryptoproxy.watch.rulebook.rules import DISCORD, Assets, Channel, Hours, Rule, Rules, Series
from cryptoproxy.watch.rulebook.when import When

SEVERITIES = ("info", "warning", "critical")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WAYS = ("discord", "discord-bot", "slack", "webhook", "apprise")
_WITHOUT_BARS = ("coingecko",)
"""Sources that give no bars of a minute."""
_RULE = ("of", "assets", "when", "hold", "cool-down", "severity", "hours", "days", "tell")


def read(path: Path) -> Rules:
    """
    Raises:
        SettingsError: with every mistake, a line each.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"the file of rules {path} (WATCH_RULES) cannot be read: {error}"]) from error
    return parse(text, path.name)


def parse(text: str, name: str = "watch.yaml") -> Rules:
    """The same of a text."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SettingsError(
            [f"{name}:{line}: this is not YAML: {error.problem} {error.context or ''}".strip()]
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise SettingsError([f"{name}: this is not YAML: {error}"]) from error
    reader = _Reader(name)
    rules = Rules()
    with suppress(Wrong):
        rules = reader.file(root)
    if reader.faults:
        raise SettingsError(reader.faults)
    return rules


class _Reader(When):
    def file(self, root: yaml.Node | None) -> Rules:
        if root is None:
            self.faults.append(f"{self._name}: it is empty; there must be `rules:`")
            return Rules()
        parts = {item.key: item for item in self._items(root, "the file", ("rules", "channels", "stats", "bars"))}
        if not parts.keys() & {"rules", "stats", "bars"}:
            self._fault(root, "there are no `rules:`")
        channels: dict[str, Channel] = {}
        for item in self._section(parts, "channels"):
            channels |= self._tried(self._channel, item)
        rules: dict[str, Rule] = {}
        for item in self._section(parts, "rules"):
            rules |= self._tried(self._rule, item, channels)
        made = {name: self._derived(name, parts[name].node) for name in ("stats", "bars") if name in parts}
        return Rules(rules=rules, channels=channels, **made)

    def _section(self, parts: Mapping[str, Item], name: str) -> list[Item]:
        try:
            return list(self._items(parts[name].node, name)) if name in parts else []
        except Wrong:
            return []

    def _derived(self, name: str, node: yaml.Node) -> Assets | None:
        try:
            assets = self._assets(node, name)
        except Wrong:
            return None
        if assets.top is not None:
            self._fault(node, f"{name}: of `top` there are none: say `all`, or a list")
        if name == "bars":
            for pattern in assets.patterns:
                if pattern.partition(":")[0] not in _WITHOUT_BARS:
                    self._fault(
                        node, f"{name}: say [{', '.join(_WITHOUT_BARS)}]; {pattern} has bars of its own, or may have"
                    )
        return assets

    def _tried(self, read_one: Any, item: Item, *more: Any) -> dict[str, Any]:
        try:
            return {item.key: read_one(item, *more)}
        except Wrong:
            return {}

    # --- rules
    def _rule(self, item: Item, channels: Mapping[str, Channel]) -> Rule:
        where = f"rule {item.key}"
        if not RULE.match(item.key):
            self._fault(item.line, f"{where}: a rule's name is 1 to 32 of a-z, 0-9 and '-' ({RULE_PATTERN})")
        has = {each.key: each.node for each in self._items(item.node, where, _RULE)}
        if "when" not in has:
            raise self._wrong(item.line, f"{where}: there is no `when:`")
        of = self._series(has["of"], where) if "of" in has else Series("ticker", "", "price")
        join, conditions = self._when(has["when"], where, of)
        assets = self._assets(has["assets"], where) if "assets" in has else Assets()
        if assets.top is not None and all(each.of.dataset != "ticker" for each in conditions):
            self._fault(has["assets"], f"{where}: `top` goes by market_cap_rank, which only tickers (coingecko's) have")
        severity: Any = self._one_of(has["severity"], where, "severity", SEVERITIES) if "severity" in has else "warning"
        tell = self._list(has["tell"], where, "tell") if "tell" in has else ()
        for name, node in tell:
            if name not in channels:
                self._fault(node, f"{where}: there is no channel {name!r}; {there_are(name, channels)}")
        return Rule(
            name=item.key,
            join=join,
            conditions=conditions,
            assets=assets,
            hold=int(self._value(has["hold"], where, "hold", "bars", least=1)) if "hold" in has else 1,
            cool_down_ms=int(self._value(has["cool-down"], where, "cool-down", "span")) if "cool-down" in has else 0,
            severity=severity,
            hours=self._hours(has, where),
            tell=tuple(name for name, _ in tell),
        )

    def _assets(self, node: yaml.Node, where: str) -> Assets:
        if isinstance(node, yaml.ScalarNode):
            if node.value == "all":
                return Assets()
            if found := re.fullmatch(r"top ([1-9]\d{0,4})", node.value):
                return Assets(top=int(found[1]))
        if not isinstance(node, yaml.SequenceNode):
            raise self._wrong(
                node, f"{where}: assets are `all`, `top 20`, or a list like [binance:BTCUSDT, coingecko:bitcoin]"
            )
        patterns = self._list(node, where, "assets")
        for pattern, each in patterns:
            if pattern.count(":") > 2 or not re.fullmatch(r"[^/\s]+", pattern):
                self._fault(each, f"{where}: {pattern!r} is not SOURCE, SOURCE:ASSET or SOURCE:ASSET:QUOTE; * is any")
            self._refuse_slip(each, where, pattern.partition(":")[0])
        return Assets(patterns=tuple(pattern for pattern, _ in patterns))

    def _hours(self, has: Mapping[str, yaml.Node], where: str) -> Hours:
        hours = Hours()
        if "hours" in has:
            text = self._text(has["hours"], where, "hours")
            found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24(?=:00)):([0-5]\d)", text)
            if not found:
                raise self._wrong(has["hours"], f"{where}: hours: {text!r} is not like 08:00-20:00 (UTC)")
            begin, end = (int(found[i]) * 60 + int(found[i + 1]) for i in (1, 3))
            hours = Hours(begin=begin, end=end)
        if "days" in has:
            days: set[int] = set()
            node = has["days"]
            listed = (
                self._list(node, where, "days")
                if isinstance(node, yaml.SequenceNode)
                else [(self._text(node, where, "days"), node)]
            )
            for text, each in listed:
                first, _, last = text.partition("-")
                if first not in DAYS or (last or first) not in DAYS:
                    raise self._wrong(each, f"{where}: days: {text!r} is not like mon or mon-fri")
                begin, end = DAYS.index(first), DAYS.index(last or first)
                days |= {(begin + i) % 7 for i in range((end - begin) % 7 + 1)}
            hours = Hours(days=frozenset(days), begin=hours.begin, end=hours.end)
        return hours

    # --- channels
    def _channel(self, item: Item) -> Channel:
        where = f"channel {item.key}"
        has = {each.key: each for each in self._items(item.node, where, (*WAYS, "to", "api", "template", "rows"))}
        ways = [way for way in WAYS if way in has]
        if len(ways) != 1:
            raise self._wrong(item.line, f"{where}: it must have exactly one of {', '.join(WAYS)}")
        place = self._text(has[ways[0]].node, where, ways[0])
        if not re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+", place):
            # Not shown: most likely it is the address itself.
            raise self._wrong(
                has[ways[0]].line,
                f"{where}: an address is a secret and does not stand here: say env:NAME or file:/run/secrets/name",
            )
        template = self._text(has["template"].node, where, "template") if "template" in has else None
        if template is not None and ways[0] != "webhook":
            self._fault(has["template"].line, f"{where}: only a webhook has a template")
        if ways[0] == "webhook" and template is None:
            self._fault(item.line, f"{where}: a webhook needs a `template:`, like '{{\"text\": {{words}}}}'")
        to = self._text(has["to"].node, where, "to") if "to" in has else None
        if (ways[0] == "discord-bot") != (to is not None and to.isdecimal()):
            self._fault(item.line, f"{where}: a discord-bot needs `to:`, the number of a channel; nothing else has one")
        api = self._text(has["api"].node, where, "api") if "api" in has else DISCORD
        if not re.fullmatch(r"https?://[^\s?#]+[^\s?#/]", api):
            self._fault(has["api"].line, f"{where}: api must be an address like {DISCORD}")
        rows = int(self._value(has["rows"].node, where, "rows", "bars", least=1)) if "rows" in has else 20
        return Channel(
            name=item.key,
            way=ways[0],  # type: ignore[arg-type]
            place=place,
            to=to,
            api=api,
            template=template,
            digest=rows,
        )
