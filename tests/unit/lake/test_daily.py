"""The names of daily files, and what is done with one that is not as we write them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cryptoproxy.datasets.times import HOUR_MS, Span
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.lake.daily import DailyForm
from cryptoproxy.lake.objects import daily_object, day_of
from cryptoproxy.lake.store import Store
from tests.unit.lake.conftest import Bucket, refusal
from tests.unit.lake.lakes import DAY, WHOLE_DAY, compact, fill, read

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize("prefix", ["", "crypto", "team-a/crypto"])
def test_a_file_is_named_as_the_docs_say(prefix: str) -> None:
    key = daily_object(prefix, "bybit-linear", DAY, DIGEST)
    base = f"{prefix}/" if prefix else ""
    assert key == f"{base}v1/daily/source=bybit-linear/dt=2026-11-18/bybit-linear-20261118-0123456789ab.parquet"
    assert day_of(key) == DAY


@pytest.mark.parametrize(
    "key",
    [
        "",
        "crypto/v1/daily/source=s/dt=2026-11-18/_SUCCESS",
        "crypto/v1/daily/source=s/dt=2026-11-18/s-20261118.parquet",
        "crypto/v1/daily/source=s/dt=2026-11-18/s-20261119-0123456789ab.parquet",
        "crypto/v1/daily/source=s/dt=2026-11-18/t-20261118-0123456789ab.parquet",
        "crypto/v1/daily/source=s/dt=2026-11-18/s-20261118-0123456789ab.parquet.tmp",
        "crypto/v1/daily/source=s/dt=2026-99-99/s-20269999-0123456789ab.parquet",
        "crypto/v1/raw/source=s/dt=2026-11-18/s-20261118-0123456789ab.parquet",
    ],
)
def test_other_keys_are_no_day_s_file(key: str) -> None:
    assert day_of(key) is None


def replace(store: Store, bucket: Bucket, folder: Path, table: pa.Table) -> str:
    """``table`` in the place of the day's file."""
    for key in [key for key in bucket.objects if "/daily/" in key]:
        del bucket.objects[key]
    path = folder / "made.parquet"
    pq.write_table(table, path)
    body = path.read_bytes()
    path.unlink()
    key = daily_object(store.settings.prefix, "coingecko", DAY, hashlib.sha256(body).hexdigest())
    bucket.objects[key] = body
    return key


@pytest.fixture
def table(store: Store, bucket: Bucket, tmp_path: Path) -> pa.Table:
    """The rows of a day that is only in its file."""
    fill(store)
    done = compact(store, tmp_path, delete_raw=True)
    path = tmp_path / "day.parquet"
    assert done.key is not None
    path.write_bytes(bucket.objects[done.key])
    found = pq.read_table(path)
    path.unlink()
    return found


def test_a_file_that_another_program_has_written_is_read(
    store: Store, bucket: Bucket, tmp_path: Path, table: pa.Table
) -> None:
    before, _ = read(store)
    replace(store, bucket, tmp_path, table.take(list(reversed(range(table.num_rows)))))
    assert read(store) == (before, [])
    assert len(read(store, Span(DAY + 7 * HOUR_MS, DAY + 8 * HOUR_MS))[0]) == 15


def test_a_file_without_the_fields_that_were_added_since_is_read(
    store: Store, bucket: Bucket, tmp_path: Path, table: pa.Table
) -> None:
    before, _ = read(store)
    replace(store, bucket, tmp_path, table.drop_columns(["funding_rate", "turnover_24h"]))
    assert read(store) == (before, [])


def test_a_file_of_a_newer_version_is_refused_and_not_half_read(
    store: Store, bucket: Bucket, tmp_path: Path, table: pa.Table
) -> None:
    key = replace(store, bucket, tmp_path, table.append_column("liquidity", pa.array([1.0] * table.num_rows)))
    with pytest.raises(OperatorError, match=f"{key} has columns that this version does not know: liquidity"):
        read(store)


@pytest.mark.parametrize("wrong", ["type", "absent", "line"])
def test_a_file_of_something_else_is_damage(
    store: Store, bucket: Bucket, tmp_path: Path, table: pa.Table, wrong: str
) -> None:
    if wrong == "type":
        at = table.schema.get_field_index("price")
        table = table.set_column(at, "price", table.column("price").cast(pa.string()))
    else:
        table = table.drop_columns(["price" if wrong == "absent" else "line"])
    key = replace(store, bucket, tmp_path, table)
    found, faults = read(store)
    assert found == {}
    assert [(fault.key, fault.reason) for fault in faults] == [(key, "damaged_object")]


def test_what_is_no_parquet_is_damage(store: Store, bucket: Bucket) -> None:
    body = b"PAR1 or so"
    key = daily_object(store.settings.prefix, "coingecko", DAY, hashlib.sha256(body).hexdigest())
    bucket.objects[key] = body
    found, faults = read(store)
    assert found == {}
    assert [fault.reason for fault in faults] == ["damaged_object"]


def test_the_scratch_folder_is_left_empty(
    store: Store, tmp_path: Path, table: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert len(read(store)[0]) == table.num_rows
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "failure",
    [refusal(503, "SlowDown"), refusal(403, "InvalidObjectState"), refusal(404, "NoSuchKey"), OSError(28, "disk full")],
)
def test_a_day_of_which_one_file_could_not_be_fetched_is_not_remembered_as_read(
    store: Store, bucket: Bucket, tmp_path: Path, failure: Exception
) -> None:
    fill(store, hours=(7,))
    compact(store, tmp_path, delete_raw=True)
    before, _ = read(store)
    archive = DailyForm(store, tmp_path)
    bucket.fails = [refusal(500, "x")]  # the listing
    with pytest.raises(TransientError):
        list(archive.records("coingecko", WHOLE_DAY, print))
    get_object = bucket.get_object

    def fail(**options: object) -> None:
        bucket.get_object = get_object  # type: ignore[method-assign]
        raise failure

    bucket.get_object = fail  # type: ignore[assignment,method-assign]
    with pytest.raises((TransientError, OperatorError)):
        list(archive.records("coingecko", WHOLE_DAY, print))
    assert not list(tmp_path.iterdir())
    assert {each.id: each.line for each in archive.records("coingecko", WHOLE_DAY, print)} == before
    archive.close()
    assert not list(tmp_path.iterdir())


def test_a_file_that_seems_to_be_gone_for_a_moment_is_asked_for_again(
    store: Store, bucket: Bucket, tmp_path: Path
) -> None:
    """The listing is right, one GET is not: nothing is taken for nothing."""
    fill(store, hours=(7,))
    compact(store, tmp_path, delete_raw=True)
    before, _ = read(store)
    get_object = bucket.get_object

    def gone(**options: object) -> None:
        bucket.get_object = get_object  # type: ignore[method-assign]
        raise refusal(404, "NoSuchKey")

    bucket.get_object = gone  # type: ignore[assignment,method-assign]
    assert read(store) == (before, [])


def test_hours_that_were_closed_are_not_taken_for_empty_ones(store: Store, tmp_path: Path) -> None:
    fill(store, hours=(7, 8))
    compact(store, tmp_path, delete_raw=True)
    archive = DailyForm(store, tmp_path)
    records = archive.records("coingecko", WHOLE_DAY, print)
    next(records)
    archive.close()
    with pytest.raises(RuntimeError, match="read on after it was closed"):
        list(records)


@pytest.mark.parametrize("told", [None, "", "never", "7,", "7;8"])
def test_where_a_copy_of_the_bucket_has_lost_what_was_said_of_a_file_any_hour_is_looked_at(
    store: Store, bucket: Bucket, tmp_path: Path, told: str | None
) -> None:
    fill(store, hours=(7,))
    done = compact(store, tmp_path, delete_raw=True)
    assert done.key is not None
    bucket.metadata[done.key] = {} if told is None else {"hours": told}
    archive = DailyForm(store, tmp_path)
    assert len(archive.hours("coingecko", WHOLE_DAY)) == 24
    assert len(list(archive.records("coingecko", WHOLE_DAY, print))) == 15
    archive.close()
