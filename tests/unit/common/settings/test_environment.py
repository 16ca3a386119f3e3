"""A name that looks like a setting and is none has no effect, and that is said."""

from __future__ import annotations

import pytest

from cryptoproxy.common.settings.catalogue import SECTIONS
from cryptoproxy.common.settings.environment import CALLED_ELSEWHERE, SPELLINGS, warnings_for
from cryptoproxy.common.settings.loading import declared_in

DECLARED = [declared for section in SECTIONS.values() for _, declared in declared_in(section)]


def test_every_setting_and_every_secret_s_file_is_known() -> None:
    names = {declared.name for declared in DECLARED} | {f"{each.name}_FILE" for each in DECLARED if each.secret}
    assert warnings_for(names) == []


@pytest.mark.parametrize("name", CALLED_ELSEWHERE)
def test_a_name_from_another_setup_is_told_ours(name: str) -> None:
    (line,) = warnings_for([name])
    assert line == f"{name} is not a setting of this program and has no effect; here that is {CALLED_ELSEWHERE[name]}"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("KAFKA_TOPPIC", "did you mean KAFKA_TOPIC?"),
        ("ES_URL_ENDPIONT", "did you mean ES_URL_ENDPOINT?"),
        ("AWS_S3_BUKET", "did you mean AWS_S3_BUCKET?"),
        ("KAFKA_ZZZZZZZZZZ", "docs/settings.md"),
        ("KAFKA_OPT", "did you mean KAFKA_TOPIC?"),  # not another program's KAFKA_OPTS
        ("KAFKA_TOPIC_FILE", "did you mean KAFKA_TOPIC?"),  # only secrets may come from a file
    ],
)
def test_a_slip_is_told_the_nearest_name(name: str, hint: str) -> None:
    (line,) = warnings_for([name])
    assert line.startswith(f"{name} is not a setting")
    assert hint in line


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("SOURCE", "did you mean SOURCES?"),
        ("OUTBOX_DIRR", "did you mean OUTBOX_DIR?"),
        ("LOGLEVEL", "did you mean LOG_LEVEL?"),
        ("LAKE_COMPACT", "did you mean LAKE_COMPACT_AT?"),
        ("BULK_RECORDS", "did you mean BULK_MAX_RECORDS?"),
        ("HEALTH_PORT", "did you mean PYTHON_PRODUCER_SERVER_PORT or PYTHON_CONSUMER_SERVER_PORT?"),
        ("PRODUCER_PORT", "did you mean PYTHON_PRODUCER_SERVER_PORT?"),
        ("coingecko_top_n", "did you mean COINGECKO_TOP_N? Names are written in capital letters"),
        ("Log_Level", "did you mean LOG_LEVEL? Names are written in capital letters"),
        ("source", "did you mean SOURCES?"),
        ("ES_URL", "did you mean ES_URL_ENDPOINT?"),
        ("QQQ", "docs/settings.md lists the settings"),
        ("HTTPS_PROXY", "from the environment only"),
        ("AWS_PROFILE", "from the environment only"),
        ("ES_JAVA_OPTS", "from the environment only"),
        ("CRYPTOPROXY_HOME", "from the environment only"),
    ],
)
def test_each_name_in_the_project_s_own_file_is_meant_for_this_program(name: str, hint: str) -> None:
    (line,) = warnings_for([], of_file=[name, "KAFKA_TOPIC"])
    assert line.startswith(f"{name} is not a setting of this program and has no effect; ")
    assert hint in line


def test_a_slip_in_the_environment_is_told_where_it_can_be_nobody_else_s() -> None:
    assert [line.split()[0] for line in warnings_for(["OUTBOX_DIRR", "coingecko_top_n", "SOURCE", "log_level"])] == [
        "OUTBOX_DIRR",
        "coingecko_top_n",
    ]


def test_a_slip_in_a_name_of_any_room_is_told() -> None:
    """But for a few that begin like other programs' own."""
    slips = [f"{name}S" for name in SPELLINGS if f"{name}S" not in SPELLINGS]
    silent = set(slips) - {line.split()[0] for line in warnings_for(slips)}
    assert {name.partition("_")[0] for name in silent} <= {
        "ALLOW", "HEALTH", "HISTORYS", "HTTP", "LIMITSS", "LOG", "READ", "SOURCESS", "STATISTICS", "WATCHDOG"
    }  # fmt: skip


def test_other_programs_names_are_left_alone() -> None:
    assert warnings_for(["PATH", "AWS_PROFILE", "AWS_REGION", "ES_JAVA_OPTS", "KAFKA_HEAP_OPTS", "HOME"]) == []


def test_what_kubernetes_tells_of_a_service_is_no_slip() -> None:
    links = {
        f"{service}_{what}"
        for service in ("KAFKA", "ES", "KAFKA_UI", "COINGECKO_CACHE")
        for what in (
            "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_CLIENT_TLS", "PORT", "PORT_9092_TCP", "PORT_9092_TCP_ADDR",
            "PORT_9092_TCP_PORT", "PORT_9092_TCP_PROTO", "PORT_53_UDP",
        )
    }  # fmt: skip
    assert warnings_for(links) == []
    (line,) = warnings_for(["ES_PORT", "KAFKA_SERVICE_HOST"])  # without its service, a person's
    assert line.startswith("ES_PORT is not a setting")


def test_lines_come_in_order() -> None:
    assert [line.split()[0] for line in warnings_for({"KAFKA_Z", "ES_Z", "AWS_S3_Z"})] == [
        "AWS_S3_Z",
        "ES_Z",
        "KAFKA_Z",
    ]
