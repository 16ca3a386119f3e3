"""For a container's health check: exit code 0 while the process in it is alive. Needs nothing but Python.

`/livez`, not `/readyz`: what is paused for a named reason, or stands by, must not be started anew. Poller, indexer,
door and the others share one image and never one container, so whichever port answers is its own. ``probe.py
/readyz`` asks another page.
"""

import os
import sys
import urllib.error
import urllib.request

PORTS = {
    "PYTHON_PRODUCER_SERVER_PORT": "8000",
    "PYTHON_CONSUMER_SERVER_PORT": "8001",
    "PYTHON_SERVE_SERVER_PORT": "8002",
    "PYTHON_WATCH_SERVER_PORT": "8003",
    "PYTHON_MODELS_SERVER_PORT": "8004",
    "PYTHON_BROKERS_SERVER_PORT": "8005",
}
SECONDS = 4.0


def main() -> int:
    """0: alive. 1: nobody answers, or what answers is stuck; its words go to standard output."""
    page = sys.argv[1] if len(sys.argv) > 1 else "/livez"
    words = "no health port answers"
    for name, usual in PORTS.items():
        url = f"http://127.0.0.1:{os.environ.get(name) or usual}{page}"
        try:
            with urllib.request.urlopen(url, timeout=SECONDS) as answer:
                print(answer.read().decode(errors="replace").strip())  # noqa: T201
                return 0
        except urllib.error.HTTPError as error:
            with error:
                words = error.read().decode(errors="replace").strip()
        except OSError:
            continue
    print(words)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
