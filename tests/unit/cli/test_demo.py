"""What a person sees of the demo, on the smallest terminal there is."""

from __future__ import annotations

import io
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from cryptoproxy.cli.demo import command as commands
from cryptoproxy.cli.demo.command import demo
from cryptoproxy.cli.demo.stage import Stage
from cryptoproxy.cli.demo.tally import Tally
from cryptoproxy.cli.demo.view import Moment, picture, plain
from cryptoproxy.common.settings import Settings
from cryptoproxy.errors import OperatorError

SETTINGS = Settings.from_texts({"ES_URL_ENDPOINT": "http://127.0.0.1:31999", "PYTHON_PRODUCER_SERVER_PORT": "31998"})


def coin(number: int, change: float = 1.5) -> dict[str, Any]:
    return {
        "symbol": f"COIN{number}", "name": f"A coin with a name of some length {number}", "price": 67_163.5,
        "change_24h": change, "market_cap": 1.3e12,
    }  # fmt: skip


def moment(*, polls: float = 1, objects: int = 1, top: int = 10, change: float = 1.5) -> Moment:
    poller = {"cryptoproxy_polls_total": polls}
    tallies = [Tally(name, count, count, count, count, count) for name, count in (("ticker", 50), ("candle", 336))]
    return Moment(75.0, poller, {}, tallies, objects, [coin(each, change) for each in range(1, top + 1)], [])


def drawn(now: Moment, *, width: int = 80, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    console.print(picture(now, SETTINGS, ".run/demo/demo.env", None, height=height))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 40), (132, 24), (100, 18)])
def test_it_fits_and_its_commands_are_whole(width: int, height: int) -> None:
    lines = drawn(moment(), width=width, height=height)
    assert len(lines) < height  # the cursor's line is one more
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "  alias demo='cryptoproxy --env-file .run/demo/demo.env'" in lines
    assert "  curl -s 'http://127.0.0.1:31999/crypto-prices/_search?size=1&pretty'" in lines
    for command in (
        "demo status",
        "demo query latest",
        "demo query candles",
        "demo tail",
        "demo lake ls",
        "127.0.0.1:31998/metrics",
    ):
        assert command in text


def test_on_a_tall_terminal_all_ten_coins_are_there() -> None:
    assert sum("COIN" in line for line in drawn(moment(), height=40)) == 10


def test_a_long_name_gives_way_and_brackets_are_no_markup() -> None:
    now = moment()
    now.top[0] |= {"name": "[/dim] a staked and wrapped coin on a bridge of some other chain"}
    (line,) = (each for each in drawn(now) if "[/dim] a staked" in each)
    assert "67,163.50" in line
    assert "1,300.0" in line


def test_one_is_one_and_zero_has_no_sign() -> None:
    text = "\n".join(drawn(moment(change=-0.001)))
    assert "by 1 poll, 0 slots missed" in text
    assert "in 1 object on S3" in text
    assert "+0.00 %" in text
    assert "-0.00" not in text
    assert "; 1 object, " in plain(moment())
    assert "; 2 objects, " in plain(moment(objects=2))


def test_a_folder_with_something_else_in_it_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OperatorError, match="holds something else than a demo"):
        Stage(tmp_path, interval=5, coins=1, say=print).__enter__()
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_who_ends_it_by_sigterm_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[bool] = []
    killed: list[int] = []

    @contextmanager
    def stage(*_: object, **__: object) -> Iterator[Stage]:
        try:
            yield Stage.__new__(Stage)
        finally:
            ended.append(True)

    monkeypatch.setattr(commands, "Stage", stage)
    monkeypatch.setattr(Stage, "settings", SETTINGS, raising=False)
    monkeypatch.setattr(commands, "Counter", lambda _: io.StringIO())
    monkeypatch.setattr(commands, "_watch", lambda *_: signal.raise_signal(signal.SIGTERM))
    outer = signal.signal(signal.SIGTERM, lambda number, _: killed.append(number))
    try:
        CliRunner().invoke(demo, [])
        assert (ended, killed) == ([True], [])
        signal.raise_signal(signal.SIGTERM)
        assert killed, "it is as it was"
    finally:
        signal.signal(signal.SIGTERM, outer)
