"""Everything whose ``keep`` has returned is there after a SIGKILL at any moment."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from cryptoproxy.producer.outbox import Entry, Outbox, files
from cryptoproxy.producer.outbox.waiting import KAFKA, S3
from tests.unit.producer.outbox import writer

KILLS = 50
LONGEST = 40
"""Polls that a process keeps before it is killed."""


def keep_and_kill(folder: Path, seed: int, moment: random.Random) -> list[str]:
    """The names of what was kept before the process was killed."""
    with subprocess.Popen(
        [sys.executable, writer.__file__, str(folder), str(seed)],
        env={**os.environ, "PYTHONPATH": str(Path(files.__file__).parents[2])},
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        said = b""
        for _ in range(moment.randrange(LONGEST)):
            said += process.stdout.readline()
        # Somewhere within the next few polls, or while it begins.
        try:
            process.wait(moment.uniform(0, 0.004))
        except subprocess.TimeoutExpired:
            process.kill()
        said += process.stdout.read()
    assert process.returncode == -9
    return said.decode().splitlines()


def test_whatever_was_kept_is_there_after_fifty_kills(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moment = random.Random(seed)
    kept: list[str] = []
    for _ in range(KILLS):
        kept += keep_and_kill(tmp_path, seed, moment)
        for folder in (KAFKA, S3):
            assert set(kept) <= {path.name for path in (tmp_path / folder).glob("*")}  # killed before it was made, too
    assert len(kept) == len(set(kept))
    assert len(kept) > KILLS

    outbox = Outbox(tmp_path, max_bytes=2**40)
    entries = {name: Entry.parse(name) for name in kept}
    for drain in (KAFKA, S3):
        waiting = outbox.oldest(drain)
        assert set(entries.values()) <= set(waiting)
        for entry in waiting:
            assert outbox.read(drain, entry) == writer.poll(seed, entry.feed.source, entry.slot_ms)
        for source in ("a", "b"):
            # no slot twice, none passed over: the last slot was right at each start
            slots = [entry.slot_ms for entry in waiting if entry.feed.source == source]
            assert slots == list(range(1, len(slots) + 1))
    assert list((tmp_path / "writing").iterdir()) == list((tmp_path / "damaged").iterdir()) == []
    outbox.close()
