"""The frame of a long-running process: loops, stop signals, health, watchdog, HTTP.

| module | tells |
|---|---|
| ``health`` | what holds the process up, by part, and since when |
| ``loop`` | one loop: whether it shall go on, how it waits, that it still turns |
| ``http`` | `/livez`, `/readyz`, `/metrics` |
| ``garbage`` | what Python's garbage collector need not look at |
| ``process`` | start, watch and end them; exit codes |
"""

from cryptoproxy.common.service.health import Health
from cryptoproxy.common.service.loop import Loop
from cryptoproxy.common.service.process import Service

__all__ = ["Health", "Loop", "Service"]
