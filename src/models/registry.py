"""Versions of a model on S3, what each was made of, and which is live. Nothing is ever written over:

- ``{prefix}/models/{name}/{version}/model.npz`` and ``about.json`` beside it, written last: a version is there or not
- ``{prefix}/models/{name}/live/{time}-{version}.json``: the newest says which is live, so a rollback is one more

A version is named by the moment it was made and the SHA-256 of its bytes, which is looked at each time it is loaded.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

import msgspec

from cryptoproxy.datasets import iso
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.errors import OperatorError
from cryptoproxy.lake.store import MissingObjectError, Store
from cryptoproxy.models.trees import Forest, from_bytes

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_VERSION = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{12}")


class OfAsset(msgspec.Struct, kw_only=True, frozen=True):
    """Which trees of a version are an asset's."""

    first: int
    count: int
    asked: bool
    """At work. What is not better than knowing nothing is kept to be looked at, and never asked."""
    since: str = ""
    """The version that made them, where they were kept from an older one."""
    metrics: dict[str, float]
    """Of what was made now, also where older trees were kept."""


class About(msgspec.Struct, kw_only=True, frozen=True):
    """What a version was made of, and how good it was found."""

    name: str
    version: str
    sha256: str
    features: list[str]
    """The columns of a row, in this order."""
    begin: str
    end: str
    """The records it was made of: ISO times, the end not included."""
    rows: int
    metrics: dict[str, float]
    """On rows that it was not made of."""
    settings: dict[str, float] = {}
    """What must be known to ask it: an anomaly model's ``samples`` and ``threshold``."""
    beside: str = ""
    """The version that was live then, and that it was held against."""
    assets: dict[str, OfAsset] = {}
    """By key (source:asset_id:quote), of a model that has trees for each asset; without, all trees are for all."""


class _Live(msgspec.Struct):
    version: str
    why: str
    instead_of: str = ""
    """Of a rollback: what it took back, and no rollback returns to."""


class Model(NamedTuple):
    about: About
    forest: Forest

    def of(self, asset: str) -> Forest | None:
        """What is asked about an asset; None if nothing is."""
        if not self.about.assets:
            return self.forest
        own = self.about.assets.get(asset)
        return self.forest.part(own.first, own.count) if own is not None and own.asked else None


class Registry:
    """Every method raises TransientError or OperatorError while the bucket cannot or may not be used."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._all = "/".join(filter(None, (store.settings.prefix, "models")))

    def add(
        self,
        name: str,
        forest: Forest,
        *,
        features: list[str],
        begin_ms: int,
        end_ms: int,
        rows: int,
        metrics: dict[str, float],
        settings: dict[str, float] | None = None,
        assets: dict[str, OfAsset] | None = None,
        now_ms: int,
    ) -> About:
        """A new version, which is not live yet."""
        body = forest.to_bytes()
        digest = hashlib.sha256(body).hexdigest()
        about = About(
            name=_named(name),
            version=f"{_compact(now_ms)}-{digest[:12]}",
            sha256=digest,
            features=features,
            begin=iso(begin_ms),
            end=iso(end_ms),
            rows=rows,
            metrics=metrics,
            settings=settings or {},
            beside=self.live(name) or "",
            assets=assets or {},
        )
        where = self._folder(name, about.version)
        self._store.put(f"{where}/model.npz", body)
        self._store.put(f"{where}/about.json", msgspec.json.encode(about))
        return about

    def names(self) -> list[str]:
        """Of all models that there is anything of."""
        return sorted(filter(_NAME.fullmatch, self._store.folders(f"{self._all}/")))

    def versions(self, name: str) -> list[About]:
        """The oldest first."""
        there = sorted(filter(_VERSION.fullmatch, self._store.folders(f"{self._folder(name)}/")))
        found = []
        for version in there:
            try:
                found.append(self.about(name, version))
            except MissingObjectError:
                continue  # its writer has not come to its end
        return found

    def about(self, name: str, version: str) -> About:
        """Raises:
        MissingObjectError: there is no such version.
        OperatorError: what is there cannot be read.
        """
        key = f"{self._folder(name, version)}/about.json"
        try:
            return msgspec.json.decode(self._store.get(key), type=About)
        except UNREADABLE as error:
            raise OperatorError(
                f"{key} cannot be read: {error}", remedy="Roll back to the version before it"
            ) from error

    def load(self, name: str, version: str, *, features: list[str] | None = None) -> Model:
        """
        Args:
            features: those that the caller has, in its order; refused where the version wants others.

        Raises:
            OperatorError: it is not there, is not what it was, or wants other features.
        """
        about = self.about(name, version)
        body = self._store.get(f"{self._folder(name, version)}/model.npz")
        if (found := hashlib.sha256(body).hexdigest()) != about.sha256:
            raise OperatorError(
                f"{name} {version} is not what was stored (SHA-256 {found[:12]}…, not {about.sha256[:12]}…)",
                remedy="Roll back to the version before it",
            )
        if features is not None and features != about.features:
            raise OperatorError(
                f"{name} {version} wants {', '.join(about.features)}, not {', '.join(features)}",
                remedy="Load a version of these features, or train one",
            )
        forest = from_bytes(body, len(about.features))
        if any(not 0 <= own.first < own.first + own.count <= len(forest.roots) for own in about.assets.values()):
            raise OperatorError(
                f"{name} {version} has other trees than it tells of", remedy="Roll back to the version before it"
            )
        return Model(about, forest)

    def live(self, name: str) -> str | None:
        """The version that was promoted, or rolled back to, last."""
        history = self._history(name)
        return history[-1].version if history else None

    def promote(self, name: str, version: str, *, why: str, now_ms: int) -> None:
        """Makes a version live that is there.

        Raises:
            MissingObjectError: it is not.
        """
        self.about(name, version)
        self._tell(name, _Live(version, why), now_ms)

    def rollback(self, name: str, *, now_ms: int) -> str:
        """Back to what was live before; which that is. Never to what was itself rolled back.

        Raises:
            OperatorError: there was nothing before it.
        """
        history = self._history(name)
        bad = {each.instead_of for each in history} | {each.version for each in history[-1:]}
        before = [each.version for each in history if each.version not in bad]
        if not before:
            raise OperatorError(f"no other version of {name} was ever live", remedy="Promote one by its name")
        self._tell(name, _Live(before[-1], "rollback", history[-1].version), now_ms)
        return before[-1]

    def _tell(self, name: str, live: _Live, now_ms: int) -> None:
        key = f"{self._folder(name)}/live/{_compact(now_ms)}{now_ms % 1000:03d}-{live.version}.json"
        self._store.put(key, msgspec.json.encode(live))

    def _history(self, name: str) -> list[_Live]:
        keys = [key for key in self._store.keys(f"{self._folder(name)}/live/") if key.endswith(".json")]
        return [msgspec.json.decode(self._store.get(key), type=_Live) for key in keys]

    def _folder(self, name: str, version: str = "") -> str:
        if version and not _VERSION.fullmatch(version):
            raise OperatorError(
                f"{version!r} is no version of a model", remedy="They are like 20261128T030000Z-0123456789ab"
            )
        return "/".join(filter(None, (self._all, _named(name), version)))


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise OperatorError(f"{name!r} is no name of a model", remedy="Take lower-case letters, digits and '-'")
    return name


def _compact(ms: int) -> str:
    """``20261128T030000Z``."""
    return iso(ms)[:19].replace("-", "").replace(":", "") + "Z"
