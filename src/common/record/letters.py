"""A dead letter: the original key and value as they were, our headers, and after them the original's own.

Our headers are always all there and in this order, whoever writes the letter, so that they can be told from headers of
the same name that the original brought along.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptoproxy.common.record.times import iso

LETTER_HEADERS = ("dlq-reason", "dlq-error", "dlq-topic", "dlq-partition", "dlq-offset", "dlq-time")
MAX_ERROR_BYTES = 1024
NOWHERE = -1
"""Partition and offset of a record that never got onto the topic: the poller's letters. As Kafka spells "none"."""


def letter_headers(
    *,
    reason: str,
    error: str,
    topic: str,
    now_ms: int,
    original: Sequence[tuple[str, bytes]],
    partition: int = NOWHERE,
    offset: int = NOWHERE,
) -> list[tuple[str, bytes]]:
    """The headers of a letter about the record that stood there, or was meant for ``topic``.

    Args:
        error: cut at 1 KiB, between characters.
        original: the record's own headers.
    """
    # A record's text may hold half a surrogate pair, which no encoding takes.
    cut = error.encode(errors="replace")[:MAX_ERROR_BYTES].decode(errors="ignore")
    texts = (reason, cut, topic, str(partition), str(offset), iso(now_ms))
    return [*((name, text.encode()) for name, text in zip(LETTER_HEADERS, texts, strict=True)), *original]
