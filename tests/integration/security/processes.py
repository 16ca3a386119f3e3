"""Poller, indexer and commands as processes that say all they can; whatever they say is looked through for secrets."""

from __future__ import annotations

import base64
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

import psutil
import requests

from cryptoproxy.common.settings.environment import child_environment
from tests.conftest import wait_until
from tests.integration.security import loud

ROOT = Path(__file__).parents[3]
_HEALTH = re.compile(r"health and metrics at (http://[\w.:]+)")


def spellings(secret: str, users: Iterable[str] = ()) -> set[str]:
    """The forms in which a secret travels: as it is, quoted, as bytes, and in base64 with its user before it."""
    found = {secret, quote(secret, safe=""), repr(secret)[1:-1], repr(secret.encode())[2:-1]}
    found.add(base64.b64encode(secret.encode()).decode().rstrip("="))
    for user in users:
        for text in (f"{user}:{secret}", f"\0{user}\0{secret}", f"{user}\0{user}\0{secret}"):
            found.add(base64.b64encode(text.encode()).decode().rstrip("="))
    return found


def environment(texts: Mapping[str, str], folder: Path) -> dict[str, str]:
    given = {name: text for name, text in texts.items() if text}
    return child_environment({"ENGINES_DIR": str(folder / "none")} | given) | {"PYTHONPATH": str(ROOT)}


def run(arguments: list[str], texts: Mapping[str, str], folder: Path) -> tuple[int, str]:
    """Exit code and all that a `cryptoproxy` command printed."""
    done = subprocess.run(
        [sys.executable, "-m", "cryptoproxy.cli.main", *arguments],
        env=environment(texts, folder),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


class Process:
    """`cryptoproxy produce` or `consume`, at debug level, its libraries too.

    Must end well, and must have kept its secrets to itself.
    """

    def __init__(
        self, command: str, texts: Mapping[str, str], folder: Path, *, secrets: Callable[[], set[str]]
    ) -> None:
        self.folder = folder / command
        self.folder.mkdir(parents=True, exist_ok=True)
        self._log, self._secrets = self.folder / "log", secrets
        self._seen: list[str] = []
        own = {"LOG_LEVEL": "DEBUG", "PYTHON_PRODUCER_SERVER_PORT": "0", "PYTHON_CONSUMER_SERVER_PORT": "0"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, loud.__file__, command],
                env=environment(own | dict(texts), self.folder),
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> Process:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.look()
                self._process.send_signal(signal.SIGTERM)
                assert self._process.wait(180) == 0, self.tail()
                self.assert_discreet()
        finally:
            self._process.kill()
            self._process.wait()
        if kind is not None:
            print(f"--- {self.folder.name}\n{self.tail()}")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def said(self) -> list[str]:
        """The lines of this program's own, without those of its libraries at debug level."""
        return [line for line in self.log.splitlines() if re.search(r"Z (INFO|WARNING|ERROR|CRITICAL) ", line)]

    def tail(self) -> str:
        return "\n".join(self.said()[-40:])[-6000:]

    @property
    def url(self) -> str:
        def found() -> str:
            hit = _HEALTH.search(self.log)
            return hit[1] if hit else ""

        return wait_until(found, what=f"the health address of {self.folder.name}")

    def reasons(self) -> dict[str, str]:
        answer = requests.get(f"{self.url}/readyz", timeout=180)
        self._seen.append(answer.text)
        return dict(answer.json()["reasons"])

    def wait_ready(self, *, seconds: float = 180) -> None:
        wait_until(lambda: not self.reasons(), seconds=seconds, what=f"{self.folder.name} ready; {self.tail()}")

    def wait_reason(self, *words: str, seconds: float = 180) -> str:
        """Until it is not ready for a reason with all these words."""

        def found() -> str:
            return next((text for text in self.reasons().values() if all(word in text for word in words)), "")

        return wait_until(found, seconds=seconds, what=f"{words} in /readyz of {self.folder.name}; {self.tail()}")

    def listens_on(self) -> set[str]:
        """The addresses of its open ports."""
        connections = psutil.Process(self.pid).net_connections(kind="inet")
        return {each.laddr.ip for each in connections if each.status == psutil.CONN_LISTEN}

    def look(self) -> None:
        """At what anybody on this machine, or who may ask its health port, can see."""
        self._seen.append(Path(f"/proc/{self.pid}/cmdline").read_text())
        self._seen += [
            requests.get(f"{self.url}/{page}", timeout=180).text for page in ("metrics", "readyz", "livez", "x")
        ]

    def assert_discreet(self) -> None:
        everything = "\n".join([self.log, *self._seen])
        assert re.search(r"Request \d+: ", everything), "kafka-python tells of no request"
        assert sorted(secret for secret in self._secrets() if secret in everything) == []
