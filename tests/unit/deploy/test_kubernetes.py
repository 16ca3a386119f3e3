"""The manifests against Kubernetes' schemas, the settings and the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from cryptoproxy.common.settings import Settings
from cryptoproxy.errors import SettingsError
from cryptoproxy.producer.lease import lease
from tests.unit.deploy.reading import KUBERNETES, NAMES, ROOT, load, load_yaml, parse_command

KUSTOMIZATION = load_yaml(KUBERNETES / "kustomization.yaml")
MANIFESTS: list[dict[str, Any]] = [
    manifest
    for name in KUSTOMIZATION["resources"]
    for manifest in yaml.safe_load_all((KUBERNETES / name).read_text(encoding="utf-8"))
]
NAMED = {f"{each['kind']} {each['metadata']['name']}": each for each in MANIFESTS}
WORKLOADS = {name: each for name, each in NAMED.items() if each["kind"] in {"Deployment", "StatefulSet", "Job"}}
STAYING = {name: each for name, each in WORKLOADS.items() if each["kind"] != "Job"}
CONFIG: dict[str, str] = NAMED["ConfigMap cryptoproxy"]["data"]


def pod(name: str) -> dict[str, Any]:
    found: dict[str, Any] = WORKLOADS[name]["spec"]["template"]["spec"]
    return found


def container(name: str) -> dict[str, Any]:
    (found,) = pod(name)["containers"]
    return found  # type: ignore[no-any-return]


def environment(name: str, secrets: Path) -> dict[str, str]:
    """What the process is given, with files where the Secret would be mounted."""
    assert container(name)["envFrom"] == [{"configMapRef": {"name": "cryptoproxy"}}]
    texts = dict(CONFIG)
    (mount,) = [each for each in container(name)["volumeMounts"] if each["name"] == "secrets"]
    for variable in container(name)["env"]:
        value = variable.get("value", "from-a-secret")
        if variable["name"].endswith("_FILE"):
            assert Path(value).parent == Path(mount["mountPath"])
            file = secrets / Path(value).name
            file.write_text("secret")
            value = str(file)
        texts[variable["name"]] = value
    return texts


@pytest.mark.parametrize("name", sorted(NAMED))
def test_manifests_are_what_kubernetes_takes(name: str) -> None:
    kubernetes_validate.validate(NAMED[name], "1.33", strict=True)


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_settings_are_known_and_fit_together(name: str, tmp_path: Path) -> None:
    assert load(environment(name, tmp_path)).service.host == "0.0.0.0"


def test_no_secret_is_in_the_config() -> None:
    assert set(CONFIG) <= NAMES
    assert not [name for name in CONFIG if "PASSWORD" in name or "KEY" in name]
    assert not [each for each in MANIFESTS if each["kind"] == "Secret"]


def test_each_workload_has_a_secret_of_its_own() -> None:
    used = {name: pod(name)["volumes"][0]["secret"]["secretName"] for name in WORKLOADS}
    assert len(set(used.values())) == len(used)
    for name, secret in used.items():
        for variable in container(name)["env"]:
            if reference := variable.get("valueFrom"):
                assert reference["secretKeyRef"]["name"] == secret


def test_commands_are_those_of_the_command_line() -> None:
    assert {name: parse_command(container(name)["args"]) for name in WORKLOADS} == {
        "Job cryptoproxy-setup": "setup",
        "StatefulSet cryptoproxy-poller": "produce",
        "Deployment cryptoproxy-indexer": "consume",
    }


@pytest.mark.parametrize("name", sorted(STAYING))
def test_probes_and_prometheus_ask_the_port_that_is_set(name: str, tmp_path: Path) -> None:
    settings = load(environment(name, tmp_path))
    port = settings.poller.port if "poller" in name else settings.indexer.port
    (opened,) = container(name)["ports"]
    assert opened == {"name": "health", "containerPort": port}
    paths = [container(name)[probe]["httpGet"] for probe in ("livenessProbe", "readinessProbe")]
    assert [each["port"] for each in paths] == ["health", "health"]
    assert paths[0]["path"] == "/livez"
    assert paths[1]["path"].partition("?")[0] == "/readyz"
    annotations = STAYING[name]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port)
    service = NAMED[f"Service {name.split()[1]}"]["spec"]
    assert service["ports"] == [{"name": "health", "port": port, "targetPort": "health"}]


def test_the_process_ends_by_its_own_watchdog_before_kubernetes_kills_it(tmp_path: Path) -> None:
    for name in STAYING:
        probe = container(name)["livenessProbe"]
        watchdog = load(environment(name, tmp_path)).service.watchdog
        assert probe["periodSeconds"] * probe["failureThreshold"] > watchdog
        assert pod(name)["terminationGracePeriodSeconds"] > 10


def test_a_poller_that_stands_by_holds_no_roll_out_up() -> None:
    path = container("StatefulSet cryptoproxy-poller")["readinessProbe"]["httpGet"]["path"]
    assert path == f"/readyz?exclude={lease.PART}"
    spec = STAYING["StatefulSet cryptoproxy-poller"]["spec"]
    assert (spec["replicas"], spec["podManagementPolicy"]) == (2, "Parallel")


def test_each_poller_has_an_outbox_of_its_own_that_stays(tmp_path: Path) -> None:
    name = "StatefulSet cryptoproxy-poller"
    spec, settings = STAYING[name]["spec"], load(environment(name, tmp_path)).poller
    (claim,) = spec["volumeClaimTemplates"]
    (mount,) = [each for each in container(name)["volumeMounts"] if each["name"] == claim["metadata"]["name"]]
    assert mount["mountPath"] == str(settings.outbox_dir)
    assert settings.outbox_max_size < int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) * 2**30
    assert set(spec["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}


def test_indexers_are_no_more_than_partitions(tmp_path: Path) -> None:
    name = "Deployment cryptoproxy-indexer"
    assert STAYING[name]["spec"]["replicas"] <= load(environment(name, tmp_path)).kafka.partitions


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_pods_meet_the_restricted_standard(name: str) -> None:
    security = pod(name)["securityContext"]
    assert security["runAsNonRoot"]
    assert security["runAsUser"] == security["fsGroup"] == 10001  # the image's user
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container(name)["resources"]["limits"]["memory"]
    assert pod(name)["enableServiceLinks"] is False
    assert pod(name)["automountServiceAccountToken"] is False
    mounted = {each["name"] for each in container(name)["volumeMounts"]}
    claimed = {each["metadata"]["name"] for each in WORKLOADS[name]["spec"].get("volumeClaimTemplates", [])}
    assert mounted == {each["name"] for each in pod(name)["volumes"]} | claimed


@pytest.mark.parametrize("name", sorted(STAYING))
def test_selectors_match_the_pods(name: str) -> None:
    labels = STAYING[name]["spec"]["template"]["metadata"]["labels"]
    plain = name.split()[1]
    assert STAYING[name]["spec"]["selector"]["matchLabels"] == labels
    assert NAMED[f"Service {plain}"]["spec"]["selector"] == labels
    assert NAMED[f"PodDisruptionBudget {plain}"]["spec"]["selector"]["matchLabels"] == labels
    (spread,) = pod(name)["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == labels


def test_the_image_is_the_one_that_kustomize_pins() -> None:
    assert {container(name)["image"] for name in WORKLOADS} == {"cryptoproxy"}
    (image,) = KUSTOMIZATION["images"]
    assert image == {"name": "cryptoproxy", "newTag": "0.1.0"}


def test_the_config_alone_would_not_start_a_process() -> None:
    """It is not by chance that the settings fit: without the secrets they do not."""
    with pytest.raises(SettingsError, match="KAFKA_SASL_PASSWORD"):
        Settings.from_texts(CONFIG)


def test_pods_are_scraped_under_the_jobs_that_the_alarms_look_for() -> None:
    """The configuration is worked through as Prometheus does: labels of a pod in, labels of a target out."""
    (scrape,) = load_yaml(KUBERNETES / "prometheus.yml")["scrape_configs"]
    assert scrape["kubernetes_sd_configs"] == [{"role": "pod", "namespaces": {"names": ["cryptoproxy"]}}]
    targets = set()
    for name, workload in WORKLOADS.items():
        template = workload["spec"]["template"].get("metadata", {})
        labels = {"__meta_kubernetes_pod_ip": "10.1.2.3", "__meta_kubernetes_pod_name": name}
        for kind in ("annotation", "label"):
            for key, value in template.get(f"{kind}s", {}).items():
                labels[f"__meta_kubernetes_pod_{kind}_{re.sub(r'[^a-zA-Z0-9_]', '_', key)}"] = value
        kept = True
        for rule in scrape["relabel_configs"]:
            value = rule.get("separator", ";").join(labels.get(each, "") for each in rule["source_labels"])
            if rule.get("action") == "keep":
                kept = kept and bool(re.fullmatch(rule["regex"], value))
            else:
                labels[rule["target_label"]] = value
        if kept:
            targets.add((labels["job"], labels["__address__"], labels["__metrics_path__"]))
    assert targets == {
        ("cryptoproxy-poller", "10.1.2.3:8000", "/metrics"),
        ("cryptoproxy-indexer", "10.1.2.3:8001", "/metrics"),
    }
    rules = (ROOT / "docker" / "prometheus" / "rules.yml").read_text(encoding="utf-8")
    assert set(re.findall(r'job="([^"]+)"', rules)) == {job for job, _, _ in targets}
