"""How every process of this program starts: settings or all their faults, then logging, then warnings."""

from __future__ import annotations

import base64
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from cryptoproxy.common.clients.outside import proxy_passwords
from cryptoproxy.common.errors import OperatorError, SettingsError
from cryptoproxy.common.log import configure
from cryptoproxy.common.settings import Secret, Settings
from cryptoproxy.common.settings.catalogue import Engines
from cryptoproxy.common.settings.environment import warnings_for
from cryptoproxy.common.settings.loading import declared_in, load_section, read_environment

log = logging.getLogger(__name__)

SETTINGS_EXIT_CODE = 2
CONNECTION_FILE = "connection.env"
ENV_FILE = Path(".env")
"""The only settings file that may be missing."""


def load_settings(env_file: Path) -> Settings:
    """The settings in force, or the end of the process with every fault on standard error."""
    if env_file != ENV_FILE and not env_file.exists():  # /dev/null is one: no settings of a file
        _leave(SettingsError([f"the settings file {env_file} is not there"]))
    try:
        return Settings.load(env_file, connection_file(env_file))
    except SettingsError as error:
        _leave(error)


def connection_file(env_file: Path | None = None) -> Path:
    """Where the embedded engines write their addresses while they are up: in ENGINES_DIR, wherever that is set."""
    folder: Path = load_section(Engines, read_environment(env_file), [])["folder"]
    return folder / CONNECTION_FILE


def start(env_file: Path = ENV_FILE) -> Settings:
    """Settings and logging for a long-running process."""
    settings = load_settings(env_file)
    service = settings.service
    try:
        configure(
            level=service.log_level,
            format=service.log_format,
            file=service.log_file,
            secrets=_values_of(
                _secrets(settings), logins=[(settings.elasticsearch.user, settings.elasticsearch.password)]
            ),
        )
    except OSError as error:
        _leave(SettingsError([f"LOG_FILE={str(service.log_file)!r} cannot be written: {error.strerror or error}"]))
    for line in warnings_for(read_environment(env_file)):
        log.warning("%s", line)
    if connection_file(env_file).is_file():
        log.info("the embedded engines are up: what is not set of Kafka, Elasticsearch and S3 is theirs")
    return settings


def _secrets(settings: Settings) -> list[Secret]:
    sections = [getattr(settings, name) for name in settings.__dataclass_fields__]
    return [
        getattr(section, attribute)
        for section in sections
        for attribute, declared in declared_in(type(section))
        if declared.secret
    ]


def _values_of(
    secrets: Sequence[Secret], *, logins: Sequence[tuple[str | None, Secret]] = ()
) -> Callable[[], set[str]]:
    """What to mask: the secrets as they are by then, and as they have been before a file was changed; of ``logins``
    (user, password) also what an Authorization header makes of them."""
    seen: set[str] = set()

    def values() -> set[str]:
        for user, password in logins:
            try:
                if value := password.get():
                    seen.add(base64.b64encode(f"{user}:{value}".encode()).decode())
            except OperatorError:
                continue
        seen.update(each for each in proxy_passwords() if len(each) >= 4)
        for secret in secrets:
            try:
                value = secret.get()
            except OperatorError:
                continue  # said by whoever needs it
            if len(value) >= 4:  # masking a shorter one would eat ordinary words
                seen.add(value)
        return set(seen)  # other threads log, too

    return values


def _leave(error: SettingsError) -> NoReturn:
    print(f"{len(error.faults)} setting(s) are wrong:", file=sys.stderr)  # noqa: T201
    for fault in error.faults:
        print(f"  {fault}", file=sys.stderr)  # noqa: T201
    print("docs/settings.md lists all settings.", file=sys.stderr)  # noqa: T201
    sys.exit(SETTINGS_EXIT_CODE)
