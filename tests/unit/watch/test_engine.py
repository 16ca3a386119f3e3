"""The loop that judges, where Kafka is away in the middle of something."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kafka import errors as kafka_errors
from prometheus_client import CollectorRegistry

from cryptoproxy.common.metrics import WatchMetrics
from cryptoproxy.common.service import Health
from cryptoproxy.common.settings import Settings
from cryptoproxy.watch.engine import Engine
from cryptoproxy.watch.rulebook.reading import read

RULE = "rules:\n  r:\n    when: {above: %d}\n"


class Away:
    """Brokers that do not tell where the topics end, until they do."""

    back = False

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {0}

    def end_offsets(self, partitions: list[Any]) -> dict[Any, int]:
        if not self.back:
            raise kafka_errors.KafkaTimeoutError("no answer")
        return dict.fromkeys(partitions, 7)

    def close(self, **_: Any) -> None: ...


def test_new_rules_are_in_force_everywhere_or_nowhere_and_are_not_forgotten(tmp_path: Path):
    path = tmp_path / "watch.yaml"
    path.write_text(RULE % 1)
    before = read(path)
    away = Away()
    engine = Engine(
        kafka=Settings.from_texts({}).kafka, path=path, rules=before, shares=cast("Any", None),
        make=cast("Any", None), connect=lambda **_: away, health=Health(),
        metrics=WatchMetrics(CollectorRegistry()), now_ms=lambda: 0, prepare=lambda _: None,
    )  # fmt: skip
    renewed: list[Any] = []
    engine._live[0] = cast("Any", SimpleNamespace(renew=lambda rules, *_: renewed.append(rules)))
    path.write_text(RULE % 1_000)
    with pytest.raises(kafka_errors.KafkaError):
        engine._look_at_rules()
    assert (engine.rules, renewed) == (before, [])
    away.back = True
    engine._look_at_rules()
    assert renewed == [engine.rules]
    assert engine.rules == read(path) != before
