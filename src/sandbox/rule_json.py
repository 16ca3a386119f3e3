"""Rules out of JSON and back, for the control endpoint and for files."""

from __future__ import annotations

import types
import typing

import msgspec

from cryptoproxy.sandbox.faults import Count, Rule, RuleError

_TYPES = typing.get_type_hints(Rule) | {"body": str | None, "rewrite": str | None}
"""What JSON can hold: no bytes, no functions."""


def read_rules(text: bytes) -> list[Rule]:
    """One rule, or a list of them.

    Raises:
        RuleError: with the place and the field.
    """
    try:
        data: object = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise RuleError(f"not JSON: {error}") from None
    if not isinstance(data, list):
        return [read_rule(data)]
    rules: list[Rule] = []
    for i, item in enumerate(data):
        try:
            rules.append(read_rule(item))
        except RuleError as error:
            raise RuleError(f"rule {i}: {error}") from None
    return rules


def read_rule(data: object) -> Rule:
    if not isinstance(data, dict):
        raise RuleError("a rule is a JSON object")
    fields: dict[str, object] = {}
    for name, value in data.items():
        if name not in _TYPES:
            raise RuleError(f"{name}: unknown field; there are {', '.join(_TYPES)}")
        try:
            fields[name] = msgspec.convert(value, _TYPES[name])
        except msgspec.ValidationError as error:
            raise RuleError(f"{name}: {error}") from None
    return typing.cast("typing.Callable[..., Rule]", Rule)(**fields)


def show_count(count: Count) -> dict[str, object]:
    """A rule with its counts; fields that are not set are left out."""
    shown: dict[str, object] = {"label": count.rule.label, "seen": count.seen, "fired": count.fired}
    return shown | {name: _plain(value) for name, value in count.rule.given().items()}


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.__name__ if isinstance(value, types.FunctionType) else value
