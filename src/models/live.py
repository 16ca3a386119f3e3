"""The model at work: each bar that is over, from its topic, and what the live version says of the next one.

Nothing is kept between two starts: the bars that are needed are read again from the topic, and what was said of the
last bar is said once more, under the same id. So any number of processes may run; readers have each id once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from kafka import TopicPartition
from kafka import errors as kafka_errors

from cryptoproxy.common.clients.kafka_python.sender import Sender
from cryptoproxy.common.clients.turns import take_turns
from cryptoproxy.common.metrics import ModelsMetrics
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.common.service.health import tell_slow_clock
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import CANDLE, MAX_AHEAD_MS, PREDICTION, Prediction, from_iso, key
from cryptoproxy.errors import OperatorError, PoisonError
from cryptoproxy.models.features import ENOUGH_BARS
from cryptoproxy.models.registry import Model, Registry
from cryptoproxy.models.scoring import Scorer, fits

log = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
"""Another version may have been made live: it is looked for so often."""
SAY_SECONDS = 5.0
"""So long what is due waits for more at most."""


class Predictor:
    """A loop for one model.

    Args:
        name: of the model: ``direction-1h``.
        connect: makes a consumer.
        sender: has producers.
    """

    def __init__(
        self,
        *,
        kafka: Kafka,
        registry: Registry,
        name: str,
        scorer: Scorer,
        interval: str,
        connect: Callable[..., Any],
        sender: Sender,
        now_ms: Callable[[], int],
        health: Health,
        metrics: ModelsMetrics,
    ) -> None:
        self._kafka, self._registry, self._name, self._scorer = kafka, registry, name, scorer
        self._topic = kafka.topic_of(CANDLE, interval)
        self._connect, self._sender, self._now_ms, self._health = connect, sender, now_ms, health
        self._metrics = metrics
        self._consumer: Any = None
        self._partitions: set[int] = set()
        self._model: Model | None = None
        self._looked = 0.0
        self._said = time.monotonic()
        self._due: set[str] = set()
        """Assets whose newest bar nothing was said of yet."""

    def run(self, loop: Loop) -> None:
        """Until a stop."""
        take_turns(loop, self._turn, part="predictions", health=self._health, kafka=self._kafka, failed=lambda: None)
        self._close()
        self._sender.close()

    def _turn(self) -> None:
        """
        Raises:
            CryptoProxyError, kafka.errors.KafkaError: what is due stays so.
        """
        try:
            if self._consumer is None or self._has_other_partitions():
                self._begin()
            polled = self._consumer.poll(timeout_ms=500)
        except kafka_errors.KafkaError:
            self._close()  # also one that has begun by half: it would read nothing, or from elsewhere
            raise
        ahead, now_ms = 0, self._now_ms()
        for records in polled.values():
            self._metrics.bars.inc(len(records))
            for each in records:
                with suppress(PoisonError):  # a dead letter of the indexer
                    bar = CANDLE.codec.decode(each.value)
                    if from_iso(bar.timestamp) > now_ms + MAX_AHEAD_MS:  # all others of its asset would be too old
                        ahead += 1
                    elif (name := self._scorer.see(bar)) is not None:
                        self._due.add(name)
        if polled:
            tell_slow_clock(self._health, ahead, sum(map(len, polled.values())), now_ms)
        # All that is there was read, or a history brings more and more of it, which shall hold nothing up.
        if not polled or time.monotonic() - self._said >= SAY_SECONDS:
            self._said = time.monotonic()
            if self._due or self._model is None:
                self._say()

    def _has_other_partitions(self) -> bool:
        """False also where the client knows of none for a moment."""
        return bool(now := self._consumer.partitions_for_topic(self._topic)) and now != self._partitions

    def _begin(self) -> None:
        """Also where the topic has got partitions: what is read again is known."""
        self._close()
        self._consumer = self._connect(group_id=None)
        self._partitions = set(self._consumer.partitions_for_topic(self._topic) or ())
        partitions = [TopicPartition(self._topic, each) for each in sorted(self._partitions)]
        if not partitions:
            self._close()
            raise OperatorError(f"topic {self._topic} is missing", remedy="Run `cryptoproxy setup`")
        self._consumer.assign(partitions)
        since_ms = self._now_ms() - ENOUGH_BARS * self._scorer.step_ms
        for partition, found in self._consumer.offsets_for_times(dict.fromkeys(partitions, since_ms)).items():
            if found is None:
                self._consumer.seek_to_end(partition)
            else:
                self._consumer.seek(partition, found.offset)

    def _say(self) -> None:
        model, now_ms = self._live(), self._now_ms()
        made = {name: self._scorer.predict(name, model, now_ms) for name in sorted(self._due)}
        said = [each for each in made.values() if each is not None]
        failures = self._sender.send_all([partial(self._send, each) for each in said])
        if failed := next((each for each in failures if each is not None), None):
            raise failed
        self._due.clear()
        self._metrics.predictions.labels("said").inc(len(said))
        self._metrics.predictions.labels("unsaid").inc(len(made) - len(said))
        if said:
            self._metrics.last.set(max(from_iso(each.timestamp) for each in said) / 1000)
            log.info("%s %s said what it makes of %d assets", self._name, model.about.version, len(said))

    def _send(self, prediction: Prediction, producer: Any) -> Any:
        return producer.send(
            self._kafka.topic_of(PREDICTION),
            key=key(prediction).encode(),
            value=PREDICTION.codec.encode(prediction),
            headers=PREDICTION.headers,
        )

    def _live(self) -> Model:
        """Raises:
        OperatorError: no version is live, or it cannot be used.
        """
        if self._model is not None and time.monotonic() - self._looked < LOOK_SECONDS:
            return self._model
        version = self._registry.live(self._name)
        self._looked = time.monotonic()
        if version is None:
            raise OperatorError(f"no version of {self._name} is live", remedy="Train one (docs/models.md)")
        if self._model is None or self._model.about.version != version:
            model = self._registry.load(self._name, version)
            if not fits(model):
                raise OperatorError(
                    f"{self._name} {version} wants features that are not known here: {', '.join(model.about.features)}",
                    remedy="Train one of this release",
                )
            self._model = model
            self._metrics.learned.set(from_iso(model.about.end) / 1000)
            log.info("%s %s is at work", self._name, version)
        return self._model

    def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(kafka_errors.KafkaError):
                consumer.close(autocommit=False, timeout_ms=2_000)
