"""Waits for a Kibana and imports a file of saved objects into it, replacing what has the same ids."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptoproxy.common.retry import Backoff
from cryptoproxy.errors import TransientError
from cryptoproxy.kibana_client import answers, bundle
from cryptoproxy.kibana_client.access import DEFAULT_SPACE, Access
from cryptoproxy.kibana_client.answers import InstallReport
from cryptoproxy.kibana_client.bundle import Bundle
from cryptoproxy.kibana_client.exchange import Exchange

WAIT_SECONDS = 120.0
_LONGEST_PAUSE = 5.0

OLDEST_KIBANA = (8, 11)


def install(
    url: str,
    ndjson_path: Path,
    *,
    user: str | None = None,
    password: str = "",
    api_key: str = "",
    ca_file: Path | None = None,
    space: str | None = None,
    plaintext_allowed: bool = False,
    aliases: Mapping[str, str] | None = None,
    source: str | None = None,
    wait_seconds: float = WAIT_SECONDS,
    say: Callable[[str], None] = lambda _: None,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> InstallReport:
    """Imports the file; a second time gives the same objects again.

    Args:
        url: of Kibana, with its base path if it has one.
        ndjson_path: see :func:`kibana_client.definitions_file`.
        api_key: in the encoded form; goes before user and password.
        ca_file: PEM of the CA that signed Kibana's certificate; the system's own without.
        space: id of the space; the default one without.
        plaintext_allowed: whether credentials may go unencrypted to another machine than this one.
        aliases: what the data views read, by id, where that is not what the file says.
        source: what Market opens with, if not what the file says.
        wait_seconds: how long anything transient is tried again; 0 is one attempt.
        say: takes a line for a person whenever there is something new.

    Raises:
        TransientError: Kibana was not ready in that time.
        OperatorError: a person must mend something first.
    """
    access = Access(
        url,
        user=user,
        password=password,
        api_key=api_key,
        ca_file=ca_file,
        space=space,
        plaintext_allowed=plaintext_allowed,
    )
    objects = bundle.fitted(bundle.read(ndjson_path), aliases=aliases, source=source)
    deadline = monotonic() + wait_seconds
    backoff = Backoff(cap=_LONGEST_PAUSE)
    told = ""
    with Exchange(access) as exchange:
        while True:
            try:
                report = _attempt(exchange, access, objects, say)
            except TransientError as error:
                pause = backoff.next(error.retry_after)
                if monotonic() + pause > deadline:
                    raise TransientError(f"Gave up after {wait_seconds:g} s. {error}") from error
                if str(error) != told:
                    told = str(error)
                    say(f"waiting: {told}")
                sleep(pause)
            else:
                return report


def _attempt(exchange: Exchange, access: Access, objects: Bundle, say: Callable[[str], None]) -> InstallReport:
    version = answers.version_when_ready(exchange.get(f"{access.base}/api/status"))
    if access.space not in (None, DEFAULT_SPACE):
        answers.require_space(exchange.get(f"{access.base}/api/spaces/space/{access.space}"), str(access.space))
    answer = exchange.post_file(
        f"{access.inside}/api/saved_objects/_import",
        query={"overwrite": "true"},
        name="crypto-prices.ndjson",  # Kibana refuses another extension, whatever the file's own name is
        body=objects.body(),
    )
    imported, warnings = answers.imported(answer, objects.names)
    for one in imported:
        moved = f", as {one.stored_as}" if one.stored_as != one.id else ""
        say(f"{one.type} {one.id}: {'replaced' if one.replaced else 'made'}{moved}")
    if version is not None and _is_old(version):
        say(f"Kibana {version} is older than 8.11, the oldest that these dashboards are made for")
    for warning in warnings:
        say(f"Kibana warns: {warning}")
    return InstallReport(version, imported, warnings, access.inside)


def _is_old(version: str) -> bool:
    numbers = version.split("-", maxsplit=1)[0].split(".")
    return all(part.isdecimal() for part in numbers) and tuple(map(int, numbers)) < OLDEST_KIBANA
