"""Python's garbage collector, told what it need not look at."""

from __future__ import annotations

import gc


def settle() -> None:
    """Once a process is made, before it works: what is there by now stays to the end, and no pass visits it again.

    Else each full pass visits over sixty thousand objects of modules and clients, and every few batches of records make
    for one: an eighth of the indexer's CPU. How often the collector looks stays as it is: a request that failed leaves
    its body in a cycle of its error's traceback, and a hundred of those would be much memory.
    """
    gc.collect()
    gc.freeze()
