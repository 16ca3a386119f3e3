"""A day's Parquet file cut into hours on disk: it is sorted by symbol, but replays and proofs go by time.

One pass over the file; then an hour costs its own rows, not the day's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cryptoproxy.common.errors import OperatorError
from cryptoproxy.lake.archive import Stored
from cryptoproxy.lake.columns import LINE, SCHEMA, lines
from cryptoproxy.lake.span import HOUR_MS

_BATCH_ROWS = 16_384
_AT_ONCE = 2_000
"""Rows as Python objects at once."""
_NUMBER = "__number"


class HourFiles:
    """The rows of the file at ``path``, by hour, in ``folder``; ``path`` itself is not needed any more.

    Raises:
        pyarrow.ArrowInvalid: it is no such file.
        OperatorError: it was written by a newer version of this program.
    """

    def __init__(self, key: str, path: Path, folder: Path) -> None:
        self.key = key
        self._closed = False
        self._files: dict[int, Path] = {}
        with ExitStack() as undone, pq.ParquetFile(path) as file:
            _check(key, file.schema_arrow)
            schema = file.schema_arrow.append(pa.field(_NUMBER, pa.int64()))
            writers: dict[int, pa.RecordBatchFileWriter] = {}
            seen = 0
            for part in file.iter_batches(_BATCH_ROWS):
                numbers = pa.array(range(seen + 1, seen + 1 + part.num_rows), pa.int64())
                seen += part.num_rows
                whole = pa.RecordBatch.from_arrays([*part.columns, numbers], schema=schema)
                slots = part.column("timestamp").cast(pa.int64())
                hours = pc.multiply(pc.divide(slots, HOUR_MS), HOUR_MS)
                for hour in pc.unique(hours).to_pylist():
                    if hour not in writers:
                        self._files[hour] = folder / f"{hour}.arrow"
                        writers[hour] = undone.enter_context(pa.ipc.new_file(str(self._files[hour]), schema))
                    writers[hour].write_batch(whole.filter(pc.equal(hours, hour)))

    def records(self, hour_ms: int) -> Iterator[Stored]:
        """The rows of one hour, the oldest slot first.

        Raises:
            RuntimeError: it was closed, so that nothing is not told from none.
        """
        if self._closed:
            raise RuntimeError(f"{self.key} is read on after it was closed")
        if hour_ms not in self._files:
            return
        with pa.memory_map(str(self._files[hour_ms])) as mapped:
            table = pa.ipc.open_file(mapped).read_all()
            order = pc.sort_indices(table.column("timestamp"))
            for at in range(0, table.num_rows, _AT_ONCE):
                part = table.take(order.slice(at, _AT_ONCE))
                numbers = part.column(_NUMBER).to_pylist()
                for number, (identity, slot_ms, line) in zip(numbers, lines(part), strict=True):
                    yield Stored(identity, slot_ms, line, self.key, number)

    def close(self) -> None:
        """Nothing more is read."""
        self._closed = True


def _check(key: str, schema: pa.Schema) -> None:
    if unknown := sorted(set(schema.names) - set(SCHEMA.names)):
        raise OperatorError(
            f"{key} has columns that this version does not know: {', '.join(unknown)}", remedy="Update cryptoproxy"
        )
    lacking = {field.name for field in SCHEMA if not field.nullable or field.name == LINE} - set(schema.names)
    wrong = [name for name in schema.names if schema.field(name).type != SCHEMA.field(name).type]
    if lacking or wrong:
        raise pa.ArrowInvalid(f"its columns are not those of a record: {', '.join(sorted(lacking) + wrong)}")
