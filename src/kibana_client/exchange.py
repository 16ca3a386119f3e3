"""One request to Kibana and its answer; no answer is an error of its kind. Nothing is tried twice here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import requests
from requests.auth import AuthBase

from cryptoproxy.errors import CryptoProxyError, OperatorError, TransientError
from cryptoproxy.kibana_client.access import Access

CONNECT_SECONDS = 10.0
STATUS_SECONDS = 10.0
IMPORT_SECONDS = 120.0
"""Kibana answers an import only when its search index shows the objects."""

_QUOTED_CHARACTERS = 500
_POOL = re.compile(r"^HTTPS?Connection(Pool)?\(.*?\): ")


@dataclass(frozen=True)
class Response:
    status: int
    text: str
    headers: Mapping[str, str]
    conceal: Callable[[str], str]
    """Takes our secrets out of a text that is quoted from it."""

    def json(self) -> Any:
        """The body, None if it is no JSON."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    def said(self) -> str:
        """Kibana's own message, or the first words of whatever it is."""
        body = self.json()
        message = body.get("message") if isinstance(body, dict) else None
        words = " ".join((message if isinstance(message, str) else self.text).split())
        return self.conceal(words)[:_QUOTED_CHARACTERS]


class Exchange:
    """A connection to one Kibana, kept open."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._session = requests.Session()
        self._auth = _Header(access.authorization())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def get(self, address: str) -> Response:
        return self._send("GET", address, seconds=STATUS_SECONDS)

    def post_file(self, address: str, *, query: Mapping[str, str], name: str, body: bytes) -> Response:
        """As a form with the one field ``file``."""
        files = {"file": (name, body, "application/ndjson")}
        return self._send("POST", address, seconds=IMPORT_SECONDS, params=query, files=files)

    def _send(self, method: str, address: str, *, seconds: float, **content: Any) -> Response:
        try:
            response = self._session.request(
                method,
                address,
                headers={"kbn-xsrf": "cryptoproxy", "Accept": "application/json"},
                auth=self._auth,
                verify=self._access.verify,
                timeout=(CONNECT_SECONDS, seconds),
                allow_redirects=False,
                **content,
            )
        except requests.RequestException as error:
            raise self._no_answer(error) from error
        return Response(response.status_code, response.text, response.headers, self._access.without_secrets)

    def _no_answer(self, error: requests.RequestException) -> CryptoProxyError:
        why = self._access.without_secrets(_innermost(error))
        if isinstance(error, requests.exceptions.SSLError):
            return OperatorError(
                f"Kibana at {self._access.base}: TLS fails: {why}",
                remedy="Give the CA that signed its certificate, or http:// if it speaks no TLS",
            )
        return TransientError(f"Kibana at {self._access.base} does not answer: {why}")


class _Header(AuthBase):
    """The credentials given, and only those: with any other, requests would look into ~/.netrc."""

    def __init__(self, value: str | None) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._value is not None:
            request.headers["Authorization"] = self._value
        return request


def _innermost(error: BaseException) -> str:
    """The cause, without the layers that the libraries wrap around it."""
    inner = error
    while isinstance(deeper := getattr(inner, "reason", None) or next(iter(inner.args), None), BaseException):
        inner = deeper
    return f"{type(inner).__name__}: {_POOL.sub('', str(inner))}"[:_QUOTED_CHARACTERS]
