"""One process that streams, as tests have it: room, outbox and threads, and what has come of it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.producer.feeds.poll import PollOnce
from cryptoproxy.producer.feeds.stream.marks import StreamNote
from cryptoproxy.producer.feeds.stream.room import Room
from cryptoproxy.producer.outbox import Entry, Outbox
from cryptoproxy.producer.outbox.waiting import KAFKA
from cryptoproxy.upstreams.streaming.stream import Left, Stream
from tests.unit.producer.fakes import Metrics


class Streaming:
    """Nothing takes its batches out of the outbox.

    Args:
        ask: stands for :class:`PollOnce`.
        left: by the holder before.
    """

    def __init__(
        self,
        stream: Stream,
        folder: Path,
        *,
        ask: object,
        max_bytes: int = 1 << 26,
        left: Left | None = None,
        batch_seconds: float = 0.05,
    ) -> None:
        self.active = True
        self.health = Health()
        self.metrics = Metrics()
        self.outbox = Outbox(folder, max_bytes=max_bytes)
        self.room = Room(
            stream.venue,
            [stream],
            ask={stream.feed.name: cast("PollOnce", ask)},
            told=lambda feed: StreamNote(),
            left=lambda stream, told: left or Left(),
            may_poll=lambda: self.active,
            outbox=self.outbox,
            health=self.health,
            metrics=self.metrics,
            clock=SystemClock(),
            batch_seconds=batch_seconds,
            batch_records=1_000,
            kept=lambda entry, arrived, size: None,
        )
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=run, args=(Loop(name, self._stop),), daemon=True)
            for name, run in self.room.threads()
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.outbox.close()

    def entries(self, dataset: str) -> list[Entry]:
        return [entry for entry in self.outbox.oldest(KAFKA) if entry.feed.dataset == dataset]

    def records(self, dataset: Any) -> list[Any]:
        return [
            dataset.codec.decode(line)
            for entry in self.entries(dataset.name)
            for line in (self.outbox.read(KAFKA, entry) or b"").splitlines()
        ]
