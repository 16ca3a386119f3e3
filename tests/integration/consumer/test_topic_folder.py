"""`cryptoproxy tail --to-folder` on a real topic: started twice, each record stands in one file."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from cryptoproxy.cli.main import cli
from cryptoproxy.datasets import encode
from tests.integration.backfill import conftest
from tests.integration.backfill.conftest import Bench, record

bench = conftest.bench


def lines(folder: Path) -> list[bytes]:
    return [line for path in folder.rglob("*.jsonl") for line in path.read_bytes().splitlines()]


def test_a_second_start_goes_on_after_the_last_file(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    records = [record(f"coin-{number}", bench.begin) for number in range(30)]

    def tail(count: int) -> None:
        words = ["tail", "--dataset", "ticker", "--from-beginning", "-n", str(count), "--to-folder", str(folder)]
        done = CliRunner().invoke(cli, ["--env-file", str(bench.env_file), *words, "--file-lines", "4"])
        assert done.exit_code == 0, done.output

    bench.publish(*records[:20])
    tail(20)
    assert len(lines(folder)) == 20
    bench.publish(*records[20:])
    tail(10)
    assert sorted(lines(folder)) == sorted(encode(each) for each in records)
