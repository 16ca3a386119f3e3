"""What `make test-more` tests: with programs that others wrote, from Debian's packages. The fault suite's engines serve."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.faults.conftest import engines
from tests.faults.indexing.conftest import rig

__all__ = ["engines", "python_of", "rig"]


def python_of(requirements: Path) -> Path:
    """Python of an environment beside ours, made by uv; anew when its requirements change."""
    folder = Path(sys.prefix) / f".{requirements.stem}"
    stamp = folder / "requirements.txt"
    if not stamp.is_file() or stamp.read_text() != requirements.read_text():
        uv = Path(sys.prefix) / "bin" / "uv"
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", folder / "bin/python", "-r", requirements], check=True)
        stamp.write_text(requirements.read_text())
    return folder / "bin/python"
