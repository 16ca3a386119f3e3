"""What an answer means by itself where an upstream has no word of its own for it, and for how long to leave one alone.

| answer | kind |
|---|---|
| 418, or "banned until …" with any status | banned: the longest time told, else 2 minutes |
| 403, 2xx but 200, a firewall's mark, page or challenge instead of JSON: a gate | left alone for a minute |
| 429 | refused for its ``Retry-After``; where that tells no time, left alone for a minute |
| 5xx, 408, 425 | transient |
| redirects, other 4xx | operator |

How long it asks for is told by a header, or by the end of a ban in its words. Each refusal in a row makes the wait
longer: see :meth:`producer.budget.Budget.ban`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NoReturn

from cryptoproxy.common.retry import seconds_told
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.upstreams.answers.said import LONGEST_ERROR, ascii_of, said
from cryptoproxy.upstreams.base import BannedError, RefusedError, Response

MAX_WORDS = 300

SHORTEST_BAN = 120.0
BLOCKED_SECONDS = 60.0
"""How long an upstream is left alone that does not say how long it wants to be."""

LONGEST_WAIT = 3 * 24 * 3600.0
"""Binance's longest ban. Whoever asks for more has a broken clock or is misread."""

_DATE = re.compile(r"[A-Za-z]+, [^,]+", re.ASCII)
_RESET = "x-bapi-limit-reset-timestamp"
_UNIX = re.compile(r"(?<!\d)\d{10,19}(?!\d)", re.ASCII)
_UNIX_BEGIN = 1e9
"""Nobody asks to wait for thirty years: from here on a number is a Unix time."""
_BANNED_UNTIL = re.compile(
    r"(?:banned|\bban)\s+(?:un)?till?(?:\D{0,20}?(?:(?P<number>\d{10,19})"
    r"|(?P<date>\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(:\d\d)?)|(?P<http>\d\d? [a-z]{3} \d{4} \d\d:\d\d:\d\d))(?!\d)"
    r"(\.\d+)? ?(?P<zone>[+-]\d\d:?\d\d(?!\d))?)?",
    re.ASCII | re.IGNORECASE,
)
_BANNED_FOR = re.compile(r"banned\s+for\s+(\d[\d.,]{0,12}\s?[a-z]{0,8})", re.ASCII | re.IGNORECASE)
_ERRORS_WORDS = ("msg", "retMsg", "ret_msg", "error", "error_message", "message")
_HEAD = 16 * 1024

_TIMEOUT_STATUSES = (408, 425)
_GATE_MARKS = ("x-amzn-waf-action", "cf-mitigated", "x-datadome", "x-sucuri-block")
_title = re.compile(r"<title>(.*?)</title>", re.IGNORECASE)
_challenge = re.compile(rb"just a moment|attention required|captcha|incapsula|challenge-platform", re.IGNORECASE)
_page = re.compile(rb"(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)?<(!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)


def words(body: bytes, *secrets: str) -> str:
    """The upstream's own words on one line, short enough for a log, without our secrets. Of a page its title."""
    text = " ".join(body[: 16 * MAX_WORDS].decode(errors="replace").replace("\0", "").split())
    if title := _title.search(text):
        text = f"a page titled {title[1].strip()!r}"
    for secret in filter(None, secrets):
        text = text.replace(secret, "********")
    return text if len(text) <= MAX_WORDS else f"{text[:MAX_WORDS]}…"


def require_spoken(upstream: str, answer: Response, *, now_ms: int) -> None:
    """Returns for a 200 that is no firewall's page and tells no ban; what it holds is looked at where it is read.

    Raises:
        BannedError: see :func:`leave_alone`.
    """
    if answer.status == 200 and (
        answer.body[:1] == b"[" or not (_is_gate(answer) or _tells_ban(answer, now_ms) is not None)
    ):
        return
    leave_alone(upstream, answer, now_ms=now_ms, said=words(answer.body))


def may_be_error(body: bytes) -> bool:
    """Whether a 200 may hold an error in place of rows: it has few bytes."""
    return len(body) < LONGEST_ERROR


def _begins_as_json(body: bytes) -> bool:
    return body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def leave_alone(upstream: str, answer: Response, *, now_ms: int, said: str) -> None:
    """Returns for an answer by which the upstream does not ask to be left alone.

    Args:
        said: the upstream's words.

    Raises:
        BannedError: a ban, a gate, or a 429 without a usable ``Retry-After``.
        RefusedError: a 429 with one.
    """
    status = answer.status
    obey_ban(upstream, answer, now_ms=now_ms, said=said)
    asked = retry_after(answer.headers, now_ms=now_ms) or 0.0
    if _is_gate(answer):
        what = "its gate, not its API" if status == 403 else f"a gate, not what {upstream} speaks"
        message = f"{upstream} answered {status}, which is {what}: {said or 'an empty body'}"
        raise BannedError(message, retry_after=max(BLOCKED_SECONDS, asked), least=BLOCKED_SECONDS)
    if status == 429:
        too_many(f"{upstream} answered 429: {said or 'no words'}", told=asked)


def obey_ban(upstream: str, answer: Response, *, now_ms: int, said: str) -> None:
    """Returns where no ban is told. To be asked before all else that an answer may mean.

    Raises:
        BannedError: 418, or the words tell one.
    """
    ban = _tells_ban(answer, now_ms)
    if answer.status == 418 or ban is not None:
        told = max(retry_after(answer.headers, now_ms=now_ms) or 0.0, ban or 0.0)
        raise BannedError(f"{upstream} answered {answer.status}: {said or 'banned'}", retry_after=told or SHORTEST_BAN)


def too_many(message: str, *, told: float | None) -> NoReturn:
    """Raises for a limit that was reached.

    Raises:
        RefusedError: ``told``, so the same slot may be tried again.
        BannedError: nothing usable was told.
    """
    if told:
        raise RefusedError(message, retry_after=told, least=BLOCKED_SECONDS)
    raise BannedError(message, retry_after=BLOCKED_SECONDS, least=BLOCKED_SECONDS)


def _tells_ban(answer: Response, now_ms: int) -> float | None:
    if answer.status != 200:
        return ban_told(answer.body, now_ms=now_ms)
    if _begins_as_json(answer.body):  # beside an error's words there are names, which anybody may have written
        return ban_told(said(answer.body, *_ERRORS_WORDS).encode(errors="replace"), now_ms=now_ms)
    return ban_told(answer.body[:_HEAD], now_ms=now_ms)


def _is_gate(answer: Response) -> bool:
    """A firewall's answer in place of the API's: it challenges a browser, or blocks."""
    status = answer.status
    if status == 403 or 200 < status < 300 or any(mark in answer.headers for mark in _GATE_MARKS):
        return True
    page = "html" in answer.headers.get("content-type", "").lower() or _page.match(answer.body) is not None
    if status in (405, 406):  # our calls are GETs of JSON that each API documents
        return page or not answer.body
    if page and status >= 400 and _challenge.search(answer.body):
        return True
    return status == 200 and page and not _begins_as_json(answer.body)


def is_page(answer: Response, *, now_ms: int) -> bool:
    """A 200 with a page for people, by which nobody asks to be left alone: no firewall's mark or challenge, no ban, no
    time to come back at. Of a path that is asked for seldom it says nothing of the others."""
    marked = any(mark in answer.headers for mark in _GATE_MARKS) or _challenge.search(answer.body) is not None
    return (
        answer.status == 200
        and not _begins_as_json(answer.body)
        and not marked
        and _tells_ban(answer, now_ms) is None
        and retry_after(answer.headers, now_ms=now_ms) is None
    )


def refuse_by_status(upstream: str, answer: Response, *, now_ms: int, said: str, remedy: str) -> NoReturn:
    """Raises what any status but 200 means by itself.

    Args:
        said: the upstream's words.
        remedy: what a person can do when the request itself was refused (4xx).

    Raises:
        RefusedError, BannedError: see :func:`leave_alone`.
        TransientError: 5xx, 408, 425, and what no API answers (1xx).
        OperatorError: a redirect, which is not followed (it would carry the key elsewhere), and every other 4xx.
    """
    status = answer.status
    leave_alone(upstream, answer, now_ms=now_ms, said=said)
    if 300 <= status < 400:
        raise OperatorError(
            f"{upstream} answered {status}: it sends us on to {_address(answer) or 'nowhere'}",
            remedy=f"Set {upstream.upper()}_BASE_URL to the address that answers itself, if that is really {upstream}",
        )
    message = f"{upstream} answered {status}: {said or 'no words'}"
    if 400 <= status < 500 and status not in _TIMEOUT_STATUSES:
        raise OperatorError(message.rstrip(". "), remedy=remedy)
    raise TransientError(message, retry_after=retry_after(answer.headers, now_ms=now_ms))


def _address(answer: Response) -> str:
    """Where a redirect leads to, without the question: what is asked for is ours, and not the point."""
    return words(answer.headers.get("location", "").partition("?")[0].encode())


def not_spoken(upstream: str, body: bytes, why: object = "") -> TransientError:
    """The error for an answer of another shape: cut, garbage, somebody else's page."""
    return TransientError(f"not what {upstream} speaks: {why or 'another shape'}: {words(body) or 'an empty body'}")


def retry_after(headers: Mapping[str, str], *, now_ms: int) -> float | None:
    """The header ``retry-after``: seconds, an HTTP date, or (some do) another date or a Unix time; or Bybit's own one,
    a Unix time. Of several the longest; None where there is none of these; 0 for a moment that is over."""
    # Two headers of one name arrive joined by a comma, which a date has within itself.
    text = headers.get("retry-after", "")
    parts = [*_DATE.findall(text), *_DATE.sub("", text).split(",")]
    waits = [told for part in parts if (told := _told(part.strip(), now_ms)) is not None]
    waits += [wait_until(ms_of_unix(digits), now_ms=now_ms) for digits in _UNIX.findall(headers.get(_RESET, ""))]
    return max(waits, default=None)


def _told(text: str, now_ms: int) -> float | None:
    if (seconds := seconds_told(text)) is not None:
        if _UNIX_BEGIN <= seconds < 1e19:
            return wait_until(ms_of_unix(str(int(seconds))), now_ms=now_ms)
        return min(seconds, LONGEST_WAIT)
    try:
        moment = _moment(text) or parsedate_to_datetime(text)
        if moment.tzinfo is None:  # "-0000": UTC of an unknown zone
            moment = moment.replace(tzinfo=UTC)
        return wait_until(round(moment.timestamp() * 1000), now_ms=now_ms)
    except (ValueError, OverflowError, TypeError, IndexError):  # no date, one that no calendar has, or beyond its ends
        return None


def ban_told(body: bytes, *, now_ms: int) -> float | None:
    """Seconds until the end of a ban that the words tell (``IP banned until 1660090423228``), in whatever unit; 0 if
    that is over or cannot be read, None if they tell none."""
    text = ascii_of(body).decode(errors="replace")
    told = [found[1].replace(",", "") for found in _BANNED_FOR.finditer(text)]
    waits = [(seconds_told(each) if each[-1].isalpha() else None) or 0.0 for each in told]
    ends = [now_ms + round(min(wait, LONGEST_WAIT) * 1000) for wait in waits]
    for found in _BANNED_UNTIL.finditer(text):
        if found["number"]:
            ends.append(ms_of_unix(found["number"]))
        elif found["http"]:
            ends.append(now_ms + round((_told(f"{found['http']} GMT", now_ms) or 0) * 1000))
        else:
            date = (found["date"] or "").replace("/", "-")
            moment = _moment(date + (found["zone"] or "")) or _moment(date)
            ends.append(round(moment.timestamp() * 1000) if moment else 0)
    return max((wait_until(end, now_ms=now_ms) for end in ends), default=None)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        return None


def ms_of_unix(digits: str) -> int:
    """A Unix time of these years in s, ms, µs or ns, in ms. In each its seconds are the first ten digits, so that one
    that was cut behind them still tells its second."""
    return int(digits[:13].ljust(13, "0"))


def wait_until(moment_ms: int, *, now_ms: int) -> float:
    """Seconds from now to a moment: 0 if it is over, and never more than the longest ban."""
    return min(max(moment_ms - now_ms, 0) / 1000, LONGEST_WAIT)
