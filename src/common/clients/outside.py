"""How a client gets out of the house: over which address, through which proxy, and whose certificates it trusts.

All that speaks HTTP here does it over urllib3, which tries a name's addresses one after the other, each for as long as
the whole may take: one that swallows packets, as a broken IPv6 does, holds up all. So its connections are made by
:func:`create_connection` here.

For certificates there is one rule: what the door's own setting names (``ES_CA_FILE``, ``AWS_S3_CA_FILE``), else what
the environment names, else the authorities of this machine. The libraries' own rules differ: some bring a list of their
own, which no company's authority is on. Kafka's client asks OpenSSL, which looks at the same places.
"""

from __future__ import annotations

import atexit
import base64
import os
import selectors
import socket
import ssl
import tempfile
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import cache
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import urllib3.util.connection

from cryptoproxy.errors import OperatorError

STAGGER_SECONDS = 0.25
"""An address that has not answered for so long is not waited for alone (RFC 8305)."""
LONGEST_SECONDS = 60.0
"""For a connection whose client names no time."""

Address = tuple[str, int]
"""IP address and port."""
Found = tuple[int, int, int, str, Any]
"""An address as ``socket.getaddrinfo`` gives it."""

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
        return f"{self.scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


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


def create_connection(
    address: tuple[str, int], timeout: Any = None, source_address: Any = None, socket_options: Any = None
) -> socket.socket:
    """urllib3's own, but the addresses are tried side by side, and ``timeout`` is for all of them."""
    host, port = address
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label of no or too many letters, which no client foresees
        raise socket.gaierror(socket.EAI_NONAME, f"{host} cannot be a name") from error
    seconds = float(timeout) if isinstance(timeout, int | float) else LONGEST_SECONDS
    sock = first_to_connect(in_turn(found), seconds, source_address)
    sock.settimeout(timeout if isinstance(timeout, int | float) else None)
    for option in socket_options or ():
        sock.setsockopt(*option)
    return sock


urllib3.util.connection.create_connection = create_connection


def in_turn(found: Sequence[Found], doubtful: Collection[Address] = ()) -> list[Found]:
    """The resolver's order, but the families take turns (RFC 8305), and what is doubtful comes last."""
    first = [each for each in found if each[0] == found[0][0]]
    others = [each for each in found if each[0] != found[0][0]]
    turns = [each for each in chain(*zip_longest(first, others)) if each is not None]
    return sorted(turns, key=lambda each: each[4][:2] in doubtful)


def first_to_connect(addresses: Sequence[Found], seconds: float, source: Any = None) -> socket.socket:
    """The first socket that is connected: a try each quarter of a second, or at once when the one before is refused. So
    an address that swallows everything (a broken IPv6) costs that and no more.

    Raises:
        TimeoutError: none within ``seconds``.
        OSError: all refused; why the last one was.
    """
    left, end, next_at = list(addresses), time.monotonic() + seconds, 0.0
    refusal = OSError("the name has no address")
    with selectors.DefaultSelector() as tries:
        try:
            while left or tries.get_map():
                now = time.monotonic()
                if now >= end:
                    raise TimeoutError
                if left and (now >= next_at or not tries.get_map()):
                    next_at = now + STAGGER_SECONDS
                    try:
                        tries.register(_trying(left.pop(0), source), selectors.EVENT_WRITE)
                    except OSError as error:  # no route, or no such family on this machine
                        refusal, next_at = error, now
                        continue
                for key, _ in tries.select(min(end, next_at if left else end) - time.monotonic()):
                    sock = key.fileobj
                    assert isinstance(sock, socket.socket)  # noqa: S101 - nothing else was registered
                    tries.unregister(sock)
                    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if not code:
                        return sock
                    sock.close()
                    refusal, next_at = OSError(code, os.strerror(code)), 0.0
        finally:
            for key in list(tries.get_map().values()):
                tries.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
    raise refusal


def _trying(found: Found, source: Any) -> socket.socket:
    family, kind, protocol, _, address = found
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        if source:
            sock.bind(source)
        with suppress(BlockingIOError):
            sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock
