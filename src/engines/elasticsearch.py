"""An Elasticsearch node: the real server of the integration-test zip, which has the core and security and little else.

It refuses to run as root, so it then runs as another user, and what that user must reach lies where he can (see
``user``): ``node`` in the engine's folder is either its home or a link to it.
"""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from cryptoproxy.engines.engine import Engine, Options, Probe
from cryptoproxy.engines.machine import java, user
from cryptoproxy.engines.machine.java import java_environ
from cryptoproxy.engines.machine.process import Command, User
from cryptoproxy.engines.ports import HOST, get
from cryptoproxy.engines.unpack import install
from cryptoproxy.errors import OperatorError

KEYSTORE_SECONDS = 120

DEFAULTS: Mapping[str, Any] = {
    "cluster.name": "cryptoproxy",
    "network.host": HOST,
    "discovery.type": "single-node",
    "xpack.security.enabled": False,
    # A developer's disk is often nearly full; above 95 % Elasticsearch would make every index read-only.
    "cluster.routing.allocation.disk.threshold_enabled": False,
}

LOGGING = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d{ISO8601}] %p %m (%c{1.})%consoleException%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
"""
UNWANTED_JVM_OPTIONS = ("-Xlog:gc", "-XX:+HeapDumpOnOutOfMemoryError", "-XX:ErrorFile")
"""Of the server's own: up to 2 GB of collector logs, a heap dump, and a file in a folder that it cannot write."""


class Elasticsearch(Engine):
    """Extra ``settings`` win over the defaults; ``files`` (users, roles.yml, PEM …) are written beside
    elasticsearch.yml, which names them relative to that; ``secrets`` go to its keystore."""

    title: ClassVar[str] = "Elasticsearch"
    bundle_name: ClassVar[str] = "elasticsearch"
    first_heap_mb: ClassVar[int] = 256

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        transport_port: int,
        name: str = "elasticsearch",
        heap_mb: int = 1024,
        scheme: str = "http",
        settings: Mapping[str, Any] | None = None,
        files: Mapping[str, str | bytes] | None = None,
        secrets: Mapping[str, str] | None = None,
        probe: Probe | None = None,
        options: Options | None = None,
    ) -> None:
        super().__init__(name, folder, heap_mb=heap_mb, options=options, probe=probe)
        self.port = port
        self.transport_port = transport_port
        self.scheme = scheme
        self.extra_settings = dict(settings or {})
        self.files = dict(files or {})
        self.secrets = dict(secrets or {})
        self.link = self.folder / "node"

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://{HOST}:{self.port}"

    def ports(self) -> dict[str, int]:
        return {"elasticsearch": self.port, "elasticsearch_transport": self.transport_port}

    def prepare(self) -> Command:
        found = java.find()
        java.require_modules(found)
        runs_as = user.stand_in()
        if runs_as and (closed := user.barrier(found.home, runs_as)):
            raise OperatorError(
                f"Elasticsearch cannot run as root, and {closed} hides the Java in {found.home} from {runs_as.name}",
                remedy="Install Java for all users, or set JAVA_HOME to one that each user can read.",
            )
        program = self._installed(runs_as)
        node = user.home(self.link, runs_as, throwaway=self.options.die_with_parent, say=self.options.say)
        self._configure(program, node, runs_as)
        environ = {
            **{key: value for key, value in java_environ().items() if not key.startswith("ES_") and key != "JAVA_HOME"},
            "ES_JAVA_HOME": str(found.home),
            "ES_PATH_CONF": str(node / "config"),
            "ES_TMPDIR": str(node / "tmp"),
            "ES_JAVA_OPTS": " ".join(self.heap()),
            "CLI_JAVA_OPTS": "-XX:TieredStopAtLevel=1",  # the launcher lives beside the server and does little
        }
        if self.secrets:
            self._keep_secrets(program, environ, runs_as)
        return Command([str(program / "bin" / "elasticsearch")], environ, program, runs_as)

    def settings(self, node: Path) -> dict[str, Any]:
        return {
            **DEFAULTS,
            "node.name": self.name,
            "http.port": self.port,
            "transport.port": self.transport_port,
            "path.data": str(node / "data"),
            "path.logs": str(node / "logs"),
            **self.extra_settings,
        }

    def answers(self) -> str | None:
        return probe_health(self.endpoint)

    def remove(self) -> None:
        """Also what lies elsewhere."""
        self.stop()
        user.forget(self.link)
        super().remove()

    def _installed(self, runs_as: User | None) -> Path:
        (archive,) = self.fetched()
        return install(archive, user.installation_parent(archive.parent, runs_as), say=self.options.say)

    def _configure(self, program: Path, node: Path, runs_as: User | None) -> None:
        shipped = (program / "config" / "jvm.options").read_text().splitlines()
        jvm_options = [line for line in shipped if line and not line.startswith(("#", *UNWANTED_JVM_OPTIONS))]
        jvm_options += [f"-XX:ErrorFile={node}/logs/hs_err_pid%p.log", self.mark()]
        # JSON is YAML, and its strings need no thought.
        yaml = "".join(f"{key}: {json.dumps(value)}\n" for key, value in self.settings(node).items())
        config = {"elasticsearch.yml": yaml, "jvm.options": "\n".join(jvm_options) + "\n", "log4j2.properties": LOGGING}
        self.write_config(node / "config", {**self.files, **config})
        for folder in ("data", "logs", "tmp"):
            (node / folder).mkdir(exist_ok=True)
        if runs_as:
            for path in (node / "config", *(node / "config").rglob("*"), node / "data", node / "logs", node / "tmp"):
                user.give(path, runs_as)

    def _keep_secrets(self, program: Path, environ: Mapping[str, str], runs_as: User | None) -> None:
        """In its keystore, made anew. The tool runs as the server's user, as the keystore must be his."""
        who: dict[str, Any] = {"user": runs_as.uid, "group": runs_as.gid, "extra_groups": []} if runs_as else {}
        (Path(environ["ES_PATH_CONF"]) / "elasticsearch.keystore").unlink(missing_ok=True)
        for arguments, text in [("create", "")] + [
            (f"add --stdin {key}", value) for key, value in self.secrets.items()
        ]:
            done = subprocess.run(
                [program / "bin" / "elasticsearch-keystore", *arguments.split()],
                **who,
                cwd=program,
                env=environ,
                input=text,
                capture_output=True,
                text=True,
                timeout=KEYSTORE_SECONDS,
                check=False,
            )
            if done.returncode:
                raise OperatorError(
                    f"Elasticsearch's keystore refuses {arguments}: {(done.stdout + done.stderr).strip()[-500:]}",
                    remedy="Mend that, then start it again.",
                )


def probe_health(
    endpoint: str, *, headers: Mapping[str, str] | None = None, context: ssl.SSLContext | None = None, nodes: int = 1
) -> str | None:
    """None if the cluster's health is yellow or better (all primary shards serve), else what is missing.

    ``GET /`` would answer 405 here.
    """
    try:
        status, body = get(f"{endpoint}/_cluster/health", headers=headers, context=context)
        health = json.loads(body) if status == 200 else {}
    except (OSError, ValueError) as error:
        return f"no answer from {endpoint} ({error})"
    if health.get("status") in {"green", "yellow"} and health["number_of_nodes"] >= nodes:
        return None
    return (
        f"HTTP {status}, health {health.get('status', 'unknown')}, {health.get('number_of_nodes', 0)} of {nodes} nodes"
    )
