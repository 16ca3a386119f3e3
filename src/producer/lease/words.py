"""What `/readyz` says of the lease."""

from __future__ import annotations

from common.errors import CryptoProxyError, OperatorError
from common.record.times import iso
from producer.lease.note import Note, Watch
from producer.lease.tenure import Stage


def holder(note: Note) -> str:
    return f"{note.name} polls since {iso(note.since)}"


def waiting(stage: Stage, watch: Watch, trouble: CryptoProxyError | None, process: str) -> str:
    """Of a process that has not got the lease."""
    if isinstance(trouble, OperatorError):
        return str(trouble)
    note = watch.note
    if not watch.sees:
        return _without_kafka(note, f" ({trouble})" if trouble else "")
    if note is None or note.released:
        return "standing by: the pollers agree who is to poll"
    if note.process == process:
        return "put out of the group by Kafka, which may have stood still itself; joins again"
    if stage is Stage.CHOSEN:
        silent = f"silent for {watch.silent_for():.0f} s"
        return f"takes over from {note.name} unless it comes back, since Kafka was away ({silent})"
    return f"standing by: another poller is active ({holder(note)})"


def _without_kafka(note: Note | None, why: str) -> str:
    if note is None:
        return f"waiting for Kafka{why}: without it nobody can know whether another poller is active"
    return f"standing by: Kafka does not answer{why}; when it last did, {holder(note)}"


def paused(seconds: float) -> str:
    return f"stood still for {seconds:.0f} s: polls again when Kafka has confirmed that the lease is still here"


def preparing(trouble: CryptoProxyError | None) -> str:
    return "has the lease, prepares to poll" + (f": {trouble}" if trouble else "")
