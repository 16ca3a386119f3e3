"""Records as the lines that the outbox keeps: encoded, and apart by the file of the lake that each belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cryptoproxy.datasets import DATASETS, Feed
from cryptoproxy.datasets.dataset import AnyRecord
from cryptoproxy.datasets.times import moment_of
from cryptoproxy.errors import PoisonError
from cryptoproxy.upstreams.base import Rejected


class Lines(NamedTuple):
    """Records of one span of the part's ``file``. ``content`` is their bytes, each with a newline."""

    begin_ms: int
    """The earliest time among them."""
    content: bytes
    records: int


def lines_of(feed: Feed, records: Iterable[AnyRecord]) -> tuple[list[Lines], list[Rejected]]:
    """What becomes an entry each, the earliest first, each in the records' order; and the records that break the
    contract."""
    dataset = DATASETS[feed.dataset]
    encode, part = dataset.codec.encode, dataset.parts[feed.part]
    files: dict[str, tuple[list[str], list[bytes]]] = {}
    refused: list[Rejected] = []
    before, times, lines = "", list[str](), list[bytes]()
    for record in records:
        try:
            line = encode(record) + b"\n"
        except PoisonError as error:
            refused.append(Rejected(error.reason, record.asset_id, str(error)))
            continue
        if record.timestamp != before:  # of tickers all have the same
            before = record.timestamp
            times, lines = files.setdefault(part.file_of(before), ([], []))
            times.append(before)
        lines.append(line)
    return [
        Lines(moment_of(min(times)), b"".join(lines), len(lines)) for _, (times, lines) in sorted(files.items())
    ], refused
