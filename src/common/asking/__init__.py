"""One door to an upstream: what our other processes and the active poller say to each other.

| module | tells |
|---|---|
| ``words`` | a question and its key; where the door is; what is asked and answered, as bytes |
| ``client`` | finds the door on the state topic, and asks there |
"""

from cryptoproxy.common.asking.words import (
    EVERY_MS,
    FETCHED_AT,
    AskError,
    NoBudgetError,
    NoPollerError,
    NotAllowedError,
    Question,
    Replied,
    UpstreamFailedError,
)

__all__ = [
    "EVERY_MS",
    "FETCHED_AT",
    "AskError",
    "NoBudgetError",
    "NoPollerError",
    "NotAllowedError",
    "Question",
    "Replied",
    "UpstreamFailedError",
]
