"""A flood by one team at a door: the others are answered, each question of theirs, and the flood waits for its refusals.

Nothing but the door is needed for that: what it answers by itself goes through the same gate.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import requests

from cryptoproxy.common.settings.environment import child_environment
from cryptoproxy.engines.ports import free_ports
from cryptoproxy.serve.teams import tokens
from cryptoproxy.serve.teams.gate import REFUSED_SECONDS
from cryptoproxy.serve.teams.limits import AT_ONCE
from tests.conftest import wait_until
from tests.faults.conftest import Say

CONNECTIONS, ALLOWED = 24, 600
ASKED = 100


def test_a_flood_by_one_team_leaves_the_others_unharmed(tmp_path: Path, say: Say) -> None:
    file, log = tmp_path / "teams.json", tmp_path / "log"
    with tokens.changed(file) as found:
        flood, other = (
            tokens.add(found, name, now="2026-11-20T10:00:00.000Z", requests=allowed, streams=0)
            for name, allowed in (("flood", ALLOWED), ("other", 4 * ALLOWED))
        )
    (away,) = free_ports(1)
    texts = {
        "KAFKA_BROKERS_HOST_PORT": f"127.0.0.1:{away}",
        "ES_URL_ENDPOINT": f"http://127.0.0.1:{away}",
        "READ_THROUGH": "off",
        "TEAMS_FILE": str(file),
        "SERVE_PORT": "0",
        "PYTHON_SERVE_SERVER_PORT": "0",
    }
    with log.open("wb") as output:
        door = subprocess.Popen(
            [sys.executable, "-m", "cryptoproxy.serve"],
            env=child_environment(texts), cwd=tmp_path, stdout=output, stderr=output,
        )  # fmt: skip
    stop, statuses = threading.Event(), list[int]()
    try:
        url = wait_until(lambda: said(log, r"the door is at (http://\S+?): "), what="a door")
        wait_until(lambda: answers(f"{url}/v1/"), what="an open door")
        calm = p99_of(f"{url}/t/{other}/binance/api/v3/ping")
        floods = [threading.Thread(target=ask, args=(url, flood, stop, statuses)) for _ in range(CONNECTIONS)]
        began = time.monotonic()
        for each in floods:
            each.start()
        wait_until(lambda: 429 in statuses, what="a flood that is refused")
        flooded = p99_of(f"{url}/t/{other}/binance/api/v3/ping")
        say(f"p99 of another team's questions: {calm:.1f} ms, and {flooded:.1f} ms beside a flood by {CONNECTIONS}")
        stop.set()
        for each in floods:
            each.join()
        seconds = time.monotonic() - began
        admitted, refused = statuses.count(200), statuses.count(429)
        assert admitted + refused == len(statuses)
        assert admitted <= ALLOWED / AT_ONCE + seconds * ALLOWED / 60 + 1
        assert refused <= CONNECTIONS * (seconds / REFUSED_SECONDS + 1), "each refusal is waited for"
        health = said(log, r"health and metrics at (http://\S+)")
        metrics = requests.get(f"{health}/metrics", timeout=60).text
        assert re.search(r'serve_team_refused_total\{path="binance/ping",team="flood"\} [1-9]', metrics)
        assert f'serve_team_requests_total{{path="binance/ping",team="other"}} {2 * ASKED}.0' in metrics
        with tokens.changed(file) as found:
            tokens.revoke(found, "flood", None)
        wait_until(
            lambda: requests.get(f"{url}/t/{flood}/binance/api/v3/ping", timeout=60).status_code == 401,
            what="a token that counts no more",
        )
        assert flood not in log.read_text() + file.read_text()
        door.send_signal(signal.SIGTERM)
        assert door.wait(180) == 0, log.read_text()
    finally:
        stop.set()
        door.kill()
        door.wait()


def p99_of(url: str) -> float:
    """In ms, of questions that are each answered."""
    took = []
    with requests.Session() as session:
        for _ in range(ASKED):
            began = time.monotonic()
            assert session.get(url, timeout=60).status_code == 200
            took.append((time.monotonic() - began) * 1000)
    return sorted(took)[-2]


def ask(url: str, token: str, stop: threading.Event, statuses: list[int]) -> None:
    with requests.Session() as session:
        while not stop.is_set():
            statuses.append(session.get(f"{url}/t/{token}/binance/api/v3/ping", timeout=60).status_code)


def said(log: Path, pattern: str) -> str:
    found = re.search(pattern, log.read_text())
    return found[1] if found else ""


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=60).status_code == 401
    except requests.ConnectionError:
        return False
