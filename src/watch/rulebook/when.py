"""A condition of a rule, read: its kind, the numbers that it is of, and what its kind allows."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import yaml

from cryptoproxy.common.settings.catalogue import SOURCE_NAMES
from cryptoproxy.datasets import DATASETS, called
from cryptoproxy.watch.rulebook.conditions import KINDS, Kind, Option
from cryptoproxy.watch.rulebook.nodes import FORMS, Item, Nodes, there_are
from cryptoproxy.watch.rulebook.rules import Condition, Series

FITS_ALL = Series("candle", "1h", "close")
"""In the place of a number that is wrong: every condition may be of it, so that none is blamed."""


class When(Nodes):
    """Reads what stands behind `when:` and `of:`."""

    def _when(self, node: yaml.Node, where: str, of: Series) -> tuple[Any, list[Condition]]:
        items = self._said(node, where)
        if items.keys() in ({"all"}, {"any"}):
            [(join, item)] = items.items()
            if not isinstance(item.node, yaml.SequenceNode) or len(item.node.value) < 2:
                raise self._wrong(item.line, f"{where}: `{join}` has a list of two conditions or more")
            read = [self._or(None, self._listed, each, where, of) for each in item.node.value]
            return join, [each for each in read if each is not None]
        return "all", [self._condition(node, items, where, of)]

    def _listed(self, node: yaml.Node, where: str, of: Series) -> Condition:
        return self._condition(node, self._said(node, where), where, of)

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
                what = f"{named}; {there_are(odd, [*KINDS, 'all', 'any'])}"
            raise self._wrong(node, f"{where}: {what}")
        name, kind = kinds[0], KINDS[kinds[0]]
        self._refuse_unknown(items.values(), f"{where}, {name}", (name, "of", "clear", *kind.options))
        if "of" in items:
            of = self._or(FITS_ALL, self._series, items["of"].node, where)
        if kind.of:
            dataset, field = kind.of.split(".")
            of = Series(dataset, "", field)
        if kind.closed_bars and of.dataset != "candle":
            self._fault(node, f"{where}: {name} is of closed bars: say `of: candle-1h.close` or another interval")
        options: dict[str, Any] = {}
        for key, option in kind.options.items():
            options[key] = option.default
            if key in items:
                options[key] = self._or(option.default, self._option, items[key].node, where, key, option)
            elif option.default is None and not option.optional:
                self._fault(node, f"{where}: {name} needs `{key}:`, {form_of(option)}")
        return self._finished(name, kind, items=items, where=where, of=of, options=options)

    def _finished(
        self, name: str, kind: Kind, *, items: Mapping[str, Item], where: str, of: Series, options: dict[str, Any]
    ) -> Condition:
        if (options.get("fast") or 0) >= (options.get("slow") or 1_000_000):
            self._fault(items[name].line, f"{where}: fast must be fewer bars than slow")
        if kind.words:
            options["direction"] = self._one_of(items[name].node, where, name, kind.words)
            return Condition(kind=name, of=of, threshold=0.0, clear=0.0, options=options)
        sign = -1.0 if kind.negative else 1.0
        clear = (
            self._or(None, self._value, items["clear"].node, where, "clear", kind.main) if "clear" in items else None
        )
        threshold = sign * self._value(items[name].node, where, name, kind.main)
        clear = threshold if clear is None else sign * clear
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
            raise self._wrong(node, f"{where}: of: {name} has no number {field!r}; {there_are(field, numbers)}")
        return Series(dataset.name, part, field)

    def _refuse_slip(self, node: yaml.Node, where: str, source: str) -> None:
        """Others may write to the topics, too; what is nearly one of ours is a slip of the pen, and no rule would ever
        hold."""
        close = get_close_matches(source, SOURCE_NAMES, n=1, cutoff=0.8)
        if close and source not in SOURCE_NAMES and "*" not in source:
            self._fault(node, f"{where}: there is no source {source!r}; did you mean {close[0]}?")


def form_of(option: Option) -> str:
    if option.form == "word":
        return f"one of {', '.join(option.words)}" if option.words else "a word"
    return FORMS[option.form][1]
