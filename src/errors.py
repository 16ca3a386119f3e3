"""The kinds of error, and what each one means to the loop that decides.

    CryptoProxyError
    ├── SettingsError     the settings are wrong: all faults at once, exit code 2
    ├── TransientError    try the failed part again, with growing waits, for ever
    ├── PoisonError       this record can never be accepted: dead letter
    ├── SizeError         the request was too large: halve it
    └── OperatorError     only a person can mend it: pause, stay up, not ready, say what to do

Code raises by kind; one loop per stage decides. Nothing else catches broadly, and a retry never hides
under another retry.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_CONTROLS = re.compile(
    r"[\x00-\x1f\x7f-\x9f"
    r"\u2028\u2029"  # they begin a line, too
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # the direction of writing
    r"\ufeff\ud800-\udfff]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    """What others have said, on one line: what would begin a new one, move a terminal's cursor, change its colours or
    turn the direction of writing is written out, as JSON would (``\\n``, ``\\u001b``)."""
    return _CONTROLS.sub(lambda found: _SHORT.get(found[0], f"\\u{ord(found[0]):04x}"), text)


class CryptoProxyError(Exception):
    """Base of every error this program raises on purpose. Its text is for a person: it holds no control characters,
    whoever's words are in it, and lines after the first are indented, so that none passes for another message."""

    def __init__(self, message: str) -> None:
        super().__init__("\n    ".join(visible(line).strip() for line in message.split("\n")))


class SettingsError(CryptoProxyError):
    """Wrong settings. ``faults`` holds one line per fault, so that all are mended in one go."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = [visible(fault) for fault in faults]
        super(CryptoProxyError, self).__init__("\n".join(self.faults))  # each line is a message


class TransientError(CryptoProxyError):
    """May work if tried again. ``retry_after`` is what the other side asked for, in seconds."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PoisonError(CryptoProxyError):
    """One record that can never be accepted. ``reason`` is a short word, used as metric label and header."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class SizeError(CryptoProxyError):
    """The other side refused a request for its size; half of it may pass."""


class OperatorError(CryptoProxyError):
    """Only a person can mend this. ``remedy`` says what to do, in one sentence."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(f"{message}. {remedy}")
        self.remedy = remedy


def together(faults: Sequence[CryptoProxyError]) -> CryptoProxyError:
    """One error that tells all of ``faults``, at least one, so that they are mended in one go."""
    return faults[0] if len(faults) == 1 else CryptoProxyError("\n".join(map(str, faults)))
