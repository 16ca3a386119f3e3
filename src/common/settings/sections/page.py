"""The settings of the page for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.loading import secret, setting
from cryptoproxy.common.settings.secret import Secret, in_the_clear, is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The page for people, `cryptoproxy page`. It asks the door and nothing else."""

    host: str = setting(
        "PAGE_HOST",
        kinds.text(),
        "127.0.0.1",
        "Address that the page listens on. Another than loopback needs PAGE_ANYBODY.",
        example="10.0.0.5",
    )
    port: int = setting("PAGE_PORT", kinds.whole(1, 65_535), "8501", "Its port.")
    anybody: bool = setting(
        "PAGE_ANYBODY",
        kinds.boolean(),
        "false",
        "Allows PAGE_HOST to be one that others can reach: whoever can may look.",
    )
    door: str | None = setting(
        "PAGE_DOOR",
        kinds.url(),
        "",
        "The door that it asks. Without: the one of this machine, at SERVE_PORT.",
        example="https://door.example",
    )
    ca_file: Path | None = setting(
        "PAGE_DOOR_CA_FILE",
        kinds.path(),
        "",
        "CA that signed the door's certificate, PEM; the usual ones without.",
        example="/etc/ssl/door-ca.pem",
    )
    token: Secret = secret("PAGE_DOOR_TOKEN", "Token of a team, where the door wants one.")


def faults(page: Page, *, plaintext: bool) -> Iterator[str]:
    """What contradicts itself, as the other settings' contradictions are told.

    Args:
        plaintext: whether secrets may go over an unencrypted connection to another host.
    """
    if not is_loopback(page.host) and not page.anybody:
        yield f"PAGE_HOST={page.host} can be reached by others; set PAGE_ANYBODY=true if that is meant"
    if page.token and in_the_clear(page.door) and not plaintext:
        yield f"PAGE_DOOR_TOKEN would go unencrypted to {page.door}; take https://, or ALLOW_PLAINTEXT_PASSWORDS=true"
    if page.ca_file is not None and not page.ca_file.is_file():
        yield f"PAGE_DOOR_CA_FILE={str(page.ca_file)!r} is not a file"
