"""Makes artefacts.json anew: ``python -m cryptoproxy.engines.relock``. Run it after changing a version, read the diff.

Each root is resolved by itself: jgo takes every root's dependency management into account for all of them, and the
logging binding's would pull older versions of Kafka's own jars in.
"""

from __future__ import annotations

import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cryptoproxy.engines.artefacts import LOCK_FILE, PARALLEL, TIMEOUT_S, from_central, sha256

KAFKA = "4.1.1"
LOG4J = "2.24.3"  # the one that Kafka's own log4j-core has; without a binding the broker logs nothing
ELASTICSEARCH = "8.19.21"
S3PROXY = "4.1.0"

WITH_DEPENDENCIES = {"kafka": [f"org.apache.kafka:kafka_2.13:{KAFKA}"]}
SINGLE_FILES = {
    "kafka": [f"org.apache.logging.log4j:log4j-slf4j-impl:jar:{LOG4J}"],
    "elasticsearch": [f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:zip:{ELASTICSEARCH}"],
    "s3": [f"org.gaul:s3proxy:jar:jar-with-dependencies:{S3PROXY}"],
}
VERSIONS = {"kafka": KAFKA, "elasticsearch": ELASTICSEARCH, "s3": S3PROXY}


def relock(folder: Path) -> dict[str, Any]:
    """The content of artefacts.json, from files fetched into an empty folder."""
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
