"""What the tests of docker/ and deploy/ share: reading those files as their own programs would."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import yaml

from cryptoproxy.cli.main import cli
from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import SECTIONS
from cryptoproxy.common.settings.loading import Declared, declared_in

ROOT = Path(__file__).resolve().parents[3]
COMPOSE = ROOT / "docker" / "docker-compose.yml"
KUBERNETES = ROOT / "deploy" / "kubernetes"

DECLARED: dict[str, Declared] = {each.name: each for section in SECTIONS.values() for _, each in declared_in(section)}
NAMES = set(DECLARED) | {f"{each.name}_FILE" for each in DECLARED.values() if each.secret}

_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::([?-])([^}]*))?\}")


def load_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def variables(text: str) -> dict[str, str]:
    """What Compose would ask the environment for, and how: ``?`` needed, ``-`` with a default, empty without either."""
    return {found[1]: found[2] or "" for found in _VARIABLE.finditer(text) if found[1]}


def interpolated(value: Any, given: dict[str, str]) -> Any:
    """As Compose puts variables in: ``${NAME}``, ``${NAME:?…}``, ``${NAME:-default}``, ``$$``."""
    if isinstance(value, dict):
        return {key: interpolated(each, given) for key, each in value.items()}
    if isinstance(value, list):
        return [interpolated(each, given) for each in value]
    if not isinstance(value, str):
        return value

    def put(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        if found[1] in given:
            return given[found[1]]
        assert found[2] == "-", f"{found[1]} has no value"
        return found[3]

    return _VARIABLE.sub(put, value)


def parse_command(words: list[str]) -> str:
    """The command that ``cryptoproxy WORDS`` would run; raises click's own error where it would not."""
    context = cli.make_context("cryptoproxy", list(words), resilient_parsing=False)
    names = []
    command: click.Command = cli
    while isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]  # what the group leaves for its command
        if not rest and command.invoke_without_command:
            break
        name, found, rest = command.resolve_command(context, rest)
        assert name is not None
        assert found is not None
        command, context = found, found.make_context(name, rest, parent=context)
        names.append(name)
    return " ".join(names)


def load(texts: dict[str, str]) -> Settings:
    """The settings of a process that gets these variables and no others; fails on a name that is no setting."""
    unknown = set(texts) - NAMES
    assert not unknown, f"no settings of this program: {sorted(unknown)}"
    return Settings.from_texts(texts)
