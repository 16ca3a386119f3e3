"""The option ``--dataset`` and the spelling of a dataset with its part, as every command has them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

import click

from cryptoproxy.datasets import DATASETS, Dataset

C = TypeVar("C", bound=Callable[..., Any])


def _known(context: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[Dataset[Any]]:
    """In the order of the table, each once."""
    if unknown := [value for value in values if value not in DATASETS]:
        raise click.BadParameter(f"there is no {', '.join(unknown)}; there are {', '.join(DATASETS)}")
    return [dataset for name, dataset in DATASETS.items() if name in values]


def dataset_option(default: str) -> Callable[[C], C]:
    """``datasets`` of a command: those that were named; empty where none was.

    Args:
        default: what that means, for its help.
    """
    return click.option(
        "--dataset", "datasets", multiple=True, callback=_known, metavar="NAME",
        help=f"Only this one ({', '.join(DATASETS)}); by default {default}. May be repeated.",
    )  # fmt: skip


def indexed(datasets: Collection[Dataset[Any]]) -> list[Dataset[Any]]:
    """Those of which there are documents."""
    return [dataset for dataset in datasets if dataset.alias is not None]
