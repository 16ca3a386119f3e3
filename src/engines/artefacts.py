"""Fetches the engines' files once, by Maven coordinates, and accepts them only with the pinned SHA-256.

Every file is hashed again at each use (0.2 s for all): one that was changed or cut in the cache is thrown away and
fetched anew; one that arrives different from its pin is refused. A file takes its name in the cache by a rename, after
the check, so a fetch that was cut in the middle leaves nothing that could be taken for whole.

``python -m cryptoproxy.engines.artefacts`` makes the pins (artefacts.json) anew: run it after changing a version below,
read the diff.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from typing import Any

import requests

from cryptoproxy.common.clients.outside import proxy_for
from cryptoproxy.engines.machine.process import Say, locked, say_nothing
from cryptoproxy.errors import OperatorError

LOCK_FILE = Path(__file__).with_name("artefacts.json")
PARALLEL = 6
ATTEMPTS = 2
TIMEOUT_S = 60
PROGRESS_S = 5.0
PARTIAL = ".partial-"

KAFKA = "4.1.1"
LOG4J = "2.24.3"  # the one that Kafka's own log4j-core has; without a binding the broker logs nothing
ELASTICSEARCH = "8.19.21"
S3PROXY = "4.1.0"
SPARK = "4.2.0"  # what its jobs need beside pyspark: Kafka's source, S3
DELTA = "4.4.0"  # Delta's own reader for that Spark: no job needs it, other people have it

WITH_DEPENDENCIES = {"kafka": [f"org.apache.kafka:kafka_2.13:{KAFKA}"]}
SINGLE_FILES = {
    "kafka": [f"org.apache.logging.log4j:log4j-slf4j-impl:jar:{LOG4J}"],
    "elasticsearch": [f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:zip:{ELASTICSEARCH}"],
    "s3": [f"org.gaul:s3proxy:jar:jar-with-dependencies:{S3PROXY}"],
    # By hand: what resolving would bring besides, pyspark has in the versions that it was built with.
    "spark": [
        f"org.apache.spark:spark-sql-kafka-0-10_2.13:jar:{SPARK}",
        f"org.apache.spark:spark-token-provider-kafka-0-10_2.13:jar:{SPARK}",
        "org.apache.kafka:kafka-clients:jar:3.9.2",
        "org.apache.commons:commons-pool2:jar:2.13.1",
        "org.apache.hadoop:hadoop-aws:jar:3.5.0",
        "software.amazon.awssdk:bundle:jar:2.35.4",
        "software.amazon.s3.analyticsaccelerator:analyticsaccelerator-s3:jar:1.3.1",
    ],
    "delta": [
        f"io.delta:delta-spark_{SPARK.rpartition('.')[0]}_2.13:jar:{DELTA}",
        *(
            f"io.delta:delta-{each}:jar:{DELTA}"
            for each in ("storage", "kernel-api", "kernel-defaults", "kernel-unitycatalog")
        ),
    ],
}
VERSIONS = {"kafka": KAFKA, "elasticsearch": ELASTICSEARCH, "s3": S3PROXY, "spark": SPARK, "delta": DELTA}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Artefact:
    """One file, named as Maven does: ``group:name:packaging[:classifier]:version``."""

    coordinate: str
    file: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Bundle:
    """All files of one engine."""

    name: str
    version: str
    files: tuple[Artefact, ...]

    @property
    def size(self) -> int:
        return sum(artefact.size for artefact in self.files)


Download = Callable[[str, Path], Path]
"""Fetches the file of a coordinate into a folder and says where it lies there."""


class Unfetched(Exception):  # noqa: N818 - never leaves this module
    """One file could not be had; the text says why."""


@once
def bundle(name: str) -> Bundle:
    """The pinned files of ``kafka``, ``elasticsearch`` or ``s3``."""
    entry = json.loads(LOCK_FILE.read_text())[name]
    return Bundle(name, entry["version"], tuple(Artefact(**file) for file in entry["files"]))


def user_cache(environ: Mapping[str, str] = os.environ) -> Path:
    """Where this user's fetched files are kept."""
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache") / "cryptoproxy"


def fetch(wanted: Bundle, cache: Path, *, download: Download | None = None, say: Say = say_nothing) -> list[Path]:
    """The files of a bundle, whole and as pinned, in the bundle's order.

    Raises:
        OperatorError: a file cannot be fetched, or is not the pinned one.
    """
    folder = cache / f"{wanted.name}-{wanted.version}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if _missing(wanted, folder, say_nothing):
            with locked(folder / ".lock", why=f"is fetching into {folder}", say=say):
                if missing := _missing(wanted, folder, say):
                    _fetch_all(wanted, missing, folder, download or from_central, say)
    except OSError as error:
        raise OperatorError(
            f"the cache {folder} cannot be used: {error}",
            remedy="Make it writable and give it room, or name another folder in XDG_CACHE_HOME.",
        ) from error
    return [folder / artefact.file for artefact in wanted.files]


def sha256(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def from_central(coordinate: str, folder: Path) -> Path:
    """Downloads by coordinates; jgo knows where from."""
    from jgo.maven import MavenContext

    group, name, packaging, *classifier, version = coordinate.split(":")
    component = MavenContext(repo_cache=folder, timeout=TIMEOUT_S).project(group, name).at_version(version)
    return Path(component.artifact(classifier[0] if classifier else "", packaging).resolve())


def _missing(wanted: Bundle, folder: Path, say: Say) -> list[Artefact]:
    missing = []
    for artefact in wanted.files:
        file = folder / artefact.file
        if not file.exists():
            missing.append(artefact)
        elif sha256(file) != artefact.sha256:
            say(f"{file} is not the file that was pinned (changed or cut): refused, fetching it anew")
            missing.append(artefact)
    return missing


def _fetch_all(wanted: Bundle, missing: list[Artefact], folder: Path, download: Download, say: Say) -> None:
    proxy_for("https://engines.invalid")  # refused before anything tells its password
    size = sum(artefact.size for artefact in missing) / 1e6
    say(f"fetching {wanted.name} {wanted.version}: {len(missing)} of {len(wanted.files)} files, {size:.0f} MB")
    began = time.monotonic()
    for left_over in folder.glob(f"{PARTIAL}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    told = threading.Event()
    with ThreadPoolExecutor(PARALLEL) as pool:
        pending = {pool.submit(_fetch_one, artefact, folder, download, say, told) for artefact in missing}
        try:
            while pending:
                done, pending = wait(pending, PROGRESS_S, FIRST_EXCEPTION)
                for task in done:
                    task.result()
                if pending:
                    say(f"  {wanted.name}: {_arrived(folder, missing) / 1e6:.0f} of {size:.0f} MB")
        finally:
            pool.shutdown(cancel_futures=True)
    say(f"fetched {wanted.name} {wanted.version} in {time.monotonic() - began:.0f} s")


def _arrived(folder: Path, missing: list[Artefact]) -> int:
    """Bytes of what was missing that are here by now, whole files or not."""
    files = [folder / artefact.file for artefact in missing] + list(folder.glob(f"{PARTIAL}*/**/*"))
    arrived = 0
    for file in files:
        with suppress(FileNotFoundError):  # renamed meanwhile
            arrived += file.stat().st_size if file.is_file() else 0
    return arrived


def _fetch_one(artefact: Artefact, folder: Path, download: Download, say: Say, told: threading.Event) -> None:
    """``told`` is shared by all files: that a first try failed is said once, however many of them it happens to."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _attempt(artefact, folder, download)
        except Unfetched as error:
            if attempt == ATTEMPTS:
                raise OperatorError(
                    f"{artefact.coordinate} could not be fetched: {error}",
                    remedy="Nothing of it was kept. Check the network (HTTPS_PROXY; REQUESTS_CA_BUNDLE where a proxy "
                    "has a CA of its own), then run this again: what is already here is not fetched twice.",
                ) from error
            if not told.is_set():
                told.set()
                say(f"{artefact.file}: {error}; trying once more, as with each that fails")
        else:
            return


def _attempt(artefact: Artefact, folder: Path, download: Download) -> None:
    with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=folder) as partial:
        try:
            file = download(artefact.coordinate, Path(partial))
        except (requests.RequestException, RuntimeError) as error:  # jgo's own error is a RuntimeError
            raise Unfetched(_why(error)) from error
        if (found := sha256(file)) != artefact.sha256:
            raise Unfetched(
                f"what arrived is not what was pinned and is refused ({file.stat().st_size} of {artefact.size} bytes, "
                f"SHA-256 {found[:16]}…, pinned {artefact.sha256[:16]}…)"
            )
        file.replace(folder / artefact.file)
    log.debug("fetched %s", artefact.coordinate)


def _why(error: Exception) -> str:
    """The innermost reason: what requests wraps around it says the same three times, with addresses of objects."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return f"{type(error).__name__}: {re.sub(r'<[^>]*>: ', '', str(reason or error))[:300]}"


def relock(folder: Path) -> dict[str, Any]:
    """The content of artefacts.json, from files fetched into an empty folder.

    Each root is resolved by itself: jgo takes every root's dependency management into account for all of them, and the
    logging binding's would pull older versions of Kafka's own jars in.
    """
    return {
        name: {"version": version, "files": _pinned(_coordinates(name, folder), folder)}
        for name, version in VERSIONS.items()
    }


def _coordinates(name: str, folder: Path) -> list[str]:
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=folder, timeout=TIMEOUT_S)
    found = set(SINGLE_FILES[name])
    for root in WITH_DEPENDENCIES.get(name, []):
        inputs, transitive = context.resolver.resolve([context.create_dependency(root)])
        for artefact in (dependency.artifact for dependency in (*inputs, *transitive)):
            parts = [artefact.groupId, artefact.artifactId, artefact.packaging, artefact.classifier, artefact.version]
            found.add(":".join(part for part in parts if part))
    return sorted(found)


def _pinned(coordinates: list[str], folder: Path) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(PARALLEL) as pool:
        files = list(pool.map(lambda coordinate: from_central(coordinate, folder), coordinates))
    return [
        {"coordinate": coordinate, "file": file.name, "sha256": sha256(file), "size": file.stat().st_size}
        for coordinate, file in zip(coordinates, files, strict=True)
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        LOCK_FILE.write_text(json.dumps(relock(Path(empty)), indent=1) + "\n")
    sys.stdout.write(f"{LOCK_FILE.name} is written: read its diff\n")
