from __future__ import annotations

import io

from rich.console import Console

from cryptoproxy.consumer.backfill.display import LINE_SECONDS, Display
from tests.unit.consumer.backfill.lake import TEN


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
