"""Finds a Java that the engines can run on, says in one line what to install if there is none, and what Java wants."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptoproxy.errors import OperatorError

OLDEST = 17
PROBE_SECONDS = 60
REMEDY = (
    f"Install a JDK of version {OLDEST} or newer (`apt-get install openjdk-17-jdk-headless`, "
    "`dnf install java-17-openjdk-devel`, `brew install openjdk@17`) and set JAVA_HOME to it if it is not on the PATH."
)
ELASTICSEARCH_MODULES = ("jdk.incubator.vector", "jdk.attach")
"""In every full JDK; a Java cut down with jlink may lack them: Elasticsearch then dies before its first log line."""


@dataclass(frozen=True)
class Java:
    program: Path
    home: Path
    version: int


def find(environ: Mapping[str, str] = os.environ) -> Java:
    """The Java of JAVA_HOME, else the one on the PATH: the first that is new enough.

    Raises:
        OperatorError: there is none, or only ones that are too old.
    """
    refused = []
    for origin, program in _candidates(environ):
        java = probe(program)
        if java is not None and java.version >= OLDEST:
            return java
        refused.append(f"{program} ({origin}) {f'is version {java.version}' if java else 'does not run'}")
    if refused:
        raise OperatorError(f"no Java {OLDEST} or newer: {'; '.join(refused)}", remedy=REMEDY)
    raise OperatorError("no Java: JAVA_HOME is not set and there is no java on the PATH", remedy=REMEDY)


@cache
def probe(program: Path) -> Java | None:
    """What this java says of itself; None if it does not run."""
    said = _run(program, "-XshowSettings:properties", "-version")
    return None if said is None else parse(program, said)


def parse(program: Path, settings: str) -> Java | None:
    """Reads ``-XshowSettings:properties``: 1.8 is 8, 17.0.15 is 17, 25-ea is 25."""
    home = re.search(r"^\s*java\.home = (.+)$", settings, re.MULTILINE)
    version = re.search(r"^\s*java\.specification\.version = (?:1\.)?(\d+)", settings, re.MULTILINE)
    return Java(program, Path(home[1].strip()), int(version[1])) if home and version else None


def require_modules(java: Java, modules: tuple[str, ...] = ELASTICSEARCH_MODULES) -> None:
    """Raises an OperatorError if this Java was cut down too far."""
    listed = _run(java.program, "--list-modules") or ""
    present = {line.partition("@")[0].strip() for line in listed.splitlines()}
    if lacking := [module for module in modules if module not in present]:
        raise OperatorError(
            f"the Java at {java.home} lacks {' and '.join(lacking)}, without which Elasticsearch does not start",
            remedy=REMEDY,
        )


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    if home := environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    if program := shutil.which("java", path=environ.get("PATH", os.defpath)):
        yield "PATH", Path(program)


def _run(program: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, text=True, errors="replace", timeout=PROBE_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout + done.stderr


def as_properties(settings: Mapping[str, str]) -> str:
    """A Java properties file, in which a backslash, a line's end and all beyond ASCII must be escaped."""

    def escaped(value: str) -> str:
        quoted = value.replace("\\", "\\\\").replace("\n", "\\n")
        return "".join(char if char.isascii() else f"\\u{ord(char):04x}" for char in quoted)

    return "".join(f"{key}={escaped(value)}\n" for key, value in settings.items())


def java_environ() -> dict[str, str]:
    """Our environment without what the JVM would take options from behind our back, and with file names in UTF-8."""
    unwanted = {"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH"}
    utf8 = {"LC_ALL": "C.UTF-8"} if sys.platform == "linux" else {}
    return {key: value for key, value in os.environ.items() if key not in unwanted} | utf8
