"""The poller's process, built from settings: the one place where its parts and clients are made."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from common.clients import kafka as kafka_client
from common.clock import Clock, SystemClock
from common.metrics import PollerMetrics
from common.service import Service
from common.settings import Settings
from common.settings.catalogue import Upstreams
from lake.store import Store
from producer.archive import Archiver
from producer.budget import Budget, limits_of, plan
from producer.capacity import Capacity
from producer.fetch import Fetcher
from producer.gauges import Gauges
from producer.grid import Grid
from producer.lease import Lease
from producer.outbox import Entry, Outbox
from producer.poll import PollOnce
from producer.publish import Publisher
from producer.source_loop import QUIET_BELOW_MS, SourceLoop
from producer.sources import SOURCES, SourceConfig
from producer.sources.base import Source
from producer.sources.bybit import Api
from producer.sources.coingecko_calls import Plan
from producer.statistics import Statistics
from producer.symbols import SymbolLists
