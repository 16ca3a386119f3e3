"""One GET on the loopback for the probes: no proxy, no retry, nothing left open."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException

PROBE_SECONDS = 3.0


def get(
    url: str, *, headers: Mapping[str, str] | None = None, context: ssl.SSLContext | None = None
) -> tuple[int, bytes]:
    """Status and body of the answer, whatever the status.

    Raises:
        OSError: there was no answer.
    """
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    opener = urllib.request.build_opener(*handlers)
    request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 - our own http(s) URL
    try:
        with opener.open(request, timeout=PROBE_SECONDS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except HTTPException as error:  # an answer cut in the middle
        raise ConnectionError(str(error) or type(error).__name__) from error
