"""What people type as the value of an option: a span, a moment, a day. None, where nothing was typed, stays None."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.settings import kinds
from cryptoproxy.datasets.times import DAY_MS, from_person


def seconds(context: click.Context, param: click.Parameter, value: str | None) -> Any:
    """A span, as settings have it: ``90s``, ``5m``."""
    try:
        return None if value is None else kinds.duration().parse(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} {error}") from error


def moment(context: click.Context, param: click.Parameter, value: str | None) -> Any:
    """A date, a time (UTC), ``yesterday`` or ``90d`` ago, in epoch ms."""
    try:
        return None if value is None else from_person(value, now_ms=SystemClock().now_ms())
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def day_of(context: click.Context, param: click.Parameter, value: str | tuple[str, ...] | None) -> Any:
    """The begin of a day, or of each of several."""
    if value is None or isinstance(value, tuple):
        return None if value is None else [day_of(context, param, each) for each in value]
    try:
        day_ms = from_person(value, now_ms=SystemClock().now_ms())
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if day_ms % DAY_MS:
        raise click.BadParameter(f"{value!r} is not a date like 2026-11-01")
    return day_ms


def names(context: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    """A list with commas between them; empty where nothing was typed."""
    from cryptoproxy.queries.asking import names_in  # it takes a moment to load

    try:
        return () if value is None else names_in(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def word(context: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Not an empty one, as of a variable that is not set: it would count as not typed."""
    if value is not None and not value.strip():
        raise click.BadParameter(f"{value!r} names nothing: leave it out, or say which")
    return value


def picture(context: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """A file that can be drawn into, known before the work begins."""
    if value is not None and value.suffix.lower() not in (".png", ".svg"):
        raise click.BadParameter(f"{value} must end in .png or .svg")
    return value
