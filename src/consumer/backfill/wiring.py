"""Replay, reconcile and retention built from settings: the one place where their clients are made."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import elastic_transport
import elasticsearch
from rich.console import Console

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clients.outcome import meaning
from cryptoproxy.common.clock import Clock, SystemClock
from cryptoproxy.common.retry import Patience
from cryptoproxy.common.settings import Settings
from cryptoproxy.consumer.backfill.documents import Documents
from cryptoproxy.consumer.backfill.progress import Display, Marks, Totals
from cryptoproxy.consumer.backfill.reconcile import Reconciled, gather, reconcile
from cryptoproxy.consumer.backfill.replay import Rate, Replay
from cryptoproxy.consumer.backfill.retention import Retention
from cryptoproxy.consumer.backfill.targets import IndexTarget, Target, TopicTarget, topic_producer
from cryptoproxy.consumer.batch import place_of
from cryptoproxy.consumer.index.template import there
from cryptoproxy.consumer.letters import reader
from cryptoproxy.consumer.wiring import replaying
from cryptoproxy.datasets import Dataset, iso
from cryptoproxy.datasets.times import Span
from cryptoproxy.errors import OperatorError
from cryptoproxy.lake.form import Form
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.whole import whole_lake

SEARCH_SECONDS = 120.0


def progress_folder(settings: Settings) -> Path:
    """Where replays mark how far they have got, unless another folder is named."""
    return settings.poller.outbox_dir.parent / "replay"


def set_up_datasets(settings: Settings) -> list[Dataset[Any]]:
    """Those that have a template; what is away is waited for."""

    def ask() -> list[Dataset[Any]]:
        try:
            with closing(elastic.client(settings.elasticsearch, connections=1)) as client:
                return there(client, settings.elasticsearch)
        except (elasticsearch.ApiError, elastic_transport.TransportError) as error:
            raise meaning(error, url=settings.elasticsearch.url) from error

    return Patience("Elasticsearch", threading.Event().wait)(ask)


def replay(
    settings: Settings,
    dataset: Dataset[Any],
    span: Span,
    *,
    sources: Sequence[str] | None,
    topic: str | None,
    rate: float | None,
    resume: bool,
    progress_dir: Path,
    console: Console,
) -> Totals:
    """Everything of ``span`` into the index, or to ``topic``."""
    clock = SystemClock()
    # In the main thread this wait ends at Ctrl-C, as those of the indexing path do.
    wait = threading.Event().wait
    marks = Marks(progress_dir, _task(settings, dataset, span, sources, topic))
    if not resume:
        marks.forget()
    target = _index(settings, dataset, clock) if topic is None else _topic(settings, dataset, topic, wait)
    archive = whole_lake(Store(settings.s3, patiently=Patience("S3", wait)), dataset)
    with (
        closing(target),
        Display(f"replay of {dataset.name}s", console) as display,
    ):
        return Replay(
            archive,
            target,
            marks,
            Rate(rate, monotonic=clock.monotonic),
            display,
            portion=settings.indexer.bulk_records,
            in_flight=settings.indexer.bulk_in_flight if topic is None else 1,
            now_ms=clock.now_ms,
            wait=wait,
        ).run(span, None if sources is None else list(sources))


def reconciled(
    settings: Settings,
    dataset: Dataset[Any],
    span: Span,
    *,
    sources: Sequence[str] | None,
    quick: bool,
    console: Console,
) -> Reconciled:
    """The lake against documents and dead letters. What is away is waited for."""
    wait = threading.Event().wait
    dead = Patience("Kafka", wait)(lambda: gather(reader.read_letters(settings.kafka), dataset, span, sources))
    with (
        _both_sides(settings, dataset, wait) as (archive, documents),
        Display(f"reconcile of {dataset.name}s", console) as display,
    ):
        documents.require_all()
        return reconcile(archive, documents, dead, span=span, sources=sources, quick=quick, display=display)


@contextmanager
def retention(settings: Settings, dataset: Dataset[Any], console: Console) -> Iterator[Retention]:
    with (
        _both_sides(settings, dataset, threading.Event().wait) as (archive, documents),
        Display(f"retention of {dataset.name}s", console) as display,
    ):
        yield Retention(archive, documents, display)


@contextmanager
def _both_sides(
    settings: Settings, dataset: Dataset[Any], wait: Callable[[float], object]
) -> Iterator[tuple[Form, Documents]]:
    store = Store(settings.s3, patiently=Patience("S3", wait))
    with closing(documents(settings, dataset, wait)) as there:
        yield whole_lake(store, dataset), there


def documents(settings: Settings, dataset: Dataset[Any], wait: Callable[[float], object]) -> Documents:
    """What Elasticsearch has of a dataset; what is away is waited for. To be closed."""
    return Documents(
        settings.elasticsearch,
        dataset,
        lambda: elastic.client(settings.elasticsearch, connections=1, timeout=SEARCH_SECONDS),
        patiently=Patience("Elasticsearch", wait),
    )


def _index(settings: Settings, dataset: Dataset[Any], clock: Clock) -> Target:
    place = partial(place_of, settings.elasticsearch)
    return IndexTarget(replaying(settings, dataset, clock), dataset, place, now_ms=clock.now_ms)


def _topic(settings: Settings, dataset: Dataset[Any], topic: str, wait: Any) -> Target:
    kafka = settings.kafka
    if topic in (kafka.dead_letter_topic, kafka.lease_topic, kafka.state_topic, kafka.answers_topic, kafka.live_topic):
        raise OperatorError(f"topic {topic} is not for records", remedy="Name another --topic")
    return TopicTarget(topic, kafka, dataset, connect=partial(topic_producer, kafka, topic), wait=wait)


def _task(
    settings: Settings, dataset: Dataset[Any], span: Span, sources: Sequence[str] | None, topic: str | None
) -> dict[str, Any]:
    if topic is None:
        where = {"elasticsearch": settings.elasticsearch.url, "index": settings.elasticsearch.alias_of(dataset)}
    else:
        where = {"kafka": ",".join(settings.kafka.brokers), "topic": topic}
    return {
        "dataset": dataset.name,
        "from": iso(span.begin_ms),
        "to": iso(span.end_ms),
        "sources": "all" if sources is None else sorted(sources),
        "lake": f"{settings.s3.endpoint_url or settings.s3.region}/{settings.s3.bucket}/{settings.s3.prefix}",
        **where,
    }
