"""The rights as the documentation gives them: Kafka's ACLs out of the script, Elasticsearch's roles out of their files."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType

DOCS = Path(__file__).parents[3] / "docs" / "security"
ROLES = ("crypto_setup", "crypto_indexer", "crypto_retention", "crypto_reader")
_RESOURCES = {
    "--topic": ResourceType.TOPIC,
    "--group": ResourceType.GROUP,
    "--transactional-id": ResourceType.TRANSACTIONAL_ID,
    "--cluster": ResourceType.CLUSTER,
}


def acls(topic: str, group: str, folder: Path) -> list[ACL]:
    """What the script asks for: run as it is, with a `kafka-acls.sh` in ``folder`` that only says how it was called."""
    stub = folder / "kafka-acls.sh"
    stub.write_text('#!/bin/sh\necho "$@"\n')
    stub.chmod(0o755)
    calls = subprocess.run(
        ["sh", DOCS / "kafka-acls.sh", "--bootstrap-server", "kafka-1:9093", "--command-config", "admin.properties"],
        env={"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "TOPIC": topic, "GROUP": group},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert len(calls) > 10
    return [acl for call in calls for acl in _acls(call)]


def _acls(call: str) -> list[ACL]:
    words = [word for word in shlex.split(call.replace("--cluster", "--cluster kafka-cluster")) if word != "--add"]
    options = list(zip(words[::2], words[1::2], strict=True))
    named = dict(options)
    assert named["--bootstrap-server"] == "kafka-1:9093"
    assert named["--command-config"] == "admin.properties"
    pattern_type = ACLResourcePatternType[named.get("--resource-pattern-type", "literal").upper()]
    ((kind, name),) = [(_RESOURCES[option], value) for option, value in options if option in _RESOURCES]
    pattern = ResourcePattern(kind, name, pattern_type)
    return [
        ACL(named["--allow-principal"], "*", _operation(value), ACLPermissionType.ALLOW, pattern)
        for option, value in options
        if option == "--operation"
    ]


def _operation(word: str) -> ACLOperation:
    """`DescribeConfigs` → ``DESCRIBE_CONFIGS``."""
    return ACLOperation[re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word).upper()]


def role(name: str) -> dict[str, Any]:
    """The body of `PUT _security/role/NAME`."""
    found: dict[str, Any] = json.loads((DOCS / f"{name}.json").read_text())
    return found


def roles_yml() -> str:
    """The same as Elasticsearch's own file has it: JSON is YAML."""
    return "".join(f"{name}: {json.dumps(role(name))}\n" for name in ROLES)
