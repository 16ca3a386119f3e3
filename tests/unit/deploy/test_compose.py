"""The compose file against the compose specification, the settings, the command line and the engines' versions."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest

from cryptoproxy.common.settings import Settings
from cryptoproxy.engines import artefacts
from cryptoproxy.watch.rulebook.reading import read
from tests.unit.deploy.reading import COMPOSE, DECLARED, NAMES, ROOT, interpolated, load, load_yaml, parse_command
from tests.unit.deploy.reading import variables as variables_in

TEXT = COMPOSE.read_text(encoding="utf-8")
RAW: dict[str, Any] = load_yaml(COMPOSE)
GIVEN = {name: f"{name.lower()}-0123456789abcdef" for name in variables_in(TEXT)}
SERVICES: dict[str, dict[str, Any]] = interpolated(RAW["services"], GIVEN)
OURS = {name: each for name, each in SERVICES.items() if each["image"].startswith("cryptoproxy:")}
ONE_SHOTS = {"users", "setup", "dashboards", "tools"}
STAYING = set(SERVICES) - ONE_SHOTS
RUNNING = {name: each for name, each in OURS.items() if "command" in each}


def settings_of(name: str) -> Settings:
    return load(OURS[name]["environment"])


def published(service: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Host address, host port, container port."""
    return [(address, host, inside) for address, host, inside in (port.split(":") for port in service.get("ports", []))]


def test_it_is_a_compose_file() -> None:
    vendored = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(vendored.read_text(encoding="utf-8"))
    jsonschema.validators.validator_for(schema)(schema).validate(RAW)


@pytest.mark.parametrize("name", sorted(OURS))
def test_settings_are_known_fit_together_and_need_no_others(name: str) -> None:
    settings = settings_of(name)
    assert settings.kafka.brokers == ("kafka:19092",)
    assert settings.service.allow_plaintext_passwords


@pytest.mark.parametrize("name", sorted(RUNNING))
def test_commands_are_those_of_the_command_line(name: str) -> None:
    assert parse_command(RUNNING[name]["command"])


def test_what_each_service_runs() -> None:
    assert {name: parse_command(each["command"]) for name, each in RUNNING.items()} == {
        "setup": "setup",
        "dashboards": "kibana install",
        "poller": "produce",
        "indexer": "consume",
        "serve": "serve",
        "watch": "watch",
        "models": "models predict",
        "brokers": "brokers",
    }


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_nothing_is_published_beyond_this_machine(name: str) -> None:
    assert all(address == "127.0.0.1" for address, _, _ in published(SERVICES[name]))
    assert SERVICES[name].get("network_mode") is None


def test_no_port_is_published_twice() -> None:
    ports = [host for each in SERVICES.values() for _, host, _ in published(each)]
    assert len(ports) == len(set(ports))


@pytest.mark.parametrize(
    ("name", "port"),
    [
        ("poller", "8000"),
        ("indexer", "8001"),
        ("serve", "8002"),
        ("watch", "8003"),
        ("models", "8004"),
        ("brokers", "8005"),
    ],
)
def test_health_ports_are_the_settings_and_open_to_probes_of_the_network(name: str, port: str) -> None:
    settings = settings_of(name)
    own = {
        "poller": settings.poller.port,
        "indexer": settings.indexer.port,
        "serve": settings.serve.health_port,
        "watch": settings.watch.port,
        "models": settings.models.port,
        "brokers": settings.brokers.port,
    }[name]
    assert ("127.0.0.1", port, str(own)) in published(OURS[name])
    assert len(published(OURS[name])) == (2 if name == "serve" else 1)
    assert settings.service.host == "0.0.0.0"


def test_the_door_listens_where_it_is_published_and_asks_the_poller_where_that_is_asked() -> None:
    serve, poller = settings_of("serve"), settings_of("poller")
    assert ("127.0.0.1", "8080", str(serve.serve.port)) in published(OURS["serve"])
    assert serve.serve.host == "0.0.0.0"
    address = urlsplit(str(poller.asking.url))
    assert (address.hostname, address.port) == ("poller", poller.asking.port)
    assert poller.asking.host == "0.0.0.0"
    assert OURS["serve"]["environment"]["ASK_TOKEN"] == OURS["poller"]["environment"]["ASK_TOKEN"]
    assert f"door:{serve.asking.folder.parent}" in OURS["serve"]["volumes"]


def test_the_rules_of_watch_are_rules() -> None:
    (mount,) = OURS["watch"]["volumes"]
    source, inside, mode = mount.split(":")
    assert (str(settings_of("watch").watch.rules), mode) == (inside, "ro")
    assert set(read(COMPOSE.parent / source).rules) == {"no-news", "btc-moves"}


def test_addresses_are_those_of_the_services() -> None:
    for name in OURS:
        environment = OURS[name]["environment"]
        for variable in ("ES_URL_ENDPOINT", "AWS_S3_ENDPOINT_URL"):
            if variable in environment:
                assert urlsplit(environment[variable]).hostname in SERVICES
    kafka = SERVICES["kafka"]["environment"]
    advertised = dict(part.split("://") for part in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    listening = dict(part.split("://") for part in kafka["KAFKA_LISTENERS"].split(","))
    assert advertised == {"INSIDE": "kafka:19092", "HOST": "localhost:9092"}
    assert set(listening) == {*advertised, kafka["KAFKA_CONTROLLER_LISTENER_NAMES"]}
    for name, address in advertised.items():
        assert listening[name] == f"0.0.0.0:{address.rsplit(':', 1)[1]}"
    assert urlsplit(SERVICES["s3"]["environment"]["S3PROXY_ENDPOINT"]).port == 9000
    assert urlsplit(OURS["poller"]["environment"]["AWS_S3_ENDPOINT_URL"]).port == 9000
    assert urlsplit(OURS["indexer"]["environment"]["ES_URL_ENDPOINT"]).port == 9200


def test_both_sides_of_each_login_have_the_same_secret() -> None:
    assert OURS["setup"]["environment"]["ES_PASSWORD"] == SERVICES["elasticsearch"]["environment"]["ELASTIC_PASSWORD"]
    users = SERVICES["users"]["environment"]
    assert OURS["indexer"]["environment"]["ES_PASSWORD"] == users["INDEXER_PASSWORD"]
    for reader in ("serve", "watch"):
        assert OURS[reader]["environment"]["ES_PASSWORD"] == users["DOOR_PASSWORD"]
    assert SERVICES["kibana"]["environment"]["ELASTICSEARCH_PASSWORD"] == users["KIBANA_PASSWORD"]
    s3 = SERVICES["s3"]["environment"]
    for name in ("setup", "poller", "serve", "watch", "models", "tools"):
        environment = OURS[name]["environment"]
        assert environment["AWS_S3_ACCESS_KEY"] == s3["S3PROXY_IDENTITY"]
        assert environment["AWS_S3_SECRET_KEY"] == s3["S3PROXY_CREDENTIAL"]


def test_the_processes_have_the_least_rights() -> None:
    assert OURS["indexer"]["environment"]["ES_USER"] == "cryptoproxy-indexer"
    assert "AWS_S3_SECRET_KEY" not in OURS["indexer"]["environment"]
    for reader in ("serve", "watch"):  # watch reads prices, for pictures
        assert OURS[reader]["environment"]["ES_USER"] == "cryptoproxy-door"
    assert "ES_PASSWORD" not in OURS["poller"]["environment"]


def test_tools_have_a_user_of_their_own_and_leave_what_they_write_on_the_host() -> None:
    tools = OURS["tools"]
    users = SERVICES["users"]["environment"]
    assert tools["environment"]["ES_USER"] == "cryptoproxy-tools"
    assert tools["environment"]["ES_PASSWORD"] == users["TOOLS_PASSWORD"]
    assert f"./out:{tools['working_dir']}" in tools["volumes"]
    assert {name for name, each in OURS.items() if each["environment"].get("ES_USER") == "elastic"} == {
        "setup",
        "dashboards",
    }


def test_one_service_builds_the_image_that_all_of_ours_run() -> None:
    """Several builds of one tag at once fail: "image already exists"."""
    assert len({each["image"] for each in OURS.values()}) == 1
    assert [name for name, each in OURS.items() if "build" in each] == ["setup"]
    assert {each["pull_policy"] for each in OURS.values()} == {"never"}
    for name, service in SERVICES.items():
        assert "build" not in service or name in {"setup", "s3"}


def test_no_password_has_a_default() -> None:
    secret = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|IDENTITY|CREDENTIAL|ENCRYPTIONKEY|KIBANA_KEY")
    for service in RAW["services"].values():
        for name, value in service.get("environment", {}).items():
            if secret.search(name) and name != "ALLOW_PLAINTEXT_PASSWORDS":
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), f"{name}={value}"
    assert set(variables_in(TEXT).values()) == {"?"}


def test_what_stays_up_is_watched_and_starts_again() -> None:
    for name in STAYING:
        assert SERVICES[name]["restart"] == "unless-stopped", name
        if name not in RUNNING:  # the image's own check
            assert SERVICES[name]["healthcheck"]["test"], name


def test_what_ends_is_not_started_again_and_has_no_check() -> None:
    for name in ONE_SHOTS:
        assert "restart" not in SERVICES[name]
        assert SERVICES[name].get("healthcheck", {"disable": True}) == {"disable": True}


def test_each_waits_for_what_it_needs() -> None:
    waits = {
        (name, other): condition["condition"]
        for name, each in SERVICES.items()
        for other, condition in each.get("depends_on", {}).items()
    }
    for (_, other), condition in waits.items():
        assert condition == ("service_completed_successfully" if other in ONE_SHOTS else "service_healthy")
    assert {other for name, other in waits if name == "setup"} == {"kafka", "elasticsearch", "s3"}
    assert {other for name, other in waits if name == "indexer"} == {"setup", "users"}
    assert {other for name, other in waits if name in ("poller", "watch", "models")} == {"setup"}
    assert {other for name, other in waits if name == "serve"} == {"setup", "users"}
    assert {other for name, other in waits if name == "dashboards"} == {"kibana", "setup"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_memory_and_logs_are_bounded_and_no_right_is_gained(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["logging"]["options"]["max-size"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")


def test_heaps_fit_into_their_limits() -> None:
    for name, variable in (
        ("kafka", "KAFKA_HEAP_OPTS"),
        ("elasticsearch", "ES_JAVA_OPTS"),
        ("s3", "S3PROXY_JAVA_OPTS"),
    ):
        heap = mebibytes(re.search(r"-Xmx(\d+[mg])", SERVICES[name]["environment"][variable])[1])  # type: ignore[index]
        assert heap <= mebibytes(SERVICES[name]["mem_limit"]) / 2


def mebibytes(text: str) -> int:
    return int(text[:-1]) * (1024 if text[-1] == "g" else 1)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_pinned(name: str) -> None:
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert re.search(r"\d+\.\d+\.\d+$", tag), SERVICES[name]["image"]


def test_engines_have_the_versions_that_the_tests_run_on() -> None:
    tested = {name: artefacts.bundle(name).version for name in ("kafka", "elasticsearch", "s3")}
    tags = {name: each["image"].rpartition(":")[2] for name, each in SERVICES.items()}
    assert tags["kafka"] == tested["kafka"]
    assert tags["elasticsearch"] == tags["users"] == tags["kibana"] == tested["elasticsearch"]
    assert tags["s3"].rpartition(".")[0] == tested["s3"].rpartition(".")[0]
    assert f"s3proxy:s3proxy-{tags['s3']}\n" in SERVICES["s3"]["build"]["dockerfile_inline"]


def test_data_lies_in_named_volumes_and_the_rest_is_there_to_mount() -> None:
    named = set()
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("./"):
                assert (COMPOSE.parent / source).exists()
            else:
                named.add(source)
    assert named == set(RAW["volumes"])


def test_the_outbox_is_on_a_volume() -> None:
    outbox = str(settings_of("poller").poller.outbox_dir)
    assert f"outbox:{outbox}" in OURS["poller"]["volumes"]


def test_other_settings_come_from_a_file_that_may_be_missing() -> None:
    for service in OURS.values():
        assert service["env_file"] == [{"path": "settings.env", "required": False}]
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {".env", "docker/settings.env"} <= set(ignored)


def test_names_of_kafka_s_own_settings_are_none_of_ours() -> None:
    """They never come to our processes: what the broker's container is told is not read as a setting by mistake."""
    assert not set(SERVICES["kafka"]["environment"]) & NAMES
    assert DECLARED
