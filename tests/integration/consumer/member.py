"""An indexer in a process of its own, with a session short enough for a test to see it die.

python member.py            settings by the environment
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from pathlib import Path

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.start import start

kafka_client.consumer = functools.partial(kafka_client.consumer, session_timeout_ms=6_000)  # type: ignore[assignment]

from cryptoproxy.consumer.positions import Positions  # noqa: E402 - after the session was shortened
from cryptoproxy.consumer.wiring import service  # noqa: E402

if "TEST_HANG" in os.environ:
    Positions.look = lambda self: threading.Event().wait()  # type: ignore[assignment,method-assign]

if __name__ == "__main__":
    sys.exit(service(start(Path(".env"))).run())
