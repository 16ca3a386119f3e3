"""The project's folder is found from below, named from elsewhere, and never another project's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.environment import child_environment
from cryptoproxy.common.settings.home import ENV_FILE, find_home
from cryptoproxy.errors import SettingsError


@pytest.fixture
def below(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / "notes" / "2026"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("mark", [".run/outbox", ".run/engines", ".env"])
def test_it_is_the_nearest_folder_upwards_that_was_used_or_has_settings(below: Path, mark: str) -> None:
    project = below.parents[1]
    if mark == ".env":
        (project / ".env").write_text("# mine\nCOINGECKO_TOP_N=5\n")
    else:
        (project / mark).mkdir(parents=True)
    assert find_home(below, {}) == find_home(project, {})
    found = find_home(below, {})
    assert (found.folder, found.named, found.known) == (project, False, True)
    assert found.file(ENV_FILE) == project / ".env"
    assert found.file(Path("mine.env")) == Path("mine.env")


def test_settings_of_another_project_are_left_alone(below: Path) -> None:
    (below.parents[1] / ".env").write_text("DATABASE_URL=postgres://x\nNOT A LINE\n")
    (below.parents[1] / ".run").mkdir()  # an IDE's
    found = find_home(below, {})
    assert (found.folder, found.known) == (below, False)


def test_above_the_current_folder_another_user_s_file_counts_for_nothing(
    below: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = below.parents[1] / ".env"
    theirs.write_text("KAFKA_BROKERS_HOST_PORT=evil.example:9092\n")
    seen = Path.stat

    def stat(path: Path, **options: bool) -> os.stat_result:
        found = seen(path, **options)
        if path != theirs:
            return found
        return os.stat_result([*found[:4], os.getuid() + 1, *found[5:10]])

    assert find_home(below, {}).folder == theirs.parent
    monkeypatch.setattr(Path, "stat", stat)
    assert (find_home(below, {}).folder, find_home(below, {}).known) == (below, False)
    assert find_home(theirs.parent, {}).folder == theirs.parent  # who stands in it has chosen it


def test_a_folder_that_everybody_may_write_to_is_nobody_s_project(below: Path) -> None:
    shared = below.parents[1]
    (shared / ".run/outbox").mkdir(parents=True)
    assert find_home(below, {}).folder == shared
    shared.chmod(0o1777)  # as /tmp is
    assert (find_home(below, {}).folder, find_home(below, {}).known) == (below, False)
    assert find_home(shared, {}).folder == shared  # who stands in it has chosen it


def test_the_root_is_nobody_s_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = Path.is_dir
    monkeypatch.setattr(Path, "is_dir", lambda path: path == Path("/.run/outbox") or seen(path))
    seen_stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path: seen_stat(Path("/") if path == Path("/.run/outbox") else path))
    assert (find_home(tmp_path, {}).folder, find_home(tmp_path, {}).known) == (tmp_path, False)
    assert find_home(Path("/"), {}).known


def test_a_named_one_counts_wherever_one_is(below: Path, tmp_path: Path) -> None:
    (below / ".run/outbox").mkdir(parents=True)
    found = find_home(below, {"CRYPTOPROXY_HOME": str(tmp_path)})
    assert (found.folder, found.named) == (tmp_path, True)
    with pytest.raises(SettingsError) as caught:
        find_home(below, {"CRYPTOPROXY_HOME": str(tmp_path / "nowhere")})
    assert "is not a folder" in caught.value.faults[0]


def test_relative_paths_begin_there(below: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = below.parents[1]
    (project / "key").write_text("open-sesame")
    (project / "ca.pem").touch()
    (project / ".env").write_text(
        "ES_API_KEY_FILE=key\nES_CA_FILE=ca.pem\nES_URL_ENDPOINT=https://es.example\nLOG_FILE=/var/log/x\n"
    )
    monkeypatch.chdir(below)
    settings = Settings.load(project / ".env", home=project)
    assert settings.poller.outbox_dir == project / ".run/outbox"
    assert settings.engines.folder == project / ".run/engines"
    assert settings.elasticsearch.ca_file == project / "ca.pem"
    assert settings.elasticsearch.api_key.get() == "open-sesame"
    assert settings.service.log_file == Path("/var/log/x")


def test_a_child_with_settings_of_its_own_looks_for_none_above_its_folder(below: Path) -> None:
    (below.parents[1] / ".env").write_text("COINGECKO_TOP_N=5\n")
    environment = child_environment({"KAFKA_TOPIC": "x"}, {"PATH": "/bin", "CRYPTOPROXY_HOME": "/else", "ES_USER": "y"})
    assert environment == {"PATH": "/bin", "CRYPTOPROXY_HOME": ".", "KAFKA_TOPIC": "x"}
    assert find_home(below, environment).folder == below
