"""The option ``--dataset``, as every command has it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

import click

from cryptoproxy.datasets import DATASETS, Dataset, called

C = TypeVar("C", bound=Callable[..., Any])


def _known(context: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[Dataset[Any]]:
    """In the order of the table, each once."""
    if unknown := [value for value in values if value not in DATASETS]:
        raise click.BadParameter(f"there is no {', '.join(unknown)}; there are {', '.join(DATASETS)}")
    return [dataset for name, dataset in DATASETS.items() if name in values]


def _known_or_part(
    context: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> list[tuple[Dataset[Any], str | None]]:
    """A dataset and None for all of it, or one part."""
    try:
        return [(DATASETS[value], None) if value in DATASETS else called(value) for value in values]
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def dataset_option(default: str, *, parts: bool = False) -> Callable[[C], C]:
    """``datasets`` of a command: those that were named; empty where none was.

    Args:
        default: what that means, for its help.
        parts: allows ``candle-1m``; then each comes with its part, or with None.
    """
    return click.option(
        "--dataset", "datasets", multiple=True, callback=_known_or_part if parts else _known, metavar="NAME",
        help=f"Only this one ({', '.join(DATASETS)}{', or candle-1m' if parts else ''}); by default {default}. "
        "May be repeated.",
    )  # fmt: skip


def indexed(datasets: Collection[Dataset[Any]]) -> list[Dataset[Any]]:
    """Those of which there are documents."""
    return [dataset for dataset in datasets if dataset.alias is not None]
