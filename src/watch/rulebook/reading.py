"""The file of rules, read: every mistake with its line and what is allowed, all at once."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from cryptoproxy.common.settings.catalogue import SOURCE_NAMES
from cryptoproxy.datasets import DATASETS, called
from cryptoproxy.datasets.contracts.alert import RULE, RULE_PATTERN
from cryptoproxy.errors import SettingsError
from cryptoproxy.watch.rulebook.conditions import KINDS, Form, Kind, Option
from cryptoproxy.watch.rulebook.rules import DISCORD, Assets, Channel, Condition, Hours, Rule, Rules, Series

SEVERITIES = ("info", "warning", "critical")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WAYS = ("discord", "discord-bot", "slack", "webhook", "apprise")
_WITHOUT_BARS = ("coingecko",)
"""Sources that give no bars of a minute."""
_RULE = ("of", "assets", "when", "hold", "cool-down", "severity", "hours", "days", "tell")
_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_NUMBER = r"[+-]?\d+(?:_?\d+)*(?:\.\d+)?(?:[eE][+-]?\d+)?"
_FORMS: Mapping[Form, tuple[re.Pattern[str], str]] = {
    "number": (re.compile(rf"({_NUMBER})"), "a number like 100000"),
    "percent": (re.compile(r"(\d+(?:\.\d+)?) ?%"), "a percentage like 5%"),
    "times": (re.compile(r"(\d+(?:\.\d+)?) ?x"), "a multiple like 3x"),
    "bps": (re.compile(r"(\d+(?:\.\d+)?) ?bps"), "basis points like 50bps"),
    "sigma": (re.compile(r"(\d+(?:\.\d+)?)"), "a number of sigmas like 6"),
    "span": (re.compile(r"(\d+)([smhd])"), "a time span like 90s, 5m, 1h or 7d"),
    "bars": (re.compile(r"(\d+)"), "a whole number from 2 to 1000"),
}


class Item(NamedTuple):
    """One entry of a mapping of the file."""

    key: str
    line: int
    node: yaml.Node


class _Wrong(Exception):  # noqa: N818 - never leaves this module
    """This value is of no use; why is noted already."""


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
    with suppress(_Wrong):
        rules = reader.file(root)
    if reader.faults:
        raise SettingsError(reader.faults)
    return rules


class _Reader:
    def __init__(self, name: str) -> None:
        self._name = name
        self.faults: list[str] = []

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
        except _Wrong:
            return []

    def _derived(self, name: str, node: yaml.Node) -> Assets | None:
        try:
            assets = self._assets(node, name)
        except _Wrong:
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
        except _Wrong:
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
                self._fault(node, f"{where}: there is no channel {name!r}; {_there_are(name, channels)}")
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

    def _when(self, node: yaml.Node, where: str, of: Series) -> tuple[Any, list[Condition]]:
        items = self._said(node, where)
        if items.keys() in ({"all"}, {"any"}):
            [(join, item)] = items.items()
            if not isinstance(item.node, yaml.SequenceNode) or len(item.node.value) < 2:
                raise self._wrong(item.line, f"{where}: `{join}` has a list of two conditions or more")
            return join, [self._condition(each, self._said(each, where), where, of) for each in item.node.value]
        return "all", [self._condition(node, items, where, of)]

    def _said(self, node: yaml.Node, where: str) -> Mapping[str, Item]:
        """The words of a condition, or of `all` or `any`."""
        if not isinstance(node, yaml.MappingNode):
            raise self._wrong(node, f"{where}, when: a condition is like {{falls: 5%, within: 1h}}; several are a "
                              "list below `all:` or `any:`")  # fmt: skip
        return {item.key: item for item in self._items(node, f"{where}, when")}

    def _condition(self, node: yaml.Node, items: Mapping[str, Item], where: str, of: Series) -> Condition:
        kinds = [key for key in items if key in KINDS]
        if len(kinds) != 1:
            odd = next((key for key in items if key not in KINDS), "")
            if kinds:
                what = f"there are two conditions, {' and '.join(kinds)}: put them below `all:` or `any:`"
            elif odd in ("all", "any"):
                what = f"`{odd}:` stands alone right below `when:`, and not in another one"
            else:
                named = f"there is no condition {odd!r}" if items else "there is no condition"
                what = f"{named}; {_there_are(odd, [*KINDS, 'all', 'any'])}"
            raise self._wrong(node, f"{where}: {what}")
        name, kind = kinds[0], KINDS[kinds[0]]
        self._refuse_unknown(items.values(), f"{where}, {name}", (name, "of", "clear", *kind.options))
        if "of" in items:
            of = self._series(items["of"].node, where)
        if kind.of:
            dataset, field = kind.of.split(".")
            of = Series(dataset, "", field)
        if kind.closed_bars and of.dataset != "candle":
            self._fault(node, f"{where}: {name} is of closed bars: say `of: candle-1h.close` or another interval")
        options: dict[str, Any] = {}
        for key, option in kind.options.items():
            if key in items:
                options[key] = self._option(items[key].node, where, key, option)
            elif option.default is None and not option.optional:
                raise self._wrong(node, f"{where}: {name} needs `{key}:`, {_form(option)}")
            else:
                options[key] = option.default
        return self._finished(name, kind, items=items, where=where, of=of, options=options)

    def _finished(
        self, name: str, kind: Kind, *, items: Mapping[str, Item], where: str, of: Series, options: dict[str, Any]
    ) -> Condition:
        if options.get("fast", 0) >= options.get("slow", 1_000_000):
            self._fault(items[name].line, f"{where}: fast must be fewer bars than slow")
        if kind.words:
            options["direction"] = self._one_of(items[name].node, where, name, kind.words)
            return Condition(kind=name, of=of, threshold=0.0, clear=0.0, options=options)
        sign = -1.0 if kind.negative else 1.0
        threshold = sign * self._value(items[name].node, where, name, kind.main)
        clear = sign * self._value(items["clear"].node, where, "clear", kind.main) if "clear" in items else threshold
        if kind.main == "span":
            threshold, clear = threshold / 1000, threshold / 1000
        if (clear > threshold) if kind.above else (clear < threshold):
            self._fault(items["clear"].line, f"{where}: with `clear` beyond the threshold it would end as it begins")
        if kind.unit == "percentile" and not 0 < threshold < 100:
            self._fault(items[name].line, f"{where}: a percentile is between 0 and 100")
        return Condition(kind=name, of=of, threshold=threshold, clear=clear, options=options)

    def _option(self, node: yaml.Node, where: str, key: str, option: Option) -> Any:
        if option.form == "word":
            word: str = self._one_of(node, where, key, option.words) if option.words else self._text(node, where, key)
            if key == "from":
                self._refuse_slip(node, where, word)
            elif key == "in" and word not in DATASETS:
                try:
                    called(word)
                except ValueError as error:
                    raise self._wrong(node, f"{where}: in: {error}") from error
            return word
        value = self._value(node, where, key, option.form)
        return int(value) if option.form in ("span", "bars") else value

    def _series(self, node: yaml.Node, where: str) -> Series:
        text = self._text(node, where, "of")
        name, dot, field = text.rpartition(".")
        if not dot:
            raise self._wrong(node, f"{where}: of: {text!r} is not DATASET.FIELD like ticker.price or candle-1h.close")
        try:
            dataset, part = called(name)
        except ValueError as error:
            raise self._wrong(node, f"{where}: of: {error}") from error
        numbers = [each.name for each in dataset.columns if each.kind in ("double", "long") and not each.many]
        if dataset.name in ("alert", "market", "gap", "stats"):
            words = "; of gaps there is the condition `gap: 30s`" if dataset.name == "gap" else ""
            raise self._wrong(
                node, f"{where}: of: rules look at numbers of assets over time, and {name} has none{words}"
            )
        if field not in numbers:
            raise self._wrong(node, f"{where}: of: {name} has no number {field!r}; {_there_are(field, numbers)}")
        return Series(dataset.name, part, field)

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

    def _refuse_slip(self, node: yaml.Node, where: str, source: str) -> None:
        """Others may write to the topics, too; what is nearly one of ours is a slip of the pen, and no rule would ever
        hold."""
        close = get_close_matches(source, SOURCE_NAMES, n=1, cutoff=0.8)
        if close and source not in SOURCE_NAMES and "*" not in source:
            self._fault(node, f"{where}: there is no source {source!r}; did you mean {close[0]}?")

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

    # --- what all of it is made of
    def _items(self, node: yaml.Node, where: str, allowed: Collection[str] = ()) -> Iterator[Item]:
        if not isinstance(node, yaml.MappingNode):
            raise self._wrong(node, f"{where}: here stand names with values, like `{next(iter(allowed), 'name')}: …`")
        items: dict[str, Item] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            line = key.start_mark.line + 1
            if name in items:
                self._fault(line, f"{where}: {name} is there twice; first in line {items[name].line}")
            items.setdefault(name, Item(name, line, value))
        if allowed:
            self._refuse_unknown(items.values(), where, allowed)
        yield from items.values()

    def _refuse_unknown(self, items: Collection[Item], where: str, allowed: Collection[str]) -> None:
        for item in items:
            if item.key not in allowed:
                self._fault(item.line, f"{where}: there is no {item.key!r}; {_there_are(item.key, allowed)}")

    def _value(self, node: yaml.Node, where: str, key: str, form: Form, *, least: int = 2) -> float:
        text = self._text(node, where, key)
        pattern, like = _FORMS[form]
        found = pattern.fullmatch(text)
        if found is None:
            raise self._wrong(node, f"{where}: {key}: {text!r} is not {like}")
        value = float(found[1].replace("_", "")) * (_UNITS[found[2]] if form == "span" else 1)
        if (
            not math.isfinite(value)
            or (form == "bars" and not least <= value <= 1000)
            or (form not in ("bars", "number") and value <= 0)
        ):
            like = like.replace("from 2", f"from {least}")
            raise self._wrong(node, f"{where}: {key}: {text} is out of range; it must be {like}")
        if form == "span" and value > 31 * _UNITS["d"]:
            raise self._wrong(node, f"{where}: {key}: {text} is more than 31 days")
        return value

    def _one_of(self, node: yaml.Node, where: str, key: str, words: Collection[str]) -> Any:
        text = self._text(node, where, key)
        if text not in words:
            raise self._wrong(node, f"{where}: {key}: {text!r} is none; {_there_are(text, words)}")
        return text

    def _text(self, node: yaml.Node, where: str, key: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value:
            raise self._wrong(node, f"{where}: {key}: here stands one value")
        return str(node.value).strip()

    def _list(self, node: yaml.Node, where: str, key: str) -> list[tuple[str, yaml.Node]]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise self._wrong(node, f"{where}: {key}: here stands a list like [one, two]")
        return [(self._text(each, where, key), each) for each in node.value]

    def _fault(self, at: yaml.Node | int, words: str) -> None:
        line = at if isinstance(at, int) else at.start_mark.line + 1
        self.faults.append(f"{self._name}:{line}: {words}")

    def _wrong(self, at: yaml.Node | int, words: str) -> _Wrong:
        self._fault(at, words)
        return _Wrong()


def _form(option: Option) -> str:
    if option.form == "word":
        return f"one of {', '.join(option.words)}" if option.words else "a word"
    return _FORMS[option.form][1]


def _there_are(wrong: str, names: Collection[str]) -> str:
    close = get_close_matches(wrong, names, n=1)
    listed = f"there are {', '.join(names)}" if names else "there are none"
    return f"did you mean {close[0]}? {listed}" if close else listed
