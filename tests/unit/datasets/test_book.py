"""What is no book."""

from __future__ import annotations

from typing import Any

import pytest

from cryptoproxy.datasets import BOOK
from cryptoproxy.datasets.documents import mapping
from cryptoproxy.errors import PoisonError
from cryptoproxy.lake.parquet import Columns

EXAMPLE = {name: getattr(BOOK.example, name) for name in BOOK.example.__struct_fields__}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bids": []}, "bids"),
        ({"bids": [(2.0 - n / 100, 1.0) for n in range(21)]}, "bids"),
        ({"asks": [(61838.04, 1.0), (61837.64, 1.0)]}, "best first"),
        ({"bids": [(61837.63, 1.0), (61837.63, 2.0)]}, "each price once"),
        ({"bid_price": 61837.62}, "first levels"),
        ({"bids": [(61838.0, 1.0)], "bid_price": 61838.0}, "no book"),
        ({"asks": [(61837.64, 0.0)]}, "asks"),
        ({"asks": [(61837.64, float("nan"))]}, "asks"),
        ({"spread": 0.0}, "spread"),
        ({"imbalance": 1.1}, "imbalance"),
        ({"fetched_at": "2026-11-20T09:59:59.999Z"}, "before the slot"),
        ({"update_id": 2**63}, "update_id"),
    ],
)
def test_what_is_no_book(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(PoisonError, match=said):
        BOOK.codec.encode(BOOK.record(**EXAMPLE | changes))


def test_its_levels_are_kept_and_not_searched() -> None:
    properties = mapping.properties(BOOK)
    assert properties["bids"] == properties["asks"] == {"type": "object", "enabled": False}
    assert properties["spread_bps"] == {"type": "double"}
    assert properties["bid_depth_10bps"] == {"type": "double", "index": False}


def test_a_row_of_the_lake_gives_the_line_back() -> None:
    columns, line = Columns(BOOK), BOOK.codec.encode(BOOK.example)
    ((*_, made),) = columns.lines(_table(columns, line))
    assert made == line


def _table(columns: Columns, line: bytes) -> Any:
    import pyarrow as pa

    return pa.Table.from_batches([columns.batch([columns.row(line)])], columns.schema)
