"""What the pages for operators tell people to type is what the programs take."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from tests.unit.deploy.reading import COMPOSE, KUBERNETES, NAMES, ROOT, load_yaml, parse_command

PAGES = [ROOT / "docs" / "operations.md", ROOT / "docs" / "installation.md", KUBERNETES / "README.md"]
OTHERS = [ROOT / "docs" / f"{name}.md" for name in ("lake", "quality", "models", "airflow", "spark", "many-machines")]
"""Pages whose commands alone are looked at."""
EXAMPLES = {
    "PARTITION:OFFSET": "0:17",
    "YESTERDAY": "2026-11-01",
    "TODAY": "2026-11-02",
    "NAME": "other-topic",
}


def code(page: Path) -> list[str]:
    """Lines of fenced blocks and inline code; a line that goes on is one."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```\w*\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [*lines, *(span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", outside))]


def typed(words: str) -> list[str]:
    for placeholder, example in EXAMPLES.items():
        words = words.replace(placeholder, example)
    return shlex.split(words, comments=True)


def commands() -> list[str]:
    """Commands of ours that stand there whole: without an ellipsis or a choice."""
    spans = {re.sub(r"^(\.venv/bin/)", "", line) for page in [*PAGES, *OTHERS] for line in code(page)}
    spans = {span.removeprefix("$ ") for span in spans}
    ours = {span for span in spans if span.startswith("cryptoproxy ") and not re.search(r"[…|\[]", span)}
    inside = re.compile(r"docker compose -f docker/docker-compose.yml run --rm tools (.*)")
    return sorted(ours | {f"cryptoproxy {found[1]}" for span in spans if (found := inside.fullmatch(span))})


@pytest.mark.parametrize("command", commands())
def test_commands_of_the_pages_are_those_of_the_command_line(command: str) -> None:
    words = typed(command)[1:]
    try:
        assert parse_command(words)
    except click.MissingParameter:
        assert not any(word.startswith("-") for word in words)  # only its name, in a sentence


def test_there_are_commands_to_try() -> None:
    assert {"cryptoproxy setup", "cryptoproxy check"} < set(commands())


def test_settings_of_the_pages_are_there() -> None:
    prefixes = tuple({name.split("_")[0] + "_" for name in NAMES})
    for page in PAGES:
        for span in code(page):
            for name in re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b(?!…)", span):
                if name.startswith(prefixes) and not name.endswith("_"):
                    assert name in NAMES, f"{page.name}: {name}"


def test_services_and_profiles_of_the_pages_are_those_of_the_compose_file() -> None:
    compose = load_yaml(COMPOSE)
    profiles = {profile for each in compose["services"].values() for profile in each.get("profiles", [])}
    for page in PAGES:
        for span in code(page):
            for named in re.findall(r"--profile (\w+)", span):
                assert named in profiles
            for service in re.findall(r"(?:run --rm|up -d) (\w+)", span):
                assert service in compose["services"]


def test_secrets_of_the_manifests_are_made_with_every_key_that_they_name() -> None:
    made: dict[str, set[str]] = {}
    for line in code(KUBERNETES / "README.md"):
        if found := re.match(r"kubectl -n cryptoproxy create secret generic (\S+) (.*)", line):
            made[found[1]] = set(re.findall(r"--from-(?:file|literal)=([\w-]+)", found[2]))
    for name in ("setup", "poller", "indexer"):
        text = (KUBERNETES / f"{name}.yaml").read_text(encoding="utf-8")
        (secret,) = set(re.findall(r"secretName: ([\w-]+)", text))
        used = set(re.findall(r"key: ([\w-]+)}}}", text)) | set(re.findall(r"/run/secrets/cryptoproxy/([\w-]+)", text))
        assert made[secret] == used
