"""The file of rules, read: every mistake with its line and what is allowed, all at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import Any

import yaml

from cryptoproxy.datasets.contracts.alert import RULE, RULE_PATTERN
from cryptoproxy.errors import SettingsError
from cryptoproxy.watch.rulebook.nodes import Item, Wrong, there_are
from cryptoproxy.watch.rulebook.rules import DISCORD, Assets, Channel, Condition, Hours, Rule, Rules, Series
from cryptoproxy.watch.rulebook.when import FITS_ALL, When
from cryptoproxy.watch.telling.messages import unfit

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
        raise SettingsError([words for _, words in sorted(reader.faults, key=itemgetter(0))])
    return rules


class _Reader(When):
    def file(self, root: yaml.Node | None) -> Rules:
        if root is None:
            self._fault(1, "it is empty; there must be `rules:`")
            return Rules()
        parts = {item.key: item for item in self._items(root, "the file", ("rules", "channels", "stats", "bars"))}
        if not parts.keys() & {"rules", "stats", "bars"}:
            self._fault(root, "there are no `rules:`")
        channels: dict[str, Channel] = {}
        for item in (named := self._section(parts, "channels")):
            channels |= self._or({}, self._channel, item)
        rules: dict[str, Rule] = {}
        for item in self._section(parts, "rules"):
            rules |= self._or({}, self._rule, item, [each.key for each in named])
        made = {
            name: self._or(None, self._derived, name, parts[name].node) for name in ("stats", "bars") if name in parts
        }
        return Rules(rules=rules, channels=channels, **made)

    def _section(self, parts: Mapping[str, Item], name: str) -> list[Item]:
        return self._or([], lambda: list(self._items(parts[name].node, name))) if name in parts else []

    def _derived(self, name: str, node: yaml.Node) -> Assets:
        assets = self._assets(node, name)
        if assets.top is not None:
            self._fault(node, f"{name}: of `top` there are none: say `all`, or a list")
        if name == "bars":
            for pattern in assets.patterns:
                if pattern.partition(":")[0] not in _WITHOUT_BARS:
                    self._fault(
                        node, f"{name}: say [{', '.join(_WITHOUT_BARS)}]; {pattern} has bars of its own, or may have"
                    )
        return assets

    # --- rules
    def _rule(self, item: Item, channels: Collection[str]) -> dict[str, Rule]:
        where = f"rule {item.key}"
        if not RULE.match(item.key):
            self._fault(item.line, f"{where}: a rule's name is 1 to 32 of a-z, 0-9 and '-' ({RULE_PATTERN})")
        has = {each.key: each.node for each in self._items(item.node, where, _RULE)}
        of = self._or(FITS_ALL, self._series, has["of"], where) if "of" in has else Series("ticker", "", "price")
        join: Any = "all"
        conditions: list[Condition] = []
        if "when" in has:
            join, conditions = self._or((join, conditions), self._when, has["when"], where, of)
        else:
            self._fault(item.line, f"{where}: there is no `when:`")
        assets = self._or(Assets(), self._assets, has["assets"], where) if "assets" in has else Assets()
        if assets.top is not None and conditions and all(each.of.dataset != "ticker" for each in conditions):
            self._fault(has["assets"], f"{where}: `top` goes by market_cap_rank, which only tickers (coingecko's) have")
        severity: Any = "warning"
        if "severity" in has:
            severity = self._or(severity, self._one_of, has["severity"], where, "severity", SEVERITIES)
        hold, cool_down = 1.0, 0.0
        if "hold" in has:
            hold = self._or(hold, self._value, has["hold"], where, "hold", "bars", least=1)
        if "cool-down" in has:
            cool_down = self._or(cool_down, self._value, has["cool-down"], where, "cool-down", "span")
        tell = self._or([], self._list, has["tell"], where, "tell") if "tell" in has else []
        for name, node in tell:
            if name not in channels:
                self._fault(node, f"{where}: there is no channel {name!r}; {there_are(name, channels)}")
        return {
            item.key: Rule(
                name=item.key, join=join, conditions=conditions, assets=assets, hold=int(hold),
                cool_down_ms=int(cool_down), severity=severity, hours=self._hours(has, where),
                tell=tuple(name for name, _ in tell),
            )
        }  # fmt: skip

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
            text = self._or("", self._text, has["hours"], where, "hours")
            found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24(?=:00)):([0-5]\d)", text)
            if found:
                begin, end = (int(found[i]) * 60 + int(found[i + 1]) for i in (1, 3))
                hours = Hours(begin=begin, end=end)
            elif text:
                self._fault(has["hours"], f"{where}: hours: {text!r} is not like 08:00-20:00 (UTC)")
        if "days" in has:
            days = self._or(hours.days, self._days, has["days"], where)
            hours = Hours(days=days, begin=hours.begin, end=hours.end)
        return hours

    def _days(self, node: yaml.Node, where: str) -> frozenset[int]:
        days: set[int] = set()
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
        return frozenset(days)

    # --- channels
    def _channel(self, item: Item) -> dict[str, Channel]:
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
        if template is not None and (why := unfit(template)):
            self._fault(has["template"].line, f"{where}: {why}")
        to = self._text(has["to"].node, where, "to") if "to" in has else None
        if (ways[0] == "discord-bot") != (to is not None and to.isdecimal()):
            self._fault(item.line, f"{where}: a discord-bot needs `to:`, the number of a channel; nothing else has one")
        api = self._text(has["api"].node, where, "api") if "api" in has else DISCORD
        if not re.fullmatch(r"https?://[^\s?#]+[^\s?#/]", api):
            self._fault(has["api"].line, f"{where}: api must be an address like {DISCORD}")
        rows = int(self._value(has["rows"].node, where, "rows", "bars", least=1)) if "rows" in has else 20
        way: Any = ways[0]
        return {item.key: Channel(name=item.key, way=way, place=place, to=to, api=api, template=template, digest=rows)}
