"""The settings of the one door to an upstream: the active poller's side of it, and of those who ask there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.loading import secret, setting
from cryptoproxy.common.settings.secret import Secret, is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How our other processes ask an upstream: by the active poller, within its budget."""

    host: str = setting(
        "ASK_HOST",
        kinds.text(),
        "127.0.0.1",
        "Address that the active poller is asked at by our other processes. Another than loopback needs ASK_TOKEN.",
        example="10.0.0.5",
    )
    port: int = setting("ASK_PORT", kinds.port(), "0", "Its port. 0: a free one, told on the state topic.")
    url: str | None = setting(
        "ASK_URL",
        kinds.url(),
        "",
        "What is told to others instead, where they come in by another address (a container, a proxy).",
        example="https://poller-1.example:8010",
    )
    token: Secret = secret("ASK_TOKEN", "What others must show there: the same for all pollers and all who ask.")
    cert_file: Path | None = setting(
        "ASK_CERTFILE", kinds.path(), "", "Certificate of that address, PEM: it speaks TLS then.",
        example="/etc/ssl/poller.pem",
    )  # fmt: skip
    key_file: Path | None = setting(
        "ASK_KEYFILE", kinds.path(), "", "Key of that certificate, PEM.", example="/etc/ssl/poller.key"
    )
    ca_file: Path | None = setting(
        "ASK_CA_FILE",
        kinds.path(),
        "",
        "For those who ask: CA that signed it, PEM; the system's own without.",
        example="/etc/ssl/poller-ca.pem",
    )
    read_through: bool = setting(
        "READ_THROUGH",
        kinds.boolean(),
        "true",
        "For the door: what the road does not carry is asked upstream, by the active poller. `off`: it is refused.",
    )
    stale: float = setting(
        "READ_THROUGH_STALE",
        kinds.duration(),
        "5m",
        "How old the last good answer may be where there is no newer one; lists that change seldom, longer.",
    )
    folder: Path = setting(
        "READ_THROUGH_DIR",
        kinds.path(),
        ".run/read-through",
        "Where the door keeps what is dear to ask for (lists of coins and symbols) across restarts.",
    )
    share: int = setting(
        "READ_THROUGH_SHARE",
        kinds.whole(0, 100),
        "50",
        "Per cent of what live polling leaves of each quota that questions read through may use. 0: none.",
    )


def faults(asking: Asking, *, plaintext: bool) -> Iterator[str]:
    """What contradicts itself, as the other settings' contradictions are told.

    Args:
        plaintext: whether secrets may go over an unencrypted connection to another host.
    """
    if bool(asking.cert_file) != bool(asking.key_file):
        yield "ASK_CERTFILE and ASK_KEYFILE belong together; set both or neither"
    for name, file in (
        ("ASK_CERTFILE", asking.cert_file),
        ("ASK_KEYFILE", asking.key_file),
        ("ASK_CA_FILE", asking.ca_file),
    ):
        if file is not None and not file.is_file():
            yield f"{name}={str(file)!r} is not a file"
    if is_loopback(asking.host):
        return
    if not asking.token:
        yield f"ASK_HOST={asking.host} can be reached by others, and without ASK_TOKEN anybody there may ask"
    elif not (asking.cert_file or (asking.url or "").startswith("https:") or plaintext):
        yield (
            f"ASK_TOKEN would go unencrypted to ASK_HOST={asking.host}; set ASK_CERTFILE and ASK_KEYFILE, or "
            "ALLOW_PLAINTEXT_PASSWORDS=true"
        )
