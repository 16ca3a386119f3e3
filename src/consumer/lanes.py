"""The pipelines of a dataset's topics, together: each topic has its own, and offsets are of a topic."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from cryptoproxy.consumer.batch import Destination
from cryptoproxy.consumer.pipeline import Pipeline

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Lane:
    """What reads one topic: where its records belong, and what of them is under way."""

    place: Destination
    pipeline: Pipeline


class Lanes(dict[str, Lane]):
    """By topic. What is said by partition goes to, and comes from, the pipeline of its topic."""

    @property
    def pipelines(self) -> list[Pipeline]:
        return [lane.pipeline for lane in self.values()]

    def finish(self, seconds: float) -> None:
        """Waits at most so long for what is under way, shared out among those that are not done."""
        deadline = time.monotonic() + seconds
        for pipeline in self.pipelines:
            pipeline.finish(0.0)
        while (left := deadline - time.monotonic()) > 0 and (
            unfinished := [each for each in self.pipelines if each.unfinished]
        ):
            for pipeline in unfinished:
                pipeline.finish(min(left, 0.2) / len(unfinished))

    def take_finished(self) -> dict[Any, int]:
        return {each: offset for pipeline in self.pipelines for each, offset in pipeline.take_finished().items()}

    def offer(self, offsets: Mapping[Any, int]) -> None:
        for topic, of_topic in by_topic(offsets).items():
            self[topic].pipeline.offer(of_topic)

    def put_back(self, offsets: Mapping[Any, int]) -> None:
        for topic, of_topic in by_topic(offsets).items():
            self[topic].pipeline.put_back(of_topic)

    def keep_only(self, owned: Any) -> None:
        for pipeline in self.pipelines:
            pipeline.keep_only(owned)


def by_topic(by_partition: Mapping[Any, V]) -> dict[str, dict[Any, V]]:
    found: dict[str, dict[Any, V]] = {}
    for partition, value in by_partition.items():
        found.setdefault(partition.topic, {})[partition] = value
    return found
