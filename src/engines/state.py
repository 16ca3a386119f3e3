"""What a stack's folder remembers between processes: ports, memory, and the S3 keys that were made for it."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cryptoproxy.common.errors import OperatorError
from cryptoproxy.common.settings.secret import write_private
from cryptoproxy.engines.ports import Ports

FILE = "stack.json"


@dataclass(frozen=True)
class Memory:
    """Heap of each engine in MiB. Elasticsearch's process takes about 400 MiB more, the others 150."""

    kafka_mb: int = 512
    elasticsearch_mb: int = 1024
    s3_mb: int = 256


@dataclass(frozen=True)
class State:
    ports: Ports
    memory: Memory = field(default_factory=Memory)
    s3_access_key: str = field(default_factory=lambda: f"CP{secrets.token_hex(9).upper()}")
    s3_secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(30), repr=False)


def load(folder: Path) -> State | None:
    """What the folder remembers; None for a new one."""
    file = folder / FILE
    try:
        content = json.loads(file.read_text())
        return State(**{**content, "ports": Ports(**content["ports"]), "memory": Memory(**content["memory"])})
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise OperatorError(f"{file} cannot be read: {error.strerror}", remedy="Run this as its owner.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise OperatorError(
            f"{file} is damaged ({error})", remedy="Remove it: ports and memory are asked for anew, S3 gets new keys."
        ) from error


def save(folder: Path, state: State) -> None:
    """The keys in it are for its owner alone."""
    write_private(folder / FILE, json.dumps(asdict(state), indent=1))
