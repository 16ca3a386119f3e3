"""Every metric name of both processes, in one list. Per poll and per batch, never per record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

M = TypeVar("M", bound=MetricWrapperBase)

MISSED = (
    "banned", "budget", "busy", "clock", "error", "failed", "late", "no_poller", "operator", "outbox", "outbox_full",
)  # fmt: skip
"""Why a slot has no poll."""
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class HeldUp(Collector):
    """Both processes' readiness, by the parts that `/readyz` names; read at each scrape, so it is never behind."""

    def __init__(self, reasons: Callable[[], Mapping[str, str]]) -> None:
        self._reasons = reasons

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One sample for each part that cannot go on; none when ready."""
        family = GaugeMetricFamily(
            "cryptoproxy_held_up", "1 for each part that cannot go on, for a reason that /readyz names", labels=["part"]
        )
        for part in self._reasons():
            family.add_metric([part], 1)
        yield family


class PollerMetrics:
    """What `/metrics` of the poller says."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"cryptoproxy_{name}", what, labels, registry=registry)

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"cryptoproxy_{name}", what, labels, registry=registry)

        def histogram(name: str, what: str, *labels: str) -> Histogram:
            return Histogram(f"cryptoproxy_{name}", what, labels, registry=registry, buckets=_SECONDS)

        # --- polling
        self.polls = counter("polls", "Polls that were kept in the outbox", "source")
        self.records_polled = counter("records_polled", "Records in these polls", "source")
        self.rows_rejected = counter("rows_rejected", "Rows that are no records", "source", "reason")
        self.slots_missed = counter("slots_missed", "Slots without a poll", "source", "reason")
        self.last_poll = gauge(
            "last_successful_poll_timestamp_seconds", "Slot of the last kept poll; 0 before the first", "source"
        )
        self.fetch_seconds = histogram("fetch_seconds", "From the start of a poll to its last answer", "source")
        # --- streams
        self.stream_frames = counter("stream_frames", "Pieces of data that a venue has sent", "venue")
        self.stream_cuts = counter(
            "stream_cuts", "Times that nothing carried a venue's topics any more", "venue", "why"
        )
        self.gaps_opened = counter("gaps_opened", "Gaps that were found", "source", "why")
        self.gaps_mended = counter("gaps_mended", "Gaps that were mended since", "source")
        self.candles_apart = counter(
            "candles_apart", "Streamed bars whose first trade does not follow on the last of the bar before", "source"
        )
        # --- the budget
        self.calls = counter("upstream_calls", "Requests sent to an upstream, each attempt", "upstream", "status")
        self.cost = counter("upstream_cost", "What they cost, in the upstream's unit", "upstream")
        self.budget_left = gauge("upstream_budget_left", "What is left of a quota", "upstream", "window")
        self.ban_seconds = gauge("upstream_ban_seconds", "Seconds until a ban ends; 0 without one", "upstream")
        self.asked = counter("asked", "Questions of our other processes", "upstream", "outcome")
        self.live_frames = counter("live_frames", "Frames for the topic of what is live", "outcome")
        self.answers = counter("answers", "Upstreams' answers for the topic of answers", "outcome")
        # --- the outbox and its two drains
        self.outbox_bytes = gauge("outbox_bytes", "Bytes waiting for a drain", "drain")
        self.outbox_polls = gauge("outbox_polls", "Polls waiting for a drain", "drain")
        self.outbox_age = gauge("outbox_oldest_seconds", "Age of the oldest poll waiting for a drain", "drain")
        self.polls_passed_over = counter(
            "polls_passed_over", "Polls kept without this drain, whose room in the outbox was full", "source", "drain"
        )
        self.outbox_hours = gauge("outbox_hours", "How long the outbox lasts at this plan when nothing is delivered")
        self.records_published = counter("records_published", "Records acknowledged by Kafka", "source")
        self.publish_seconds = histogram("publish_seconds", "From response arrived to all acknowledged", "source")
        self.producer_replaced = counter("producer_replaced", "Kafka producers thrown away for lack of progress")
        self.dead_letters = counter("poller_dead_letters", "Records the topic refused for good", "reason")
        self.records_archived = counter("records_archived", "Records stored in the lake", "source")
        self.objects_archived = counter("objects_archived", "Objects stored in the lake", "source")
        self.archive_seconds = histogram("archive_seconds", "Duration of a PUT to the lake", "source")
        # --- one active poller
        self.active = gauge("poller_active", "1 while this process polls, 0 while it stands by")
        self.unconfirmed = gauge("poller_lease_unconfirmed", "1 while it polls although Kafka cannot confirm its lease")

    def begin(self, source: str, last_slot_ms: int | None) -> None:
        """Each series of ``source`` that an alarm looks at, before anything happens: a counter that comes into being
        with its first count has not risen for Prometheus, and a slot that is not there is not late.

        Args:
            last_slot_ms: as an earlier process has left it on disk; None where it was never polled.
        """
        self.polls.labels(source)
        self.records_published.labels(source)
        for reason in MISSED:
            self.slots_missed.labels(source, reason)
        for drain in ("kafka", "s3"):
            self.polls_passed_over.labels(source, drain)
        self.last_poll.labels(source).set((last_slot_ms or 0) / 1000)


class IndexerMetrics:
    """What `/metrics` of the indexer says: each of these by dataset. :meth:`of` has those of one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"cryptoproxy_{name}", what, ("dataset", *labels), registry=registry)

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"cryptoproxy_{name}", what, ("dataset", *labels), registry=registry)

        self.consumed = counter("records_consumed", "Records read from its topics")
        self.indexed = counter("documents_indexed", "Documents written")
        self.duplicates = counter("duplicates", "Records that were there already")
        self.corrections = counter("corrections", "Records that were there already with other values, which stay")
        self.dead_letters = counter("dead_letters", "Records sent to the dead-letter topic", "reason")
        self.bulk_seconds = Histogram(
            "cryptoproxy_bulk_seconds", "Duration of a bulk request", ("dataset",), registry=registry, buckets=_SECONDS
        )
        self.bulk_retries = counter("bulk_retries", "Bulk requests that had to be tried again", "kind")
        self.lag = gauge("lag_records", "Records on its topics that are not committed yet")
        self.last_slot = gauge(
            "last_indexed_slot_timestamp_seconds",
            "Newest slot written; of all sources that are not ours: other",
            "source",
        )
        self.in_flight = gauge("bulk_in_flight", "Batches under way: bulk requests, and the one that is read ahead")
        self.paused = gauge("indexer_paused", "1 while consuming is paused for a reason that /readyz names")
        self.gap = counter(
            "offset_gap_records",
            "Records that were removed before they were read, by retention, compaction or with their topic",
        )
        self.passed_over = counter(
            "records_passed_over", "Records that were on its topics when a group without commits began at the latest"
        )
        self.commits = counter("offset_commits", "Offset commits", "outcome")

    def of(self, dataset: str) -> DatasetMetrics:
        return DatasetMetrics(self, dataset)


class ServeMetrics:
    """What `/metrics` of a door says."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"cryptoproxy_{name}", what, labels, registry=registry)

        self.requests = counter("serve_requests", "Questions that were answered", "upstream", "way", "status")
        self.followed = counter("serve_records_followed", "Records read from the topics", "topic")
        self.team_requests = counter("serve_team_requests", "Questions that were admitted", "team", "path")
        self.team_refused = counter(
            "serve_team_refused", "Questions refused since they were more than the team may ask", "team", "path"
        )
        self.calls_made = counter("serve_upstream_calls_made", "Calls of an upstream made for them", "team", "path")
        self.calls_saved = counter(
            "serve_upstream_calls_saved", "Answers without a call that the team would have made", "team", "path"
        )
        self.strange = counter("serve_records_strange", "Records on the topics that are none", "topic")
        self.told = counter("serve_stream_frames", "Frames that listeners were sent", "venue")
        self.cut = counter("serve_stream_cuts", "Listeners that were cut: they did not read", "venue", "why")
        self.listeners = Gauge(
            "cryptoproxy_serve_stream_listeners", "Who listens to a stream now", ("venue",), registry=registry
        )
        self.behind = Gauge(
            "cryptoproxy_serve_records_behind",
            "Records that were on the topics at the start and are not read yet",
            ("topic",),
            registry=registry,
        )


class DatasetMetrics:
    """What the indexer says of one dataset."""

    def __init__(self, each: IndexerMetrics, dataset: str) -> None:
        self.consumed = each.consumed.labels(dataset)
        self.indexed = each.indexed.labels(dataset)
        self.duplicates = each.duplicates.labels(dataset)
        self.corrections = each.corrections.labels(dataset)
        self.dead_letters = _Labelled(each.dead_letters, dataset)
        self.bulk_seconds = each.bulk_seconds.labels(dataset)
        self.bulk_retries = _Labelled(each.bulk_retries, dataset)
        self.lag = each.lag.labels(dataset)
        self.last_slot = _Labelled(each.last_slot, dataset)
        self.in_flight = each.in_flight.labels(dataset)
        self.paused = each.paused.labels(dataset)
        self.gap = each.gap.labels(dataset)
        self.passed_over = each.passed_over.labels(dataset)
        self.commits = _Labelled(each.commits, dataset)


class _Labelled(Generic[M]):
    """A metric that has another label behind the dataset's."""

    def __init__(self, family: M, dataset: str) -> None:
        self._family = family
        self._dataset = dataset

    def labels(self, value: str) -> M:
        return self._family.labels(self._dataset, value)


class WatchMetrics:
    """What `/metrics` of watch says."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"cryptoproxy_{name}", what, labels, registry=registry)

        self.judged = counter("watch_records", "Records that the rules were held against, or that were no asset's")
        self.unreadable = counter("watch_unreadable_records", "Records passed over since they are none")
        self.alerts = counter("watch_alerts", "Alerts sent to their topic, openings and ends")
        self.shares = Gauge(
            "cryptoproxy_watch_shares", "Shares of the assets that this process judges", registry=registry
        )
        self.told = counter("watch_told", "Alerts that a channel has taken", "channel")
        self.not_told = counter("watch_not_told", "Alerts that no message was sent for", "channel", "reason")
        self.tries = counter("watch_messages", "Messages sent, each try", "channel", "outcome")
        self.waiting = Gauge(
            "cryptoproxy_watch_waiting", "Alerts that wait for a channel", ["channel"], registry=registry
        )


class ModelsMetrics:
    """What `/metrics` of the process that asks a model says."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.bars = Counter("cryptoproxy_model_bars", "Bars read from their topic", registry=registry)
        self.predictions = Counter(
            "cryptoproxy_model_predictions",
            "Bars that were over: said, or unsaid since it was too late or a feature was not known",
            ("outcome",),
            registry=registry,
        )
        self.last = Gauge(
            "cryptoproxy_model_last_prediction_timestamp_seconds",
            "Begin of the newest bar that something was said of; 0 before the first",
            registry=registry,
        )
        self.learned = Gauge(
            "cryptoproxy_model_records_end_timestamp_seconds",
            "End of the records that the version at work was made of; 0 while there is none",
            registry=registry,
        )
