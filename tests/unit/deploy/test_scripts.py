"""The shell scripts: clean, thin, safe to run again, and clear where something is missing."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.unit.deploy.reading import COMPOSE, ROOT, variables

SCRIPTS = sorted((ROOT / "scripts").glob("*.sh"))
USERS = ROOT / "docker" / "elasticsearch" / "users.sh"


@pytest.mark.parametrize("script", [*SCRIPTS, USERS], ids=lambda path: path.name)
def test_scripts_are_clean_and_stop_at_the_first_error(script: Path) -> None:
    shellcheck = Path(sys.executable).parent / "shellcheck"
    done = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")
    assert os.access(script, os.X_OK)


class Project:
    """A copy of the scripts, beside stand-ins for `cryptoproxy` and `docker` that tell how they were called."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "docker").mkdir()
        shutil.copytree(ROOT / "scripts", root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        self.tools = root / "tools"
        self.tools.mkdir()
        for name in ("bash", "dirname", "head", "od", "tr", "mkdir", "chmod", "cat", "env"):
            (self.tools / name).symlink_to(str(shutil.which(name)))

    def stand_in(self, path: Path, *, code: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\nprintf "%s " "$@"\necho\nexit {code}\n')
        path.chmod(0o755)

    def run(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.tools / "bash", self.root / "scripts" / script, *words],
            env={"PATH": str(self.tools)}, capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip

    @property
    def secrets(self) -> Path:
        return self.root / "docker" / ".env"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_topics_are_the_command_s_own_business(project: Project) -> None:
    project.stand_in(project.root / ".venv" / "bin" / "cryptoproxy", code=3)
    done = project.run("create_topics.sh", "--wait", "60")
    assert (done.stdout.split(), done.returncode) == (["setup", "--only", "topics", "--wait", "60"], 3)


def test_an_installed_command_is_found_on_the_path(project: Project) -> None:
    project.stand_in(project.tools / "cryptoproxy")
    assert project.run("create_topics.sh").stdout.split() == ["setup", "--only", "topics"]


def test_without_the_command_it_says_what_to_do(project: Project) -> None:
    done = project.run("create_topics.sh")
    assert (done.returncode, "make install" in done.stderr) == (127, True)


def test_the_first_start_makes_every_password_that_the_stack_asks_for(project: Project) -> None:
    project.stand_in(project.tools / "docker")
    done = project.run("start_services.sh", "--build")
    assert done.returncode == 0, done.stderr
    lines = [line for line in project.secrets.read_text().splitlines() if not line.startswith("#")]
    made = dict(line.split("=", 1) for line in lines)
    assert set(made) == set(variables(COMPOSE.read_text(encoding="utf-8")))
    assert all(re.fullmatch(r"[0-9a-f]{32}", value) for value in made.values())
    assert len(set(made.values())) == len(made)
    assert project.secrets.stat().st_mode & 0o777 == 0o600
    assert f"compose --file {project.root}/docker/docker-compose.yml up --detach --build" in done.stdout


def test_what_an_earlier_start_has_left_does_not_open_the_passwords_to_others(project: Project) -> None:
    project.stand_in(project.tools / "docker")
    left = project.secrets.with_name(f"{project.secrets.name}.new")
    left.touch()
    left.chmod(0o644)
    project.run("start_services.sh")
    assert project.secrets.stat().st_mode & 0o777 == 0o600


def test_passwords_are_never_shown_and_never_changed(project: Project) -> None:
    project.stand_in(project.tools / "docker")
    first = project.run("start_services.sh")
    before = project.secrets.read_text()
    second = project.run("start_services.sh")
    assert project.secrets.read_text() == before
    for line in before.splitlines()[1:]:
        assert line.partition("=")[2] not in first.stdout + first.stderr + second.stdout + second.stderr


def test_a_password_that_a_newer_stack_needs_is_added(project: Project) -> None:
    project.stand_in(project.tools / "docker")
    project.secrets.write_text("# mine\nELASTIC_PASSWORD=as-it-was\n")
    assert project.run("start_services.sh").returncode == 0
    lines = project.secrets.read_text().splitlines()
    assert lines[:2] == ["# mine", "ELASTIC_PASSWORD=as-it-was"]
    assert {line.partition("=")[0] for line in lines[1:]} == set(variables(COMPOSE.read_text(encoding="utf-8")))


def test_tools_may_write_into_their_folder(project: Project) -> None:
    project.stand_in(project.tools / "docker")
    project.run("start_services.sh")
    assert (project.root / "docker" / "out").stat().st_mode & 0o1777 == 0o1777


@pytest.mark.parametrize("version", ["2.23.3", "v2.20.2-desktop.1", "1.29.2"])
def test_a_compose_that_is_too_old_is_told_and_nothing_is_made(project: Project, version: str) -> None:
    (project.tools / "docker").write_text(f"#!/bin/sh\necho {version}\n")
    (project.tools / "docker").chmod(0o755)
    done = project.run("start_services.sh")
    assert (done.returncode, f"Compose {version} is too old: 2.24 or newer" in done.stderr) == (1, True)
    assert not project.secrets.exists()


@pytest.mark.parametrize("version", ["2.24.0", "v2.40.3", "5.0.1"])
def test_a_compose_that_is_new_enough_starts(project: Project, version: str) -> None:
    (project.tools / "docker").write_text(f"#!/bin/sh\necho {version}\n")
    (project.tools / "docker").chmod(0o755)
    assert project.run("start_services.sh").returncode == 0


def test_a_start_that_failed_is_a_failure(project: Project) -> None:
    (project.tools / "docker").write_text('#!/bin/sh\ncase "$*" in *version*) exit 0;; esac\nexit 14\n')
    (project.tools / "docker").chmod(0o755)
    assert project.run("start_services.sh").returncode == 14


def test_without_docker_it_names_the_way_that_needs_none(project: Project) -> None:
    done = project.run("start_services.sh")
    assert (done.returncode, "make run" in done.stderr) == (127, True)
    assert not project.secrets.exists()


class Elasticsearch:
    """Answers as its security API does, and remembers what it was asked."""

    def __init__(self, *, refuses: str = "") -> None:
        self.asked: list[tuple[str, str, str, dict[str, object]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                login = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
                outer.asked.append((self.command, self.path, login, body))
                refused = bool(refuses) and refuses in self.path
                answer = b'{"error": "no"}' if refused else b"{}"
                self.send_response(403 if refused else 200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_PUT  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def make_users(self) -> subprocess.CompletedProcess[str]:
        environ = {
            "PATH": os.environ["PATH"],
            "ES_URL": f"http://127.0.0.1:{self.server.server_port}",
            "ELASTIC_PASSWORD": "admin-secret",
            "KIBANA_PASSWORD": "kibana-secret",
            "INDEXER_PASSWORD": "indexer-secret",
            "DOOR_PASSWORD": "door-secret",
            "TOOLS_PASSWORD": "tools-secret",
            "ROLES": str(ROOT / "docs" / "security"),
        }
        return subprocess.run([USERS], env=environ, capture_output=True, text=True, check=False, timeout=180)


@pytest.fixture
def elasticsearch() -> Iterator[Elasticsearch]:
    made = Elasticsearch()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_users_get_their_passwords_and_the_indexer_the_least_rights(elasticsearch: Elasticsearch) -> None:
    done = elasticsearch.make_users()
    assert done.returncode == 0, done.stderr
    assert {login for _, _, login, _ in elasticsearch.asked} == {"elastic:admin-secret"}
    bodies = {path: body for _, path, _, body in elasticsearch.asked}
    assert bodies["/_security/user/kibana_system/_password"] == {"password": "kibana-secret"}
    assert bodies["/_security/user/cryptoproxy-indexer"] == {"password": "indexer-secret", "roles": ["crypto_indexer"]}
    tools = bodies["/_security/user/cryptoproxy-tools"]
    assert (tools["password"], tools["roles"]) == (
        "tools-secret",
        ["crypto_reader", "crypto_indexer", "crypto_retention"],
    )
    assert "secret" not in done.stdout + done.stderr
    for name in tools["roles"]:  # type: ignore[attr-defined]
        documented = json.loads((ROOT / "docs" / "security" / f"{name}.json").read_text(encoding="utf-8"))
        assert bodies[f"/_security/role/{name}"] == documented
    once, newest, compared = bodies["/_security/role/crypto_indexer"]["indices"]  # type: ignore[misc]
    assert set(once["privileges"]) == {"create_doc", "auto_configure", "view_index_metadata"}
    assert newest["names"] == ["crypto-assets", "crypto-assets-*"], "of these alone a document may be replaced"
    assert set(newest["privileges"]) == {"index", "auto_configure", "view_index_metadata"}
    assert (compared["names"][0], compared["privileges"]) == ("crypto-candles", ["read"])


def test_a_refusal_ends_it() -> None:
    refusing = Elasticsearch(refuses="role")
    try:
        done = refusing.make_users()
    finally:
        refusing.server.shutdown()
        refusing.server.server_close()
    assert done.returncode == 1
    assert "answered 403 to PUT /_security/role" in done.stderr
    assert "may log in" not in done.stdout
