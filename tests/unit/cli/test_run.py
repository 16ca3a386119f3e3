"""`cryptoproxy run`: two processes under one, and an exit code that says what became of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cryptoproxy.cli.main import cli
from cryptoproxy.cli.services import run
from cryptoproxy.common.start import load_settings
from cryptoproxy.producer.alone import once

ROOT = Path(__file__).resolve().parents[3]
STAYS = (
    "import os, signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); "
    "os.write(1, bytes([117, 112, 10])); signal.pause()"
)
ENDS = "import sys; sys.exit({code})"
DIES = "import os, signal; os.kill(os.getpid(), signal.{name})"

SUPERVISOR = """
import os, sys
from cryptoproxy.cli.services.run import supervise
commands = {name: [sys.executable, "-c", code] for name, code in zip(("indexer", "poller"), sys.argv[1:])}
sys.exit(supervise(commands, os.environ))
"""


def start(*codes: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, *codes],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        (ENDS.format(code=2), 2, "The poller ended by itself with code 2"),
        (ENDS.format(code=70), 70, "The poller ended by itself with code 70"),
        (ENDS.format(code=0), 1, "The poller ended by itself with code 0"),
        (DIES.format(name="SIGKILL"), 137, "The poller was killed by SIGKILL"),
        (DIES.format(name="SIGSEGV"), 139, "The poller was killed by SIGSEGV"),
    ],
)
def test_when_one_ends_the_other_is_ended_and_it_is_a_failure(end: str, code: int, said: str) -> None:
    with start(STAYS, end) as running:
        out, err = running.communicate(timeout=120)
    assert running.returncode == code
    assert said in err
    # The first may have been asked to end before it could say that it was up.
    assert out in ("", "up\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_both_and_is_no_failure(number: signal.Signals) -> None:
    with start(STAYS, STAYS) as running:
        assert running.stdout is not None
        up = [running.stdout.readline(), running.stdout.readline()]
        running.send_signal(number)
        _, err = running.communicate(timeout=120)
    assert up == ["up\n", "up\n"]
    assert (running.returncode, err) == (0, "")


def test_a_poller_by_hand_in_a_new_folder_says_that_its_outbox_is_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "start", load_settings)
    monkeypatch.setattr(once, "once", lambda settings: 0)
    assert CliRunner().invoke(cli, ["produce", "--once"]).exit_code == 0
    assert f"nothing of this program was found in {tmp_path} or above" in caplog.text
    caplog.clear()
    (tmp_path / ".run" / "engines").mkdir(parents=True)
    CliRunner().invoke(cli, ["produce", "--once"])
    assert caplog.text == ""
