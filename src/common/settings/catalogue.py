"""All sections of settings, in the order in which the docs have them; whoever uses one takes it from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_type_hints

from cryptoproxy.common.settings.sections.asking import Asking
from cryptoproxy.common.settings.sections.elasticsearch import Elasticsearch
from cryptoproxy.common.settings.sections.kafka import Kafka
from cryptoproxy.common.settings.sections.page import Page
from cryptoproxy.common.settings.sections.processes import Brokers, Engines, Indexer, Models, Poller, Service, Watch
from cryptoproxy.common.settings.sections.s3 import S3
from cryptoproxy.common.settings.sections.serve import Serve, Teams
from cryptoproxy.common.settings.sections.upstreams import SOURCE_NAMES, Upstreams

__all__ = [
    "S3",
    "SECTIONS",
    "SOURCE_NAMES",
    "Asking",
    "Brokers",
    "Elasticsearch",
    "Engines",
    "Indexer",
    "Kafka",
    "Models",
    "Page",
    "Poller",
    "Sections",
    "Serve",
    "Service",
    "Teams",
    "Upstreams",
    "Watch",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """One of each."""

    kafka: Kafka
    elasticsearch: Elasticsearch
    s3: S3
    upstreams: Upstreams
    poller: Poller
    asking: Asking
    indexer: Indexer
    serve: Serve
    teams: Teams
    page: Page
    watch: Watch
    models: Models
    brokers: Brokers
    service: Service
    engines: Engines


SECTIONS: dict[str, type] = get_type_hints(Sections)
