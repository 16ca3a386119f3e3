"""What runs by the clock: systemd's timers and Kubernetes' CronJobs, and that both say the same."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.unit.deploy.reading import KUBERNETES, ROOT, load, load_yaml, parse_command
from tests.unit.deploy.test_systemd import directives_of

FOLDER = ROOT / "deploy" / "systemd" / "timers"
COMMANDS = {"reconcile": "reconcile", "compact": "lake compact", "retention": "retention"}
CRON_JOBS: dict[str, dict[str, Any]] = {
    each["metadata"]["name"].removeprefix("cryptoproxy-"): each
    for each in yaml.safe_load_all((KUBERNETES / "timers" / "timers.yaml").read_text(encoding="utf-8"))
}
CONFIG: dict[str, str] = load_yaml(KUBERNETES / "config.yaml")["data"]


def unit(name: str, kind: str) -> dict[str, dict[str, list[str]]]:
    return directives_of((FOLDER / f"cryptoproxy-{name}.{kind}").read_text(encoding="utf-8"))


def pod(name: str) -> dict[str, Any]:
    found: dict[str, Any] = CRON_JOBS[name]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return found


def words(name: str) -> list[str]:
    program, *arguments = shlex.split(unit(name, "service")["Service"]["ExecStart"][0])
    assert program == "/opt/cryptoproxy/bin/cryptoproxy"
    return arguments


def test_both_are_delivered_for_each_command() -> None:
    assert set(CRON_JOBS) == set(COMMANDS)
    assert {path.name for path in FOLDER.iterdir()} == {
        f"cryptoproxy-{name}.{kind}" for name in COMMANDS for kind in ("service", "timer")
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_they_run_the_command_and_systemd_and_kubernetes_the_same_one(name: str) -> None:
    assert parse_command(words(name)) == COMMANDS[name]
    (container,) = pod(name)["containers"]
    assert container["args"] == words(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_they_start_at_the_same_time_of_day_in_utc(name: str) -> None:
    (calendar,) = unit(name, "timer")["Timer"]["OnCalendar"]
    found = re.fullmatch(r"(?:(Sun) )?\*-\*-\* (\d\d):(\d\d):00 UTC", calendar)
    assert found is not None
    schedule = f"{int(found[3])} {int(found[2])} * * {'0' if found[1] else '*'}"
    assert CRON_JOBS[name]["spec"]["schedule"] == schedule
    assert CRON_JOBS[name]["spec"]["timeZone"] == "Etc/UTC"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_run_that_waits_ends_before_the_next_one_and_never_runs_beside_another(name: str) -> None:
    assert unit(name, "service")["Service"]["Type"] == ["oneshot"]
    assert unit(name, "service")["Service"]["TimeoutStartSec"] == ["6h"]
    assert CRON_JOBS[name]["spec"]["concurrencyPolicy"] == "Forbid"
    assert CRON_JOBS[name]["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 6 * 3600


@pytest.mark.parametrize("name", COMMANDS)
def test_they_may_do_no_more_than_they_need(name: str) -> None:
    service = unit(name, "service")["Service"]
    poller = directives_of((ROOT / "deploy/systemd/cryptoproxy-poller.service").read_text(encoding="utf-8"))["Service"]
    locks = [key for key in poller if key.startswith(("Protect", "Restrict", "Private", "SystemCall", "Lock", "NoNew"))]
    assert len(locks) > 10
    for key in (*locks, "DynamicUser", "CapabilityBoundingSet", "UMask"):
        assert service[key] == poller[key]
    assert service["MemoryMax"]
    security = pod(name)["securityContext"]
    assert security["runAsNonRoot"]
    (container,) = pod(name)["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"]["memory"]
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod(name)["volumes"]}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_manifest_is_one_and_its_settings_fit(name: str, tmp_path: Path) -> None:
    kubernetes_validate.validate(CRON_JOBS[name], "1.33", strict=True)
    (container,) = pod(name)["containers"]
    texts = dict(CONFIG)
    for variable in container["env"]:
        texts[variable["name"]] = variable.get("value", "from-a-secret")
        if variable["name"].endswith("_FILE"):
            file = tmp_path / variable["name"]
            file.write_text("secret")
            texts[variable["name"]] = str(file)
        if reference := variable.get("valueFrom"):
            assert reference["secretKeyRef"]["name"] == pod(name)["volumes"][0]["secret"]["secretName"]
    assert load(texts).s3.bucket == CONFIG["AWS_S3_BUCKET"]


def test_each_has_a_secret_of_its_own_that_the_readme_makes() -> None:
    secrets = {name: pod(name)["volumes"][0]["secret"]["secretName"] for name in COMMANDS}
    assert len(set(secrets.values())) == len(COMMANDS)
    readme = (KUBERNETES / "README.md").read_text(encoding="utf-8")
    assert all(f"create secret generic {secret} " in readme for secret in secrets.values())


def test_nothing_is_removed_before_a_person_has_said_so() -> None:
    assert CRON_JOBS["retention"]["spec"]["suspend"] is True
    assert not [each for each in CRON_JOBS.values() if "--delete-raw" in str(each)]
    assert not any("--delete-raw" in words(name) for name in COMMANDS)


def test_the_image_is_the_one_of_the_other_manifests() -> None:
    images = [load_yaml(KUBERNETES / place / "kustomization.yaml")["images"] for place in (".", "timers")]
    assert images[0] == images[1]
