"""The file of saved objects: read, checked to be one, and fitted to another alias or source."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from cryptoproxy.errors import OperatorError

_FILE = "crypto-prices.ndjson"

_REMEDY = "Give the NDJSON that `python -m kibana.generate` makes, or an export of Kibana"


def definitions_file() -> Path:
    """The file in the project's ``kibana`` folder, beside ``src``; of an installed wheel, where that has put it."""
    checkout = Path(__file__).resolve().parents[2] / "kibana" / _FILE
    if not checkout.is_file():
        for installed in _files_of_the_wheel():
            if installed.name == _FILE:
                return Path(str(installed.locate()))
    return checkout


def _files_of_the_wheel() -> list[metadata.PackagePath]:
    try:
        return metadata.files("cryptoproxy") or []
    except metadata.PackageNotFoundError:
        return []


@dataclass(frozen=True)
class Bundle:
    """Saved objects, as the file holds them."""

    objects: tuple[dict[str, Any], ...]

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """Type and id of each."""
        return tuple((one["type"], one["id"]) for one in self.objects)

    def body(self) -> bytes:
        """What is sent: one JSON object per line."""
        lines = (json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in self.objects)
        return "".join(f"{line}\n" for line in lines).encode()


def read(path: Path) -> Bundle:
    """The objects in a file.

    Raises:
        OperatorError: there is no such file, or it holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"{path} cannot be read: {error}", remedy=_REMEDY) from error
    objects = tuple(_objects(text, path))
    if not objects:
        raise OperatorError(f"{path} holds no saved object", remedy=_REMEDY)
    return Bundle(objects)


def fitted(bundle: Bundle, *, aliases: Mapping[str, str] | None = None, source: str | None = None) -> Bundle:
    """The same objects, with our data views and drawings on other aliases and the lists of sources opening on
    ``source``.

    A list that opens with nothing chosen stays so.

    Args:
        aliases: by the data view's id, which is the alias as the table of datasets has it.
    """
    aliases = aliases or {}
    objects = json.loads(json.dumps(bundle.objects))
    for one in objects:
        if one["type"] == "index-pattern" and one["id"] in aliases:
            one["attributes"]["title"] = aliases[one["id"]]
        if one["type"] == "dashboard":
            _draw_from(aliases, one["attributes"])
            if source:
                _open_on(source, one["attributes"])
    return Bundle(tuple(objects))


def _objects(text: str, path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            one = json.loads(line)
        except ValueError as error:
            raise OperatorError(f"{path}, line {number}, is not JSON: {error}", remedy=_REMEDY) from error
        if isinstance(one, dict) and "exportedCount" in one:
            continue  # the summary at the end of an export
        if not (isinstance(one, dict) and isinstance(one.get("type"), str) and isinstance(one.get("id"), str)):
            raise OperatorError(f"{path}, line {number}, is no saved object", remedy=_REMEDY)
        yield one


def _open_on(source: str, attributes: dict[str, Any]) -> None:
    group = attributes.get("controlGroupInput", {})
    controls = json.loads(group.get("panelsJSON", "{}"))
    for control in controls.values():
        chosen = control["explicitInput"]
        if chosen.get("fieldName") == "source" and chosen.get("selectedOptions"):
            chosen["selectedOptions"] = [source]
    if controls:
        group["panelsJSON"] = json.dumps(controls, ensure_ascii=False, separators=(",", ":"))


def _draw_from(aliases: Mapping[str, str], attributes: dict[str, Any]) -> None:
    """A drawing asks Elasticsearch by the alias itself, and not by a data view."""
    panels = json.loads(attributes.get("panelsJSON", "[]"))
    drawn = [
        shown["params"]
        for panel in panels
        if (shown := panel["embeddableConfig"].get("savedVis", {})).get("type") == "vega"
    ]
    for params in drawn:
        spec = json.loads(params["spec"])
        url = spec["data"]["url"]
        url["index"] = aliases.get(url["index"], url["index"])
        params["spec"] = json.dumps(spec, ensure_ascii=False, separators=(",", ":"))
    if drawn:
        attributes["panelsJSON"] = json.dumps(panels, ensure_ascii=False, separators=(",", ":"))
