"""What a rule makes of an answer, before it goes on the wire. Pure."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from cryptoproxy.sandbox.faults import Rule
from cryptoproxy.sandbox.rewrites import NAMED
from cryptoproxy.sandbox.wire import Answer

_BAN = re.compile(rb"banned until \d{13}")


def http_date(now_ms: int, shift_s: float = 0.0) -> str:
    """``Sat, 21 Nov 2026 09:10:00 GMT``."""
    return format_datetime(datetime.fromtimestamp(now_ms // 1000 + shift_s, tz=UTC).replace(microsecond=0), usegmt=True)


def changed(answer: Answer, rule: Rule, *, now_ms: int) -> Answer:
    """The answer as the rule wants it: body first, then headers, ``headers`` last of all."""
    if rule.body is not None or rule.replace is not None or rule.rewrite is not None:
        answer = _with_body(answer, _rewritten(_decoded(answer), rule))
    elif rule.retry_after is not None and (ban := _BAN.search(answer.body)):
        # The words tell the same end as the header.
        until = b"banned until %d" % (now_ms + rule.retry_after * 1000)
        answer = replace(answer, body=answer.body.replace(ban[0], until))
    headers: dict[str, str | None] = {}
    if rule.retry_after is not None:
        seconds = format(rule.retry_after, "g")
        headers["Retry-After"] = http_date(now_ms, rule.retry_after) if rule.retry_after_date else seconds
    if rule.date_shift is not None:
        headers["Date"] = http_date(_date_ms(answer, now_ms), rule.date_shift)
    if rule.rewrite == "html":
        headers["Content-Type"] = "text/html"
    return answer.with_headers(headers | dict(rule.headers)) if headers or rule.headers else answer


def _rewritten(body: bytes, rule: Rule) -> bytes:
    if rule.body is not None:
        body = rule.body.encode() if isinstance(rule.body, str) else rule.body
    if rule.replace is not None:
        old, new = rule.replace
        body = body.replace(old.encode(), new.encode())
    if rule.rewrite is not None:
        body = (NAMED[rule.rewrite] if isinstance(rule.rewrite, str) else rule.rewrite)(body)
    return body


def _decoded(answer: Answer) -> bytes:
    coding = (answer.header("content-encoding") or "").lower()
    if coding == "gzip":
        return gzip.decompress(answer.body)
    if coding == "deflate":
        return zlib.decompress(answer.body)
    return answer.body


def _with_body(answer: Answer, body: bytes) -> Answer:
    return replace(answer.with_headers({"Content-Encoding": None, "Content-Length": None}), body=body)


def _date_ms(answer: Answer, now_ms: int) -> int:
    date = answer.header("date")
    return now_ms if date is None else int(parsedate_to_datetime(date).timestamp() * 1000)
