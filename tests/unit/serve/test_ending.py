"""The end of the door's process."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import PATIENCE

HUNG = """
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from cryptoproxy.serve.wiring import DoorProcess

ThreadPoolExecutor(1).submit(threading.Event().wait)
door = DoorProcess.__new__(DoorProcess)
door.service = SimpleNamespace(run=lambda: 7)
door.run()
"""


def test_a_question_that_still_waits_for_an_index_holds_up_no_stop() -> None:
    assert subprocess.run([sys.executable, "-c", HUNG], timeout=PATIENCE, check=False).returncode == 7
