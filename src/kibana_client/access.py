"""Where Kibana is and how to get in. What is wrong with it is said before anything is sent."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cryptoproxy.common.clients.outside import authorities, proxy_for
from cryptoproxy.common.settings.secret import MASK, in_the_clear
from cryptoproxy.errors import OperatorError

_SPACE = re.compile(r"[a-z0-9_-]+")
_API_KEY = re.compile(r"[!-~]+")
DEFAULT_SPACE = "default"


@dataclass(frozen=True)
class Access:
    """An address (with Kibana's base path, if it has one), credentials, a CA, a space. Prints no secret."""

    url: str
    user: str | None = None
    password: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)
    ca_file: Path | None = None
    space: str | None = None
    plaintext_allowed: bool = False
    """Whether credentials may go unencrypted to another machine than this one."""

    def __post_init__(self) -> None:
        """Raises an OperatorError for what cannot work, or would give away the credentials."""
        self._check_url()
        if (self.password or self.api_key) and in_the_clear(self.url) and not self.plaintext_allowed:
            raise OperatorError(
                f"{self.url} would carry a password unencrypted",
                remedy="Give Kibana's https:// address, or set ALLOW_PLAINTEXT_PASSWORDS=true if the network is "
                "trusted",
            )
        proxy_for(self.url)
        if self.api_key and not _API_KEY.fullmatch(self.api_key):
            raise OperatorError(
                "The API key for Kibana holds a blank, a line end or a character that no key has",
                remedy="Give the key in its encoded form, as Kibana or Elasticsearch showed it",
            )
        if ":" in (self.user or ""):
            raise OperatorError("The user for Kibana holds a ':'", remedy="Give the user alone, the password apart")
        if self.ca_file is not None and not self.ca_file.is_file():
            raise OperatorError(f"{self.ca_file} is no file", remedy="Give the CA's certificate as a PEM file")
        if self.space is not None and not _SPACE.fullmatch(self.space):
            raise OperatorError(
                f"{self.space!r} is no id of a space", remedy="Give its id: lower-case letters, digits, '_' and '-'"
            )

    @property
    def base(self) -> str:
        return self.url.rstrip("/")

    @property
    def inside(self) -> str:
        """The address inside the space."""
        return self.base if self.space in (None, DEFAULT_SPACE) else f"{self.base}/s/{self.space}"

    @property
    def verify(self) -> str:
        return str(self.ca_file or authorities())

    def authorization(self) -> str | None:
        """The header; the API key goes first."""
        if self.api_key:
            return f"ApiKey {self.api_key}"
        if self.user:
            return f"Basic {self._basic()}"
        return None

    def without_secrets(self, text: str) -> str:
        """Another's words, should they hold what we sent."""
        for secret in (self.password, self.api_key, self._basic()):
            if secret:
                text = text.replace(secret, MASK)
        return text

    def _basic(self) -> str:
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode() if self.user else ""

    def _check_url(self) -> None:
        remedy = "Give it as http://host:5601 or https://host/base-path"
        try:
            parts = urlsplit(self.url)
            known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            parts, known = urlsplit(""), False
        if "@" in self.url:  # wherever: a password may hold a / or [
            raise OperatorError(
                "The address of Kibana holds a user or a password", remedy="Give them by themselves, not in the address"
            )
        if not known or parts.query or parts.fragment or re.search(r"\s", self.url):
            raise OperatorError(f"{self.url!r} is no address of a Kibana", remedy=remedy)
