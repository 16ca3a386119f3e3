"""The seam for an upstream: what one gets, what it gives, and the table of them. Another one is a module and a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cryptoproxy.common.clock import Clock
from cryptoproxy.sandbox.limits import Limits
from cryptoproxy.sandbox.market import Market
from cryptoproxy.sandbox.wire import Answer, Header, Request

CAPTCHA = b"<!DOCTYPE html>\n<html><head><title>Human Verification</title></head><body></body></html>\n"
JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Setup:
    """What every upstream is built from."""

    market: Market
    clock: Clock
    limits: Limits = field(default_factory=Limits)
    keys: Mapping[str, str] = field(default_factory=dict)
    """API keys by plan (``demo``, ``pro``) where they are checked."""


class Upstream(Protocol):
    """One API. Paths come without the prefix under which the sandbox serves it."""

    @property
    def polled(self) -> str:
        """The path that pollers ask again and again: where replayed bodies go if they do not tell their own."""

    @property
    def marks(self) -> Mapping[bytes, str]:
        """A piece of a body that tells the path which it answers, where that is not ``polled``."""

    def answer(self, request: Request) -> Answer: ...

    def error(self, status: int) -> Answer:
        """What this API says with that status."""

    def headers(self) -> tuple[Header, ...]:
        """Those of every good answer, ``Date`` among them."""


def firewall(status: int, date: Header) -> Answer | None:
    """What a web application firewall before any of these APIs answers: with 202 a challenge for browsers, empty for
    others, with 405 a captcha. None for any other status."""
    if status not in (202, 405):
        return None
    action, body = ("challenge", b"") if status == 202 else ("captcha", CAPTCHA)
    return Answer(status, (date, ("Content-Type", "text/html"), ("x-amzn-waf-action", action)), body)


def dump(value: object) -> bytes:
    """JSON as these APIs write it: no blanks, non-ASCII as it is, floats like Ruby's and Java's (``5.569e-05``)."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
