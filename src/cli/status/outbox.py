"""What waits on this machine's disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import requests

from cryptoproxy.cli.status.part import Part
from cryptoproxy.cli.status.processes import get
from cryptoproxy.producer.gauges import hours_in_words
from cryptoproxy.producer.outbox.waiting import DRAINS

STUCK_SECONDS = 600.0
"""Polls that wait for a drain so long are a fault, as the alarm has it."""


@dataclass(frozen=True, slots=True)
class OutboxBacklog:
    """Polls in this machine's outbox by drain, the oldest one's age, and hours until it is full; None: not known."""

    folder: Path
    polls: Mapping[str, int]
    oldest: float | None = None
    hours: float | None = None


def backlog(url: str, folder: Path) -> OutboxBacklog | None:
    """By the poller's own metrics; of one that does not run, by its folder; None if there is none here."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        samples = [
            each for family in text_string_to_metric_families(get(f"{url}/metrics").text) for each in family.samples
        ]
    except (requests.RequestException, ValueError):
        samples = []
    by_name = {
        name: {each.labels.get("drain", ""): each.value for each in samples if each.name == f"cryptoproxy_{name}"}
        for name in ("outbox_polls", "outbox_oldest_seconds", "outbox_hours")
    }
    if by_name["outbox_polls"]:
        polls = {drain: int(count) for drain, count in by_name["outbox_polls"].items()}
        oldest = max(by_name["outbox_oldest_seconds"].values(), default=None)
        return OutboxBacklog(folder, polls, oldest, by_name["outbox_hours"].get(""))
    if not folder.is_dir():
        return None
    return OutboxBacklog(folder, waiting_in(folder))


def waiting_in(outbox: Path) -> dict[str, int]:
    """Polls by drain, counted on the disk, whoever has the outbox open."""
    folders = {drain: outbox / drain for drain in DRAINS}
    return {drain: sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0 for drain, folder in folders.items()}


def in_words(polls: Mapping[str, int]) -> str:
    """``1 poll for Kafka, 3 polls for S3``."""
    names = {"kafka": "Kafka", "s3": "S3"}
    return ", ".join(f"{count} poll{'' if count == 1 else 's'} for {names[drain]}" for drain, count in polls.items())


def outbox_part(waiting: OutboxBacklog | None, *, running_here: bool) -> Part:
    """What is on this machine's disk alone."""
    part = Part("outbox")
    if waiting is None or not (running_here or any(waiting.polls.values())):
        part.words.append("none on this machine; it is where the poller is")
        return part
    room = "" if waiting.hours is None else f"; room for {hours_in_words(waiting.hours)}"
    part.words.append(f"{in_words(waiting.polls)}{room}; in {waiting.folder}")
    if waiting.oldest is not None and waiting.oldest > STUCK_SECONDS:
        part.faults.append(f"the oldest of them waits for {waiting.oldest / 60:.0f} minutes")
    if any(waiting.polls.values()) and not running_here:
        part.faults.append("no poller runs here to deliver them (cryptoproxy produce)")
    return part
