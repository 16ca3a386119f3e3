"""How a client gets out of the house: through which proxy, and whose certificates it trusts.

One rule for all: what the door's own setting names (``ES_CA_FILE``, ``AWS_S3_CA_FILE``), else what the environment
names, else the authorities of this machine. The libraries' own rules differ: some bring a list of their own, which no
company's authority is on. Kafka's client asks OpenSSL, which looks at the same places.
"""

from __future__ import annotations

import atexit
import base64
import os
import ssl
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from cryptoproxy.common.errors import OperatorError

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that name a PEM file of authorities; other programs read them, too."""

# Debian, Alpine; RHEL, Fedora; SUSE; BSD, macOS. A Python that was built elsewhere does not know where to look.
_SYSTEM = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def authorities(also: str | None = None) -> str:
    """The PEM file of those whose certificates count: all that the environment names, and ``also``; else the machine's.
    Where that has none, as in a bare container, it is the list that comes with the libraries (certifi).

    Raises:
        OperatorError: one of them is no file.
    """
    named = {name: path for name in BUNDLES if (path := os.environ.get(name))}
    if also:
        named["AWS_CA_BUNDLE"] = also
    for name, path in named.items():
        if not Path(path).is_file():
            raise OperatorError(f"{name}={path!r} is not a file", remedy="Give it the authorities as a PEM file")
    if named:
        files = tuple(dict.fromkeys(str(Path(path).resolve()) for path in named.values()))
        return files[0] if len(files) == 1 else _together(files)
    own = ssl.get_default_verify_paths().cafile
    for path in (own, *_SYSTEM):
        if path and Path(path).is_file():
            return path
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    return DEFAULT_CA_BUNDLE_PATH


@cache
def _together(files: tuple[str, ...]) -> str:
    """One file of several, since most clients take one; for as long as the process lives."""
    with tempfile.NamedTemporaryFile(prefix="cryptoproxy-authorities-", suffix=".pem", delete=False) as whole:
        whole.writelines(Path(file).read_bytes() + b"\n" for file in files)
    atexit.register(Path(whole.name).unlink, missing_ok=True)
    return whole.name


def tls(ca_file: Path | None = None) -> ssl.SSLContext:
    """What a client trusts: ``ca_file`` alone, or :func:`authorities`.

    Raises:
        OperatorError: that is no file of certificates.
    """
    path = str(ca_file or authorities())
    try:
        return ssl.create_default_context(cafile=path)
    except (ssl.SSLError, OSError) as error:
        raise OperatorError(
            f"{path} cannot be used as a file of authorities: {error}", remedy="Give a readable PEM file"
        ) from error


class Proxy(NamedTuple):
    """Printed without its password."""

    scheme: str
    host: str
    port: int
    authorization: str | None
    """The header that lets us in."""

    def __repr__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


def proxy_for(url: str) -> Proxy | None:
    """The proxy that the environment (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY; NO_PROXY) wants for ``url``.

    Raises:
        OperatorError: it cannot be read; its text holds nothing of it, since somewhere in it is a password.
    """
    from requests.utils import get_environ_proxies, select_proxy  # not in the indexer's memory

    text = select_proxy(url, get_environ_proxies(url))
    if not text:
        return None
    scheme = urlsplit(url).scheme
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if "@" in f"{parts.path}{parts.query}{parts.fragment}" or not host or (parts.scheme in _PORTS and port == 0):
        raise OperatorError(
            f"the proxy for {scheme}:// ({scheme.upper()}_PROXY or ALL_PROXY) is no address",
            remedy="Give it as http://user:password@host:port; write characters like / ? # [ ] @ % in the password as "
            "%2F %3F %23 %5B %5D %40 %25",
        )
    if parts.scheme not in _PORTS:
        raise OperatorError(
            f"the proxy for {scheme}:// ({scheme.upper()}_PROXY or ALL_PROXY) speaks {parts.scheme}, which is not "
            "known here",
            remedy="Name one that speaks http or https, or set NO_PROXY for this host",
        )
    login = parts.netloc.rpartition("@")[0]
    authorization = f"Basic {base64.b64encode(unquote(login).encode()).decode()}" if login else None
    return Proxy(parts.scheme, host, port or _PORTS[parts.scheme], authorization)


def proxy_passwords() -> set[str]:
    """What must never be told of the proxies in the environment, in all spellings."""
    texts = (value for name, value in os.environ.items() if name.lower() in _VARIABLES)
    found = set()
    for text in texts:
        login = text.partition("://")[2].rpartition("@")[0] or text.rpartition("@")[0]
        password = login.partition(":")[2]
        found |= {password, unquote(password), base64.b64encode(unquote(login).encode()).decode()}
    return {each for each in found if each}


_PORTS = {"http": 80, "https": 443}
_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
