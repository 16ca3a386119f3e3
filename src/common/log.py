"""Logging: one event a line with its numbers, for people or as JSON; repeated events limited, secrets masked."""

from __future__ import annotations

import json
import logging
import logging.handlers
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cryptoproxy.common.settings.secret import MASK
from cryptoproxy.errors import visible


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time`` (UTC), ``level``, ``logger``, ``message``, ``error`` where there is one."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        event = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{record.msecs:03.0f}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            event["error"] = self.formatException(record.exc_info)
        return visible(json.dumps(event, ensure_ascii=False))  # still JSON: what it has left as it is


class PlainFormatter(logging.Formatter):
    """``10:01:00.412 INFO  50 coins fetched …``, in UTC; warnings and errors stand out by their word.

    An event is a line, whatever an upstream has said in it; the lines of a trace follow, indented.
    """

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        return visible(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return "\n".join(f"    {visible(line)}" for line in super().formatException(ei).split("\n"))


class MaskSecrets(logging.Formatter):
    """The last line of defence: a secret that got into a line of any library, or into a trace, is masked there.

    Around another formatter, not a filter, since it must see what that one makes of arguments and exceptions.
    """

    def __init__(self, formatter: logging.Formatter, secrets: Callable[[], Iterable[str]]) -> None:
        super().__init__()
        self._formatter = formatter
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        line = self._formatter.format(record)
        spellings = {spelling for secret in filter(None, self._secrets()) for spelling in _spellings(secret)}
        for spelling in sorted(spellings, key=len, reverse=True):  # one may be a part of another
            line = line.replace(spelling, MASK)
        return line


def _spellings(secret: str) -> set[str]:
    """As it is, as ``repr`` shows it and its bytes, all within JSON, and all as a line shows it."""
    plain = {secret, repr(secret)[1:-1], repr(secret.encode())[2:-1]}
    plain |= {json.dumps(each, ensure_ascii=False)[1:-1] for each in plain}
    return plain | {visible(each) for each in plain}


class LogFile(logging.handlers.WatchedFileHandler):
    """Goes on in a new file after logrotate has moved the old one. A line that cannot be written is dropped."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # on opening a new file: its folder is gone, or the disk is full
            self.handleError(record)


def configure(
    *,
    level: str = "INFO",
    format: str = "text",  # noqa: A002 - the setting's own word
    file: Path | None = None,
    secrets: Callable[[], Iterable[str]] = tuple,
) -> None:
    """Sets up logging for the process: to standard error, and to ``file`` as well where one is named."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(LogFile(file, encoding="utf-8", errors="backslashreplace"))
    formatter = MaskSecrets(JsonFormatter() if format == "json" else PlainFormatter(), secrets)
    for handler in handlers:
        handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=handlers, force=True)
    # A full log disk must not end or flood the process: what cannot be written is dropped.
    logging.raiseExceptions = False
    # Their own words repeat what we say, at each reconnect; each of their steps would bury ours.
    for chatty in ("kafka", "elastic_transport", "botocore", "urllib3", "boto3", "s3transfer", "schedule"):
        logging.getLogger(chatty).setLevel(logging.WARNING if level == "DEBUG" else logging.CRITICAL)


class Limited:
    """Says a repeated event at most once in ``seconds``, and how often it came meanwhile."""

    def __init__(
        self, logger: logging.Logger, *, seconds: float = 30, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._seconds = seconds
        self._clock = clock
        self._last: dict[str, tuple[float, int]] = {}

    def warning(self, key: str, message: str) -> None:
        """Logs ``message`` unless ``key`` was logged just now."""
        now = self._clock()
        said, suppressed = self._last.get(key, (float("-inf"), 0))
        if now - said < self._seconds:
            self._last[key] = (said, suppressed + 1)
            return
        self._last[key] = (now, 0)
        self._logger.warning("%s%s", message, f" ({suppressed} more like it since)" if suppressed else "")
