"""How every process of this program starts: settings or all their faults, then logging, then warnings."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from dotenv import dotenv_values

from common.errors import OperatorError, SettingsError
from common.log import configure
from common.settings import Secret, Settings
from common.settings.elsewhere import warnings_for
from common.settings.loading import declared_in

log = logging.getLogger(__name__)

SETTINGS_EXIT_CODE = 2
CONNECTION_FILE = "connection.env"


def load_settings(env_file: Path) -> Settings:
    """The settings in force, or the end of the process with every fault on standard error."""
    try:
        return Settings.load(env_file, connection_file())
    except SettingsError as error:
        _leave(error)


def connection_file() -> Path:
    """Where the embedded engines write their addresses while they are up."""
    return Path(os.environ.get("ENGINES_DIR") or ".run/engines") / CONNECTION_FILE


def start(env_file: Path = Path(".env")) -> Settings:
    """Settings and logging for a long-running process."""
    settings = load_settings(env_file)
    service = settings.service
    configure(
        level=service.log_level,
        format=service.log_format,
        file=service.log_file,
        secrets=lambda: _values_of(_secrets(settings)),
    )
    names = set(os.environ) | (set(dotenv_values(env_file)) if env_file.is_file() else set())
    for line in warnings_for(names):
        log.warning("%s", line)
    if connection_file().is_file():
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


def _values_of(secrets: Iterable[Secret]) -> list[str]:
    values = []
    for secret in secrets:
        try:
            value = secret.get()
        except OperatorError:
            continue  # said by whoever needs it
        if len(value) >= 4:  # masking a shorter one would eat ordinary words
            values.append(value)
    return values


def _leave(error: SettingsError) -> NoReturn:
    print(f"{len(error.faults)} setting(s) are wrong:", file=sys.stderr)  # noqa: T201
    for fault in error.faults:
        print(f"  {fault}", file=sys.stderr)  # noqa: T201
    print("docs/settings.md lists all settings.", file=sys.stderr)  # noqa: T201
    sys.exit(SETTINGS_EXIT_CODE)
