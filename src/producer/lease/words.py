"""What `/readyz` says of the lease."""

from __future__ import annotations

from cryptoproxy.common.errors import CryptoProxyError, OperatorError
from cryptoproxy.common.record.times import iso
from cryptoproxy.producer.lease.note import Note, Watch
from cryptoproxy.producer.lease.tenure import Stage

BEGINNING = "standing by: looks for Kafka and the other pollers"
STOPPING = "this poller stops; the next one may begin"


def holder(note: Note) -> str:
    return f"{note.name} polls since {iso(note.since)}"


def waiting(stage: Stage, watch: Watch, trouble: CryptoProxyError | None) -> str:
    """Of a process that has not got the lease."""
    if isinstance(trouble, OperatorError):
        return str(trouble)
    note = watch.note
    if not watch.sees:
        return _without_kafka(note, trouble)
    if note is None or note.released:
        return "standing by: the pollers agree who is to poll"
    if stage is Stage.CHOSEN:
        silent = f"silent for {watch.silent_for():.0f} s"
        return f"takes over from {note.name} unless it comes back, since Kafka was away ({silent})"
    return f"standing by: another poller is active ({holder(note)})"


def _without_kafka(note: Note | None, trouble: CryptoProxyError | None) -> str:
    if note is not None:
        why = f" ({trouble})" if trouble else ""
        return f"standing by: Kafka does not answer{why}; when it last did, {holder(note)}"
    if trouble is not None:
        return f"waiting for Kafka ({trouble}): without it nobody can know whether another poller is active"
    return BEGINNING


def paused(seconds: float) -> str:
    return f"stood still for {seconds:.0f} s: polls again when Kafka has confirmed that the lease is still here"


def preparing(trouble: CryptoProxyError | None) -> str:
    return "has the lease, prepares to poll" + (f": {trouble}" if trouble else "")
