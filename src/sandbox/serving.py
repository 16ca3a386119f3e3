"""Running the sandbox as a process of its own."""

from __future__ import annotations

import signal
import threading
from typing import TextIO

from cryptoproxy.sandbox.app import UPSTREAMS, Sandbox

PRO = "coingecko-pro"


def serve(sandbox: Sandbox, out: TextIO) -> None:
    """Starts, writes the address as first line and below it the settings that lead a poller here, stops on SIGINT or
    SIGTERM."""
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with sandbox:
        out.write("\n".join([sandbox.url, "", *settings_of(sandbox), ""]))
        out.flush()
        done.wait()


def settings_of(sandbox: Sandbox) -> list[str]:
    """Lines for ``.env``."""
    usual = [name for name in UPSTREAMS if name != PRO]
    return [
        "# To poll it instead of the real upstreams, put these lines into .env (--port keeps the address):",
        *(f"{name.upper()}_BASE_URL={sandbox.base_url(name)}" for name in usual),
        f"# With COINGECKO_PLAN=pro: COINGECKO_BASE_URL={sandbox.base_url(PRO)}",
        "# It has no limits of its own unless you give it some:",
        "COINGECKO_CALLS_PER_MINUTE=0",
    ]
