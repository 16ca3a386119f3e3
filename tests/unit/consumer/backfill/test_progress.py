"""How far a run has got: the mark that a second start finds, and what a person sees."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from cryptoproxy.consumer.backfill.progress import LINE_SECONDS, Display, Marks, Totals
from cryptoproxy.errors import OperatorError
from tests.unit.consumer.backfill.lake import HOUR_MS, TEN

TASK = {"from": "a", "to": "b"}


def test_a_second_start_finds_the_mark_and_the_totals(tmp_path: Path) -> None:
    marks = Marks(tmp_path / "replay", TASK)
    assert marks.load() == (None, Totals())
    marks.finish(TEN, "binance", Totals(read=10, written=7, known=3))
    marks.finish(TEN + HOUR_MS, "coingecko", Totals(read=20, written=17, known=3, poison=1))
    assert Marks(tmp_path / "replay", dict(TASK)).load() == (
        (TEN + HOUR_MS, "coingecko"),
        Totals(20, 17, 3, 1),
    )
    assert len(list((tmp_path / "replay").iterdir())) == 1


def test_another_range_has_another_mark(tmp_path: Path) -> None:
    Marks(tmp_path, TASK).finish(TEN, "binance", Totals())
    assert Marks(tmp_path, TASK | {"to": "c"}).load()[0] is None


def test_a_finished_replay_leaves_nothing(tmp_path: Path) -> None:
    marks = Marks(tmp_path, TASK)
    marks.finish(TEN, "binance", Totals())
    marks.forget()
    marks.forget()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"hour": 5}', b'{"hour":"x","source":"a","totals":{}}', b"\xff"]
)
def test_a_broken_mark_counts_as_none(tmp_path: Path, content: bytes) -> None:
    marks = Marks(tmp_path, TASK)
    marks.path.write_bytes(content)
    assert marks.load() == (None, Totals())


def test_a_folder_that_cannot_be_written_is_said_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match="--progress-dir"):
        Marks(tmp_path / "file", TASK).finish(TEN, "binance", Totals())


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def shown(*, terminal: bool) -> str:
    out, clock = io.StringIO(), Clock()
    console = Console(file=out, force_terminal=terminal, width=120)
    with Display("replay", console, monotonic=clock) as display:
        display.begin(3)
        for hour in range(3):
            clock.now += LINE_SECONDS * 0.6
            display.records(100)
            display.hour_done("coingecko", TEN + hour * 3_600_000)
        display.say("poison: [bold]key[/bold]")
    return out.getvalue()


def test_a_log_gets_a_line_now_and_then() -> None:
    lines = shown(terminal=False).splitlines()
    assert lines == [
        "replay: 2 of 3 hours, coingecko 2026-11-20T11:00Z, 200 records, 17/s",
        "poison: [bold]key[/bold]",
    ]


def test_a_terminal_gets_a_bar() -> None:
    out = shown(terminal=True)
    assert "3/3" in out
    assert "poison: [bold]key[/bold]" in out
    assert "of 3 hours" not in out
