"""Each setting has its name, type, default, help and example, and they fit together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cryptoproxy.common.settings import Secret, Settings
from cryptoproxy.common.settings.catalogue import SECTIONS
from cryptoproxy.common.settings.document import env_example, markdown
from cryptoproxy.common.settings.environment import CALLED_ELSEWHERE
from cryptoproxy.common.settings.loading import Declared, declared_in, shown
from cryptoproxy.errors import SettingsError

DECLARED = [declared for section in SECTIONS.values() for _, declared in declared_in(section)]
each_setting = pytest.mark.parametrize("declared", DECLARED, ids=lambda declared: declared.name)


def shown_of(settings: Settings) -> dict[str, str]:
    return {
        declared.name: shown(declared, getattr(getattr(settings, name), attribute))
        for name, section in SECTIONS.items()
        for attribute, declared in declared_in(section)
    }


def test_a_name_is_used_once() -> None:
    names = [declared.name for declared in DECLARED]
    assert len(names) == len(set(names))
    assert not set(names) & set(CALLED_ELSEWHERE)


@each_setting
def test_a_setting_says_what_it_is(declared: Declared) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", declared.name)
    assert declared.kind.label
    assert declared.help.endswith(".")
    assert declared.example
    assert declared.secret == (declared.kind.label == "secret")


@each_setting
def test_defaults_and_examples_are_taken_and_shown_as_one_would_write_them(declared: Declared) -> None:
    for text in filter(None, (declared.default, declared.example)):
        value = declared.kind.parse(text)
        assert declared.kind.parse(shown(declared, value)) == value
    if not declared.secret and declared.default:
        assert shown(declared, declared.kind.parse(declared.default)) == declared.default


@each_setting
def test_the_pages_tell_of_every_setting(declared: Declared) -> None:
    assert f"| `{declared.name}`" in markdown()
    assert declared.help in markdown()
    assert f"\n#{declared.name}=" in env_example()


def test_without_anything_set_every_default_is_in_force(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path / ".env")
    assert shown_of(settings) == {declared.name: declared.default for declared in DECLARED}


def test_what_check_shows_can_be_written_into_a_settings_file(tmp_path: Path) -> None:
    texts = {
        "KAFKA_TOPIC_RETENTION": "168h",
        "OUTBOX_MAX_SIZE": "2048 MiB",
        "HTTP_TIMEOUT": "2.50",
        "ALLOW_PLAINTEXT_PASSWORDS": "no",
        "SOURCES": "coingecko, binance",
        "KAFKA_BROKERS_HOST_PORT": "a:1, b:2",
        "OUTBOX_DIR": "/tmp/x",
    }
    settings = Settings.from_texts(texts)
    found = shown_of(settings)
    assert {name: found[name] for name in texts} == {
        "KAFKA_TOPIC_RETENTION": "7d",
        "OUTBOX_MAX_SIZE": "2GiB",
        "HTTP_TIMEOUT": "2.5",
        "ALLOW_PLAINTEXT_PASSWORDS": "false",
        "SOURCES": "coingecko,binance",
        "KAFKA_BROKERS_HOST_PORT": "a:1,b:2",
        "OUTBOX_DIR": "/tmp/x",
    }
    (tmp_path / "again.env").write_text("".join(f"{name}={text}\n" for name, text in found.items()))
    assert Settings.load(tmp_path / "again.env") == settings


def test_a_secret_is_shown_masked_and_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("open sesame")
    settings = Settings.from_texts(
        {"AWS_S3_ACCESS_KEY": "AKIA1234", "AWS_S3_SECRET_KEY_FILE": str(tmp_path / "key"), "ES_PASSWORD": ""}
    )
    found = shown_of(settings)
    assert found["AWS_S3_ACCESS_KEY"] == "********"
    assert found["AWS_S3_SECRET_KEY"] == f"******** (from {tmp_path / 'key'})"
    assert found["ES_PASSWORD"] == ""
    assert "sesame" not in repr(settings)
    assert "AKIA1234" not in repr(settings)


def test_every_secret_may_come_from_a_file(tmp_path: Path) -> None:
    names = [declared.name for declared in DECLARED if declared.secret]
    assert {"KAFKA_SASL_PASSWORD", "ES_PASSWORD", "ES_API_KEY", "AWS_S3_SECRET_KEY", "COINGECKO_API_KEY"} <= set(names)
    file = tmp_path / "secret"
    file.write_text("from a file")
    for name in names:
        assert f"`{name}` or `{name}_FILE`" in markdown()
        section, attribute = next(
            (section, attribute)
            for section, type_ in SECTIONS.items()
            for attribute, declared in declared_in(type_)
            if declared.name == name
        )
        extra = {
            "AWS_S3_ACCESS_KEY": {"AWS_S3_SECRET_KEY": "x"},
            "AWS_S3_SECRET_KEY": {"AWS_S3_ACCESS_KEY": "x"},
            "ES_PASSWORD": {"ES_USER": "x"},
            "COINGECKO_API_KEY": {"COINGECKO_PLAN": "pro"},
            "KAFKA_SASL_PASSWORD": {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_USERNAME": "x"},
        }.get(name, {})
        settings = Settings.from_texts({f"{name}_FILE": str(file), **extra})
        value = getattr(getattr(settings, section), attribute)
        assert isinstance(value, Secret)
        assert value.get() == "from a file"


def test_topics_are_named_after_the_topic() -> None:
    kafka = Settings.from_texts({"KAFKA_TOPIC": "prices"}).kafka
    assert (kafka.dead_letter_topic, kafka.lease_topic, kafka.state_topic) == (
        "prices.dlq",
        "prices.lease",
        "prices.state",
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(
            ("AWS_S3_FILENAME_PREFIX", text)
            for text in ("..", ".", "a/..", "../a", "a/../b", "a/./b", "/a", "a/", "a//b")
        ),
        ("AWS_S3_BUCKET", "a..b"),
        *(("KAFKA_GROUP_INSTANCE_ID", text) for text in ("a b", "ä", "x" * 201)),
    ],
)
def test_a_name_that_would_lead_elsewhere_is_refused(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_texts({name: text})


@pytest.mark.parametrize("prefix", ["crypto", "team-a/crypto", "a..b", "a/.b", "..."])
def test_dots_within_a_part_of_the_prefix_lead_nowhere(prefix: str) -> None:
    assert Settings.from_texts({"AWS_S3_FILENAME_PREFIX": prefix}).s3.prefix == prefix
