"""The frame of a long-running process: loops, stop signals, health, watchdog, HTTP.

| module | tells |
|---|---|
| ``health`` | what holds the process up, by part, and since when |
| ``http`` | `/livez`, `/readyz`, `/metrics` |
| ``process`` | a loop, and how all of them are started, watched and ended; exit codes |
"""

from cryptoproxy.common.service.health import Health
from cryptoproxy.common.service.process import Loop, Service

__all__ = ["Health", "Loop", "Service"]
