"""`cryptoproxy …` as a person types it, with the settings of a case."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from cryptoproxy.common.clock import SystemClock
from cryptoproxy.datasets import iso
from tests.faults.indexing.rig import IndexerRig
from tests.faults.process import ROOT


class Person:
    """Somebody at a terminal."""

    def __init__(self, rig: IndexerRig) -> None:
        self._folder: Path = rig.folder
        self._env_file = rig.folder / "settings.env"
        self._env_file.write_text("".join(f"{name}={value}\n" for name, value in rig.texts.items()))
        now_ms = SystemClock().now_ms()
        self._span = f"--from {iso(now_ms - 3_600_000)} --to {iso(now_ms + 3_600_000)}"

    def types(self, line: str) -> tuple[int, str]:
        """Exit code and standard output of ``cryptoproxy --env-file … <line>``."""
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        done = subprocess.run(
            [sys.executable, "-m", "cryptoproxy.cli.main", "--env-file", str(self._env_file), *shlex.split(line)],
            cwd=self._folder,
            env=environment | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        print(f"$ cryptoproxy {line}\n{done.stdout}{done.stderr}")
        return done.returncode, done.stdout

    def missing(self) -> tuple[int, list[str]]:
        """How many ids of the lake are no documents by `reconcile`, and the commands that it prints."""
        code, output = self.types(f"reconcile {self._span} --grace 1s --json")
        found = json.loads(output)
        missing = sum(hour["missing"] for hour in found["hours"])
        assert code == (1 if missing else 0)
        assert not any(hour["extra"] for hour in found["hours"])
        return missing, found["mend"]

    def mends(self, commands: list[str]) -> None:
        """Pastes what `reconcile` printed."""
        for command in commands:
            program, option, env_file, *rest = shlex.split(command)
            assert (program, option, env_file) == ("cryptoproxy", "--env-file", str(self._env_file))
            assert self.types(shlex.join(rest))[0] == 0
        assert self.missing() == (0, [])
