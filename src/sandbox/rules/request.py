"""Rules for HTTP: a :class:`Rule` says which requests go wrong, and how. Pure; ``script`` counts.

Rule(path="/_bulk", nth=3, status=429)
Rule(method="PUT", every=2, lose_answer=True)
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime

from cryptoproxy.sandbox.rules.rewrites import REWRITES
from cryptoproxy.sandbox.rules.turns import RuleError, Turns, at_least, check_pattern
from cryptoproxy.sandbox.wire import Request, Response, http_date

_PER_SECOND = dict.fromkeys(("startTime", "endTime", "start", "end"), 1000) | {"from": 1, "to": 1}
"""Query parameters that bound a range, and how many of their units are a second."""
_RANGE = re.compile(rf"([?&]({'|'.join(_PER_SECOND)})=)(\d+)")
_BAN = re.compile(rb"banned until \d{13}")
# fmt: off
EFFECTS = (
    "earlier", "refuse", "lose_answer", "hold", "cut_after", "drip", "delay",
    "rewrite", "replace", "body", "date_shift", "retry_after", "headers",
)
# fmt: on
"""In the order in which a label names them; the status comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Turns):
    """Which requests, and what happens to them. Times are seconds, sizes are bytes.

    A rule that only matches (no effect set) lets its requests pass: it can count.
    """

    # --- which requests
    method: str | None = None
    path: str | None = None
    """Regular expression, searched in path and query as sent."""
    body_over: int | None = None
    """Only requests with a larger body, decompressed."""

    # --- instead of asking
    status: int | None = None
    """Answer this. Without ``body``: with the error body that this upstream is known for."""
    forward: bool = False
    """With ``status``: the request is done all the same, only the answer is another."""
    refuse: bool = False
    """Close without an answer; the request is not done."""

    # --- asked otherwise
    earlier: float | None = None
    """The range asked for begins and ends so many seconds earlier: what comes overlaps with what is known."""

    # --- done, but
    lose_answer: bool = False
    """The request is done, then the connection closed without an answer."""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    """Set on the answer; None removes."""
    retry_after: float | None = None
    retry_after_date: bool = False
    """Write ``Retry-After`` as an HTTP date instead of seconds."""
    date_shift: float | None = None
    """The ``Date`` header is wrong by so many seconds."""
    body: str | bytes | None = None
    replace: tuple[str, str] | None = None
    """Old and new text in the body."""
    rewrite: str | Callable[[bytes], bytes] | None = None
    """A function from body to body, or the name of one in ``REWRITES``."""

    # --- on the wire
    delay: float = 0.0
    """Before the first byte of the answer."""
    hold: bool = False
    """Do not answer before the rule is removed (``Script.clear``) or the server stops."""
    cut_after: int | None = None
    """Close after so many bytes of the body as sent, and always before its last."""
    drip: int | None = None
    """Bytes of the body per second."""
    reset: bool = False
    """Where the rule closes: with RST instead of FIN."""

    def __post_init__(self) -> None:
        self.check_turns()
        at_least("drip", self.drip, 1)
        for name in ("body_over", "cut_after", "delay", "retry_after", "earlier"):
            at_least(name, getattr(self, name), 0)
        if self.status is not None and not 200 <= self.status <= 599:
            raise RuleError(f"status: must be 200…599, not {self.status}")
        if isinstance(self.rewrite, str) and self.rewrite not in REWRITES:
            raise RuleError(f"rewrite: unknown name {self.rewrite!r}; there are {', '.join(REWRITES)}")
        check_pattern("path", self.path)

    @property
    def label(self) -> str:
        """The name, else what it does: ``429``, ``cut_after+drip``."""
        done = [str(self.status)] if self.status is not None else []
        done += [name for name in EFFECTS if name in self.given()]
        return self.name or "+".join(done) or "pass"

    def matches(self, request: Request) -> bool:
        return (
            (self.method is None or self.method.upper() == request.method)
            and (self.path is None or re.search(self.path, request.target) is not None)
            and (self.body_over is None or body_size(request) > self.body_over)
        )


def asked_otherwise(request: Request, rule: Rule) -> Request:
    """The request as the rule has it answered."""
    if rule.earlier is None:
        return request
    seconds = rule.earlier
    target = _RANGE.sub(
        lambda found: found[1] + str(int(found[3]) - round(seconds * _PER_SECOND[found[2]])), request.target
    )
    return replace(request, target=target)


def changed(answer: Response, rule: Rule, *, now_ms: int) -> Response:
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
        body = (REWRITES[rule.rewrite] if isinstance(rule.rewrite, str) else rule.rewrite)(body)
    return body


def _decoded(answer: Response) -> bytes:
    coding = (answer.header("content-encoding") or "").lower()
    if coding == "gzip":
        return gzip.decompress(answer.body)
    if coding == "deflate":
        return zlib.decompress(answer.body)
    return answer.body


def _with_body(answer: Response, body: bytes) -> Response:
    return replace(answer.with_headers({"Content-Encoding": None, "Content-Length": None}), body=body)


def _date_ms(answer: Response, now_ms: int) -> int:
    date = answer.header("date")
    return now_ms if date is None else int(parsedate_to_datetime(date).timestamp() * 1000)


def body_size(request: Request) -> int:
    """Bytes of the request's body, decompressed, which is what Elasticsearch counts for its 413."""
    if (request.header("content-encoding") or "").lower() == "gzip":
        try:
            return len(gzip.decompress(request.body))
        except (OSError, EOFError, zlib.error):
            pass  # not gzip after all: the bytes count as they are
    return len(request.body)
