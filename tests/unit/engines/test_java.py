"""One clear line when Java is missing, too old or cut down."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryptoproxy.engines.machine import java
from cryptoproxy.errors import OperatorError


def fake_java(home: Path, version: str, modules: tuple[str, ...] = java.ELASTICSEARCH_MODULES) -> Path:
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    listed = "\n".join(f"{module}@{version}" for module in ("java.base", *modules))
    program.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = --list-modules ] && {{ echo "{listed}"; exit; }}\n'
        "cat >&2 <<'END'\n"
        "Picked up JAVA_TOOL_OPTIONS: -Dx=java.home\n"
        "Property settings:\n"
        f"    java.home = {home}\n"
        f"    java.specification.version = {version}\n"
        f'openjdk version "{version}.0.1"\n'
        "END\n"
    )
    program.chmod(0o755)
    return home


def test_java_home_comes_before_the_path(tmp_path: Path) -> None:
    home, other = fake_java(tmp_path / "home", "21"), fake_java(tmp_path / "other", "17")
    found = java.find({"JAVA_HOME": str(home), "PATH": f"{other}/bin:/bin:/usr/bin"})
    assert (found.home, found.version) == (home, 21)


def test_an_old_java_home_does_not_hide_a_good_java_on_the_path(tmp_path: Path) -> None:
    home, other = fake_java(tmp_path / "home", "1.8"), fake_java(tmp_path / "other", "25")
    assert java.find({"JAVA_HOME": str(home), "PATH": f"{other}/bin"}).version == 25


def test_a_java_that_is_too_old_is_named_with_what_to_install(tmp_path: Path) -> None:
    home = fake_java(tmp_path / "home", "11")
    with pytest.raises(OperatorError) as caught:
        java.find({"JAVA_HOME": str(home), "PATH": str(tmp_path)})
    said = str(caught.value)
    assert f"{home}/bin/java (JAVA_HOME) is version 11" in said
    assert "openjdk-17" in said
    assert "\n" not in said


def test_a_missing_java_is_one_line_with_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"^no Java: JAVA_HOME is not set.*Install a JDK of version 17") as caught:
        java.find({"PATH": str(tmp_path)})
    assert "\n" not in str(caught.value)


def test_a_java_that_does_not_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"gone/bin/java \(JAVA_HOME\) does not run"):
        java.find({"JAVA_HOME": str(tmp_path / "gone"), "PATH": str(tmp_path)})


@pytest.mark.parametrize(("said", "version"), [("1.8", 8), ("17", 17), ("25", 25)])
def test_versions_are_read(said: str, version: int) -> None:
    settings = f"    java.home = /a b/jdk\n    java.specification.version = {said}\n"
    found = java.parse(Path("java"), settings)
    assert found is not None
    assert (found.version, found.home) == (version, Path("/a b/jdk"))


def test_a_java_cut_down_too_far_for_elasticsearch_is_told(tmp_path: Path) -> None:
    home = fake_java(tmp_path / "home", "21", modules=("jdk.attach",))
    found = java.find({"JAVA_HOME": str(home), "PATH": ""})
    with pytest.raises(OperatorError, match=r"lacks jdk\.incubator\.vector"):
        java.require_modules(found)
    java.require_modules(java.find({"JAVA_HOME": str(fake_java(tmp_path / "full", "21")), "PATH": ""}))
