"""Python's garbage collector, set for a process that makes many short-lived objects for months."""

from __future__ import annotations

import gc

OBJECTS = 10_000
"""New ones, in excess of those freed, before the collector looks: more than a few batches are."""


def settle() -> None:
    """Once a process is made, before it works: what is there by now stays to the end, and no pass looks at it again.

    Without it each pass through everything, and a few batches of records make for one, visits sixty thousand objects of
    modules and clients: an eighth of the indexer's CPU. Almost all that the work leaves is freed by its reference
    counts; what is in cycles (an error with its traceback) is still collected.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS, *gc.get_threshold()[1:])
