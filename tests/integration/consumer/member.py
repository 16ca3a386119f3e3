"""An indexer in a process of its own, with a session short enough for a test to see it die.

python member.py            settings by the environment
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from common.clients import kafka as kafka_client
from common.start import start

kafka_client.consumer = functools.partial(kafka_client.consumer, session_timeout_ms=6_000)  # type: ignore[assignment]

from consumer.wiring import service  # noqa: E402 - after the session was shortened

if __name__ == "__main__":
    sys.exit(service(start(Path(".env"))).run())
