"""How every process of this program starts: settings or all their faults, then logging, then warnings."""

from __future__ import annotations

import base64
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from cryptoproxy.common.clients.outside import proxy_passwords
from cryptoproxy.common.log import configure
from cryptoproxy.common.settings import Secret, Settings
from cryptoproxy.common.settings.catalogue import Engines
from cryptoproxy.common.settings.environment import warnings_for
from cryptoproxy.common.settings.home import ENV_FILE, VARIABLE, Home, find_home
from cryptoproxy.common.settings.loading import (
    ENGINES,
    Layer,
    declared_in,
    load_section,
    read_environment,
    read_layers,
)
from cryptoproxy.errors import OperatorError, SettingsError

log = logging.getLogger(__name__)

SETTINGS_EXIT_CODE = 2
CONNECTION_FILE = "connection.env"
NEW_HERE = (
    "nothing of this program was found in %s or above: what it makes here is new (no settings, an outbox and a budget "
    f"of its own). Go to the project's folder, or name it in {VARIABLE}"
)
_told: set[str] = set()
"""Warnings are said once, however many commands one process runs."""


def load_settings(env_file: Path) -> Settings:
    """The settings in force, after warnings on standard error; or the end of the process with every fault there."""
    settings = _load(env_file)
    for line in _warnings(env_file):
        if line not in _told:
            print(f"warning: {line}", file=sys.stderr)  # noqa: T201
            _told.add(line)
    return settings


def home() -> Home:
    """The project's folder, or the end of the process."""
    try:
        return find_home()
    except SettingsError as error:
        _leave(error)


def layers(env_file: Path) -> list[Layer]:
    """What is set, from where."""
    return read_layers(home().file(env_file), connection_file(env_file))


def connection_file(env_file: Path | None = None) -> Path:
    """Where the embedded engines write their addresses while they are up: in ENGINES_DIR, wherever that is set."""
    found = home()
    texts = read_environment(None if env_file is None else found.file(env_file))
    folder: Path = load_section(Engines, texts, [], home=found.folder)["folder"]
    return folder / CONNECTION_FILE


def stand_ins(env_file: Path) -> list[str]:
    """For which of Kafka, Elasticsearch and S3 the embedded engines stand in."""
    groups = dict(zip(ENGINES, ("Kafka", "Elasticsearch", "S3"), strict=True))
    texts = layers(env_file)[-1].texts
    return [name for prefix, name in groups.items() if any(each.startswith(prefix) for each in texts)]


def are_set(env_file: Path) -> bool:
    """Whether a person has said where any of the engines is."""
    names = {"KAFKA_BROKERS_HOST_PORT", "ES_URL_ENDPOINT", "AWS_S3_ENDPOINT_URL", "AWS_S3_BUCKET"}
    return any(layer.texts.get(name, "").strip() for layer in layers(env_file)[:-1] for name in names)


def start(env_file: Path = ENV_FILE) -> Settings:
    """Settings and logging for a long-running process."""
    settings = _load(env_file)
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
    for line in _warnings(env_file):
        log.warning("%s", line)
    _tell_engines(env_file)
    return settings


def _tell_engines(env_file: Path) -> None:
    """Once for `cryptoproxy run`, which has started them and says so itself: it names the folder to its children."""
    embedded = stand_ins(env_file)
    if embedded and len(embedded) < len(ENGINES):
        log.warning(
            "the embedded engines are up and stand in for %s, of which nothing is set; the rest is elsewhere",
            " and ".join(embedded),
        )
    elif embedded:
        level = logging.DEBUG if home().named else logging.INFO
        log.log(level, "the embedded engines are up, and stand in for %s", ", ".join(embedded))


def _load(env_file: Path) -> Settings:
    found = home()
    if env_file != ENV_FILE and not env_file.exists():  # /dev/null is one: no settings of a file
        _say_and_leave(f"the settings file {env_file} is not there")
    try:
        return Settings.load(found.file(env_file), connection_file(env_file), home=found.folder)
    except SettingsError as error:
        _leave(error)


def _warnings(env_file: Path) -> list[str]:
    file, environment, _ = layers(env_file)
    return warnings_for(environment.texts, of_file=file.texts)


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
    faults = "".join(f"  {fault}\n" for fault in error.faults)
    _say_and_leave(f"{len(error.faults)} setting(s) are wrong:\n{faults}docs/settings.md lists all settings.")


def _say_and_leave(words: str) -> NoReturn:
    print(words, file=sys.stderr)  # noqa: T201
    sys.exit(SETTINGS_EXIT_CODE)
