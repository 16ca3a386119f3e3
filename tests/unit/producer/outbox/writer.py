"""Keeps polls until it is killed, and says each one's name when ``keep`` has returned. Run by ``test_kills``."""

from __future__ import annotations

import os
import random
import sys
import threading
from pathlib import Path

from cryptoproxy.datasets import Feed
from cryptoproxy.producer.outbox import Outbox


def poll(seed: int, source: str, number: int) -> bytes:
    """The same content whenever it is asked for."""
    made = random.Random(f"{seed} {source} {number}")
    return b"".join(
        b'{"n":%d,"x":"%s"}\n' % (number, made.randbytes(30).hex().encode()) for _ in range(made.randrange(60))
    )


def keep_on(outbox: Outbox, seed: int, source: str, number: int) -> None:
    while True:
        entry = outbox.keep(Feed(source), poll(seed, source, number), begin_ms=number, slot_ms=number)
        os.write(1, f"{entry.name}\n".encode())  # one write, so whole or not at all
        number += 1


if __name__ == "__main__":
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    outbox = Outbox(folder, max_bytes=2**40)
    for source in ("a", "b"):
        first = (outbox.last_slot(source) or 0) + 1
        threading.Thread(target=keep_on, args=(outbox, seed, source, first)).start()
