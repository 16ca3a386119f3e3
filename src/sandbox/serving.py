"""Running the sandbox as a process of its own."""

from __future__ import annotations

import signal
import threading
from typing import TextIO

from cryptoproxy.sandbox.app import UPSTREAMS, Sandbox


def serve(sandbox: Sandbox, out: TextIO) -> None:
    """Starts, writes the address as first line and the base addresses below, stops on SIGINT or SIGTERM."""
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with sandbox:
        bases = [f"  {name}: {sandbox.base_url(name)}" for name in UPSTREAMS]
        out.write("\n".join([sandbox.url, *bases, ""]))
        out.flush()
        done.wait()
