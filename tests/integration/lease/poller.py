"""A process that "polls" while it has the lease: a line per slot in a file that all share, one in another for each slot
in which it may not any more, its own state in a third.

Usage: poller.py BROKER TOPIC FOLDER NAME
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.metrics import PollerMetrics
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.common.settings.loading import load_section
from cryptoproxy.producer.lease import Lease

SLOT = 0.1


def main(broker: str, topic: str, folder: Path, name: str) -> None:
    kafka = Kafka(**load_section(Kafka, {"KAFKA_BROKERS_HOST_PORT": broker, "KAFKA_TOPIC": topic}, []))
    logging.basicConfig(level="INFO", filename=folder / f"{name}.log", format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("kafka.coordinator").setLevel(logging.INFO)
    registry, stop = CollectorRegistry(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    health = Health()
    lease = Lease(
        kafka,
        health=health,
        metrics=PollerMetrics(registry),
        connect=partial(kafka_client.consumer, kafka, metadata_max_age_ms=1_000),
        identity=f"{name}:{os.getpid()}",
    )
    thread = threading.Thread(target=lease.run, args=(Loop("lease", stop),), daemon=True)
    thread.start()
    polls = os.open(folder / "polls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    refused = os.open(folder / f"{name}.refused", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    state = folder / f"{name}.json"
    polling = False
    while not stop.is_set() and thread.is_alive():
        slot = time.monotonic() // SLOT  # the same clock in all processes of a machine
        if lease.may_poll():
            os.write(polls, f"{int(slot)} {name}\n".encode())
            polling = True
        elif polling:
            os.write(refused, f"{int(slot)}\n".encode())
        new = state.with_suffix(".new")
        new.write_text(
            json.dumps(
                {
                    "reason": health.reasons().get("lease"),
                    "active": registry.get_sample_value("cryptoproxy_poller_active"),
                    "unconfirmed": registry.get_sample_value("cryptoproxy_poller_lease_unconfirmed"),
                }
            )
        )
        new.replace(state)
        stop.wait(max(0.0, (slot + 1) * SLOT - time.monotonic()))
    thread.join()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4])
