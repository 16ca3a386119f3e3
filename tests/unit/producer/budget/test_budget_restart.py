"""What is known survives: the end of the process in any way, a damaged file, a boot, a clock that was set meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cryptoproxy.common import files
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.errors import OperatorError
from cryptoproxy.producer.budget import Budget
from cryptoproxy.upstreams.base import Limit, Limits
from tests.unit.producer.budget.hand_clock import HandClock

Make = Callable[..., Budget]

ROOT = Path(__file__).parents[4]

TAKES_AND_IS_KILLED = """
import os, signal, sys
from pathlib import Path
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.producer.budget import Budget
from cryptoproxy.upstreams.base import Limit, Limits

limit = Limit(window="month", amount=100, setting="MONTH")
limits = Limits(upstream="upstream", unit="calls", interval_setting="INTERVAL", limits=(limit,))
budget = Budget(limits, Path(sys.argv[1]), clock=SystemClock())
assert budget.take(7) == 0.0
os.kill(os.getpid(), signal.SIGKILL)  # before the request is sent
"""


def test_counts_survive_a_restart(make: Make, clock: HandClock) -> None:
    make(minute=5, five_seconds=5, month=100).take(3)
    assert make(minute=5, five_seconds=5, month=100).left() == {"minute": 2, "5s": 2, "month": 97}
    clock.turn(62)
    assert make(minute=5, five_seconds=5, month=100).left() == {"minute": 5, "5s": 5, "month": 97}


def test_sigkill_between_count_and_request_keeps_the_count(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", TAKES_AND_IS_KILLED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        timeout=180,
    )
    assert ended.returncode == -signal.SIGKILL
    limit = Limit(window="month", amount=100, setting="MONTH")
    limits = Limits(upstream="upstream", unit="calls", interval_setting="INTERVAL", limits=(limit,))
    assert Budget(limits, tmp_path, clock=SystemClock()).left() == {"month": 93}


@pytest.mark.parametrize("boot", ["boot-1", "boot-2", ""])
def test_a_ban_goes_on_after_a_restart(make: Make, clock: HandClock, boot: str) -> None:
    make(minute=5, boot=boot).ban(600, "403")
    clock.turn(200)
    budget = make(minute=5, boot=boot)
    assert budget.take(1) == pytest.approx(400, abs=1)
    clock.turn(400)
    assert budget.take(1) == 0.0


def test_a_ban_goes_on_after_a_boot(make: Make, clock: HandClock) -> None:
    make(minute=5).ban(600, "403")
    clock.boot(200)
    assert make(minute=5, boot="boot-2").ban_ends_in() == pytest.approx(400, abs=1)


@pytest.mark.parametrize("step", [7200, -7200])
def test_a_clock_that_was_set_while_the_process_was_down_changes_no_ban(
    make: Make, clock: HandClock, step: float
) -> None:
    make(minute=5).ban(600, "403")
    clock.turn(200)
    clock.step(step)
    assert make(minute=5).ban_ends_in() == pytest.approx(400, abs=1)


def test_after_a_boot_with_the_clock_behind_a_ban_lasts_no_longer_than_it_was(make: Make, clock: HandClock) -> None:
    budget = make(minute=5)
    budget.take(5)
    budget.ban(600, "403")
    clock.boot(60)
    clock.step(-365 * 86_400)
    budget = make(minute=5, boot="boot-2")
    assert budget.ban_ends_in() == 600
    clock.turn(600)
    assert budget.take(1) == 0.0


def test_after_a_boot_with_the_clock_behind_what_was_used_is_used_just_now(make: Make, clock: HandClock) -> None:
    make(minute=5).take(5)
    clock.boot(60)
    clock.step(-365 * 86_400)
    budget = make(minute=5, boot="boot-2")
    assert budget.take(1) > 0
    clock.turn(62)
    assert budget.take(1) == 0.0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 200,
        b'{"upstream":"upstream","counts":{"months":{"2026-11":',
        b'{"upstream":"upstream","counts":{"months":{"2026-11":-5}}}',
        b'{"upstream":"upstream","counts":{"months":{"november":5}}}',
        b'{"upstream":"another","counts":{}}',
    ],
)
def test_a_damaged_file_is_set_aside_aloud_and_taken_for_used_up(
    make: Make, clock: HandClock, tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    make(minute=5, month=3000).take(1)
    file = tmp_path / "budget" / "upstream.json"
    file.write_bytes(content)

    budget = make(minute=5, month=3000)
    aside = tmp_path / "budget" / "upstream.json.damaged-20261121T120000Z"
    assert aside.read_bytes() == content
    assert str(aside) in caplog.text
    assert budget.left() == {"minute": 0, "month": 950}, "20.5 of 30 days are over"
    assert make(minute=5, month=3000).left() == {"minute": 0, "month": 950}, "and that is on disk again"
    clock.turn(62)
    assert budget.take(1) == 0.0


def test_after_damage_the_topic_tells_the_month_if_it_is_more(make: Make, tmp_path: Path) -> None:
    budget = make(minute=5000, month=3000)
    budget.take(2900)
    published = budget.state()
    (tmp_path / "budget" / "upstream.json").write_bytes(b"")
    budget = make(minute=5000, month=3000)
    budget.merge(published)
    assert budget.left()["month"] == 100


def test_a_file_that_cannot_be_read_is_a_persons_to_mend(make: Make, tmp_path: Path) -> None:
    (tmp_path / "budget" / "upstream.json").mkdir(parents=True)
    with pytest.raises(OperatorError, match="cannot be read"):
        make(minute=5)


def test_a_folder_that_cannot_be_made_is_a_persons_to_mend(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="cannot be made"):
        make(folder=tmp_path / "file" / "budget")


def test_what_cannot_be_written_is_not_granted(make: Make, tmp_path: Path) -> None:
    budget = make(minute=5)
    (tmp_path / "budget" / "upstream.json.new").mkdir()
    with pytest.raises(OperatorError, match="nothing is sent that is not counted"):
        budget.take(1)
    assert budget.left() == {"minute": 5}
    (tmp_path / "budget" / "upstream.json.new").rmdir()
    assert budget.take(1) == 0.0


def test_a_take_writes_its_file_once_however_much_was_taken_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a take costs is a figure of `make bench`; that it does not grow is this."""
    limits = Limits(
        upstream="binance",
        unit="weight",
        interval_setting="INTERVAL",
        limits=(
            Limit(window="minute", amount=10**6, setting="MINUTE", slow_above=0.9),
            Limit(window="month", amount=10**9, setting="MONTH"),
        ),
    )
    clock = HandClock()
    budget = Budget(limits, tmp_path, clock=clock)
    sizes: list[int] = []
    replace = files.replace

    def counted(path: Path, content: bytes, *, sync: bool) -> None:
        replace(path, content, sync=sync)
        sizes.append(path.stat().st_size)

    monkeypatch.setattr(files, "replace", counted)
    for _ in range(400):
        clock.turn(0.5)
        assert budget.take(80) == 0.0
    assert len(sizes) == 400
    assert max(sizes) < 2 * sizes[130], "no longer than with one minute's takes"
