"""`cryptoproxy lake …` with a bucket in memory."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cryptoproxy.cli.upkeep import lake as command
from cryptoproxy.common.start import load_settings
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, Span
from cryptoproxy.lake.store import Store
from tests.unit.lake import conftest
from tests.unit.lake.conftest import Bucket
from tests.unit.lake.lakes import compact, fill, put, record
from tests.unit.lake.test_parts import BEGIN, history

bucket, make_store, store = conftest.bucket, conftest.make_store, conftest.store


@pytest.fixture
def lake(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Result]:
    monkeypatch.setattr(command, "start", load_settings)  # logging stays as pytest has it
    monkeypatch.setattr(command, "Store", lambda settings, **_: store)
    monkeypatch.chdir(tmp_path)
    return lambda line: CliRunner().invoke(command.lake, shlex.split(line), obj=Path(".env"))


def test_objects_are_listed_with_their_sizes_and_their_sum(
    lake: Callable[[str], Result], store: Store, bucket: Bucket
) -> None:
    (one,) = keys = [put(store, record("bitcoin", 7 * HOUR_MS), record("ethereum", 7 * HOUR_MS))]
    result = lake("ls")
    assert result.stdout == f"s3://crypto-lake/{one}  {len(bucket.objects[one])} bytes\n"
    assert result.stderr == f"1 object, {len(bucket.objects[one])} bytes\n"
    keys += fill(store, hours=(8,), assets=5)
    result = lake("ls --source coingecko --date 2026-11-18 --records")
    assert [line.split()[0].removeprefix("s3://crypto-lake/") for line in result.stdout.splitlines()] == sorted(keys)
    assert result.stdout.splitlines()[0].endswith(" bytes  2 records")
    assert result.stderr == f"4 objects, {sum(map(len, bucket.objects.values())):,} bytes, 17 records\n"


def test_days_are_listed_with_what_is_in_them(lake: Callable[[str], Result], store: Store, bucket: Bucket) -> None:
    fill(store, hours=(8,), assets=5)
    compact(store)
    put(store, record("late", 9 * HOUR_MS))
    (file,) = compact(store).files
    bucket.objects["crypto/v1/ticker/table/_SUCCESS"] = b""
    words = f"s3://crypto-lake/{file.key}  {len(bucket.objects[file.key]):,} bytes  16 records"
    assert lake("ls --table --records").stdout.splitlines() == [words]
    assert lake("ls --table --records --source coingecko --date 2026-11-18").stdout.splitlines() == [words]
    assert lake("ls --table --records --source coingecko --date 2026-11-19").stdout == ""
    assert lake("ls --table --source binance").stdout == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ls --source coingecko --date 2026-13-01", "is neither a date like 2026-11-01"),
        ("ls --source coingecko --date 2026-11-01T10:00:00Z", "is not a date like 2026-11-01"),
        ("ls --date 2026-11-01", "--date needs --source"),
        ("compact --date 2026-13-01", "is neither a date like 2026-11-01"),
        ("compact", "say which days"),
    ],
)
def test_wrong_words_are_refused(lake: Callable[[str], Result], line: str, words: str) -> None:
    result = lake(line)
    assert result.exit_code == 2
    assert words in result.output


def test_yesterday_is_a_date(lake: Callable[[str], Result], store: Store) -> None:
    fill(store, hours=(8,))
    result = lake("compact --date yesterday --date 2026-11-18 --unfinished")
    assert result.exit_code == 0, result.output
    assert "coingecko 2026-11-18: 15 records" in result.output
    assert lake("ls --source coingecko --date yesterday").stderr == "0 objects, 0 bytes\n"


def test_all_that_is_over_is_compacted_of_every_dataset(
    lake: Callable[[str], Result], store: Store, bucket: Bucket
) -> None:
    fill(store, hours=(8,), assets=5)
    history(store, "1d", Span(BEGIN, BEGIN + 2 * 365 * DAY_MS))
    done = lake("compact --all --delete-raw --expire")
    assert done.exit_code == 0, done.output
    assert [line.split(": ")[0] for line in done.stdout.splitlines()] == [
        "coingecko 2026-11-18", "binance.candle-1d 2022", "binance.candle-1d 2023", "ticker", "candle",
    ]  # fmt: skip
    assert not [key for key in bucket.objects if "/raw/" in key]
    listed = lake("ls --table --dataset candle --records").stdout.splitlines()
    assert [line.rpartition("  ")[2] for line in listed] == ["365 records"] * 2
    assert "0 files removed" in lake("expire --dataset ticker").stdout
