"""docs/spark.md's lines for a cluster, run as they stand there on a cluster of this machine: its worker is a process of
its own, and knows only what it was sent and what is installed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pyspark

from cryptoproxy.engines import artefacts

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = "local-cluster[1,1,1024]"
"""One worker, one core, MB."""


def words() -> list[str]:
    """The command, but for its cluster, and with the pinned jars in place of the same from Maven Central.

    Raises:
        SystemExit: the page names other ones than are pinned.
    """
    page = (ROOT / "docs" / "spark.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```bash\n(spark-submit .+?)^```", page, re.MULTILINE | re.DOTALL)
    said = shlex.split(block.replace("\\\n", " "))
    for name, value in (("--master", CLUSTER), ("--deploy-mode", "client")):
        said[said.index(name) + 1] = value
    at = said.index("--packages")
    pinned = {each.coordinate.replace(":jar:", ":") for each in artefacts.bundle("spark").files}
    if others := set(said[at + 1].split(",")) - pinned:
        raise SystemExit(f"docs/spark.md names {', '.join(others)}, which are not the pinned ones")
    jars = artefacts.fetch(artefacts.bundle("spark"), artefacts.user_cache(), say=print)
    said[at : at + 2] = ["--jars", ",".join(map(str, jars))]
    return said


def submit(folder: Path) -> None:
    """
    Args:
        folder: for what workers leave: a copy of the jars each, in their Spark's own folder.

    Raises:
        SystemExit: it failed.
    """
    home = folder / "spark-home"
    home.mkdir()
    for each in Path(pyspark.__file__).parent.iterdir():
        (home / each.name).symlink_to(each)
    program, *rest = words()
    done = subprocess.run(
        [home / "bin" / program, *rest],
        cwd=ROOT, env=os.environ | {"SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(done.stdout, end="")
    if done.returncode:
        raise SystemExit(f"docs/spark.md's lines for a cluster failed\n{done.stderr[-4000:]}")
