"""Environment over ``.env`` over the embedded engines' connection file over defaults; all faults collected."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from cryptoproxy.common.errors import SettingsError
from cryptoproxy.common.settings.kinds import Kind
from cryptoproxy.common.settings.secret import MASK, Secret


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


def read_environment(env_file: Path | None, connection_file: Path | None = None) -> dict[str, str]:
    """The texts in force. Of the connection file a group (Kafka, Elasticsearch, S3) counts only where nothing
    of that group is set elsewhere, so that a person's own address is never mixed with the embedded engines' keys.
    """
    own = _file(env_file) | dict(os.environ)
    texts = dict(own)
    engines = _file(connection_file)
    for prefix in ("KAFKA_", "ES_", "AWS_S3_"):
        group = {name: text for name, text in engines.items() if name.startswith(prefix)}
        if not any(own.get(spelling, "").strip() for name in group for spelling in (name, f"{name}_FILE")):
            texts |= group
    return texts


def _file(path: Path | None) -> dict[str, str]:
    if path is None or not path.is_file():
        return {}
    try:
        # An editor may have put a byte-order mark before the first name.
        texts = dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"the file {path} cannot be read: {error}"]) from error
    return {name: text for name, text in texts.items() if text is not None}


def load_section(section: type, texts: Mapping[str, str], faults: list[str]) -> dict[str, Any]:
    """The values of one section by attribute; what is wrong is added to ``faults``, one line each, and its default
    stands in for it, so that the search for contradictions can go on.
    """
    values: dict[str, Any] = {}
    for attribute, declared in declared_in(section):
        if declared.secret:
            values[attribute] = _secret(declared, texts, faults)
            continue
        raw = texts.get(declared.name, "").strip() or declared.default
        try:
            values[attribute] = declared.kind.parse(raw) if raw else None
        except ValueError as fault:
            faults.append(
                f"{declared.name}={_without_password(raw, str(fault))}. Example: {declared.name}={declared.example}"
            )
            values[attribute] = declared.kind.parse(declared.default) if declared.default else None
    return values


def _without_password(raw: str, fault: str) -> str:
    """Of a value and what is wrong with it. What stands before an ``@`` holds a password, wherever somebody has put
    one and whatever is in it; so what the fault quotes may be a part of it."""
    if "@" in raw:
        raw = re.sub(r"(?s)^(\w+://)?.*@", rf"\1{MASK}@", raw)
        fault = re.sub(r"""(?s)(['"]).*\1 |\S*@""", "", fault)
    return f"{raw!r} {fault}"


def _secret(declared: Declared, texts: Mapping[str, str], faults: list[str]) -> Secret:
    value = texts.get(declared.name, "").strip()
    file = texts.get(f"{declared.name}_FILE", "").strip()
    if value and file:
        faults.append(f"{declared.name} and {declared.name}_FILE are both set; keep one of them")
    if not file:
        return Secret(declared.name, value)
    if not Path(file).is_file():
        faults.append(f"{declared.name}_FILE={file!r} is not a file. Example: {declared.name}_FILE=/run/secrets/name")
    return Secret(declared.name, file=Path(file))


def shown(declared: Declared, value: Any) -> str:
    """A value as it may be printed: as a person would write it, secrets masked."""
    if isinstance(value, Secret):
        return f"{MASK}{f' (from {value.file})' if value.file else ''}" if value else ""
    return "" if value is None else declared.kind.show(value)
