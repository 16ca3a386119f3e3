"""Environment over ``.env`` over the embedded engines' connection file over defaults; all faults collected."""

from __future__ import annotations

import dataclasses
import io
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dotenv.parser import Original, parse_stream

from cryptoproxy.common.settings.kinds import Kind
from cryptoproxy.common.settings.secret import MASK, Secret
from cryptoproxy.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Declared:
    """What the catalogue says of one setting. ``default`` is text, as one would write it in ``.env``."""

    name: str
    kind: Kind[Any]
    default: str
    help: str
    example: str
    secret: bool = False


def setting(name: str, kind: Kind[Any], default: str, help: str, *, example: str = "") -> Any:  # noqa: A002
    """A dataclass field that is a setting. An empty text means "not set": the default, or ``None``."""
    return field(metadata={"setting": Declared(name, kind, default, help, example or default)})


def secret(name: str, help: str, *, example: str = "change-me") -> Any:  # noqa: A002
    """A field that is a :class:`Secret`, from ``NAME`` or from the file that ``NAME_FILE`` names."""
    declared = Declared(name, Kind("secret", str), "", help, example, secret=True)
    return field(metadata={"setting": declared})


def declared_in(section: type) -> Iterator[tuple[str, Declared]]:
    """The settings of one section, as (attribute, declaration), in the order they are written."""
    for each in dataclasses.fields(section):
        yield each.name, each.metadata["setting"]


ENGINES = ("KAFKA_", "ES_", "AWS_S3_")
"""The groups of settings for which the embedded engines can stand in, each as a whole."""
_ALONE_NO_ADDRESS = {"AWS_S3_BUCKET"}


@dataclass(frozen=True, slots=True)
class Layer:
    """Texts by name, and where they are from, as a person would say it."""

    origin: str
    texts: Mapping[str, str]


def read_layers(env_file: Path | None, connection_file: Path | None = None) -> list[Layer]:
    """What is set and from where; a later layer stands over an earlier one.

    Of the connection file a group (Kafka, Elasticsearch, S3) counts only where nothing of that group is set
    elsewhere, so that a person's own address is never mixed with the embedded engines' keys. A bucket's name alone is
    no address: while Kafka and Elasticsearch are the embedded ones, it is a bucket of the embedded S3, and nothing
    goes to Amazon.
    """
    file = _file(env_file)
    own = {name: text for name, text in (file | dict(os.environ)).items() if text.strip()}
    engines = _file(connection_file)
    groups = {prefix: {name: text for name, text in engines.items() if name.startswith(prefix)} for prefix in ENGINES}
    taken = {prefix: _set_elsewhere(group, own) for prefix, group in groups.items()}
    if not (taken["KAFKA_"] or taken["ES_"]) and taken["AWS_S3_"] <= _ALONE_NO_ADDRESS and "AWS_S3_REGION" not in own:
        taken["AWS_S3_"] = set()
    stand_in = {
        name: text
        for prefix, group in groups.items()
        if not taken[prefix]
        for name, text in group.items()
        if name not in own
    }
    return [
        Layer(str(env_file), file),
        Layer("the environment", dict(os.environ)),
        Layer("the embedded engines", stand_in),
    ]


def read_environment(env_file: Path | None, connection_file: Path | None = None) -> dict[str, str]:
    """The texts in force: all layers as one."""
    texts: dict[str, str] = {}
    for layer in read_layers(env_file, connection_file):
        texts |= layer.texts
    return texts


def names_in(env_file: Path) -> set[str]:
    """The names that a settings file sets, as far as it can be read: to see whose it is."""
    try:
        return {name for name, _ in _bindings(env_file)}
    except SettingsError:
        return set()


def _set_elsewhere(group: Mapping[str, str], own: Mapping[str, str]) -> set[str]:
    return {name for name in group for spelling in (name, f"{name}_FILE") if spelling in own}


def _file(path: Path | None) -> dict[str, str]:
    """
    Raises:
        SettingsError: it cannot be read, or a line is none of ``NAME=value``.
    """
    return {name: text for name, text in _bindings(path) if text is not None}


def _bindings(path: Path | None) -> list[tuple[str, str | None]]:
    if path is None or not path.is_file():
        return []
    try:
        # An editor may have put a byte-order mark before the first name.
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"the file {path} cannot be read: {error}"]) from error
    bindings = list(parse_stream(io.StringIO(text)))
    # The line itself is not shown: a password may stand in it.
    faults = [
        f"{path}, line {_first_line(each.original)}: this is not NAME=value (a quote that is not closed? a blank "
        "around the name?)"
        for each in bindings
        if each.error
    ]
    if faults:
        raise SettingsError(faults)
    return [(each.key, each.value) for each in bindings if each.key is not None]


def _first_line(original: Original) -> int:
    """A binding begins with the blank lines before it."""
    blanks = original.string[: len(original.string) - len(original.string.lstrip())]
    return original.line + blanks.count("\n")


def load_section(
    section: type, texts: Mapping[str, str], faults: list[str], *, home: Path | None = None
) -> dict[str, Any]:
    """The values of one section by attribute; what is wrong is added to ``faults``, one line each, and its default
    stands in for it, so that the search for contradictions can go on. Relative paths begin at ``home``; at the current
    folder without one.
    """
    values: dict[str, Any] = {}
    for attribute, declared in declared_in(section):
        if declared.secret:
            values[attribute] = _secret(declared, texts, faults, home)
            continue
        raw = texts.get(declared.name, "").strip() or declared.default
        try:
            values[attribute] = declared.kind.parse(raw) if raw else None
        except ValueError as fault:
            faults.append(
                f"{declared.name}={_without_password(raw, str(fault))}. Example: {declared.name}={declared.example}"
            )
            values[attribute] = declared.kind.parse(declared.default) if declared.default else None
        if isinstance(values[attribute], Path):
            values[attribute] = _below(home, values[attribute])
    return values


def _below(home: Path | None, path: Path) -> Path:
    """As it was written where that means the same."""
    return path if home is None or home == Path.cwd() else home / path


def _without_password(raw: str, fault: str) -> str:
    """Of a value and what is wrong with it. What stands before an ``@`` holds a password, wherever somebody has put
    one and whatever is in it; so what the fault quotes may be a part of it."""
    if "@" in raw:
        raw = re.sub(r"(?s)^(\w+://)?.*@", rf"\1{MASK}@", raw)
        fault = re.sub(r"""(?s)(['"]).*\1 |\S*@""", "", fault)
    return f"{raw!r} {fault}"


def _secret(declared: Declared, texts: Mapping[str, str], faults: list[str], home: Path | None) -> Secret:
    value = texts.get(declared.name, "").strip()
    file = texts.get(f"{declared.name}_FILE", "").strip()
    if value and file:
        faults.append(f"{declared.name} and {declared.name}_FILE are both set; keep one of them")
    if not file:
        return Secret(declared.name, value)
    path = _below(home, Path(file))
    if not path.is_file():
        faults.append(f"{declared.name}_FILE={file!r} is not a file. Example: {declared.name}_FILE=/run/secrets/name")
    return Secret(declared.name, file=path)


def shown(declared: Declared, value: Any) -> str:
    """A value as it may be printed: as a person would write it, secrets masked."""
    if isinstance(value, Secret):
        return f"{MASK}{f' (from {value.file})' if value.file else ''}" if value else ""
    return "" if value is None else declared.kind.show(value)
