"""Environment over the settings file over the embedded engines over defaults; all mistakes at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import SECTIONS
from cryptoproxy.common.settings.loading import Declared, declared_in, read_layers
from cryptoproxy.errors import SettingsError

CONNECTION = """\
KAFKA_BROKERS_HOST_PORT=127.0.0.1:19092
ES_URL_ENDPOINT=http://127.0.0.1:19200
AWS_S3_ENDPOINT_URL=http://127.0.0.1:19000
AWS_S3_ACCESS_KEY=engine-key
AWS_S3_SECRET_KEY=engine-secret
AWS_S3_BUCKET=crypto-lake
"""
DECLARED = [declared for section in SECTIONS.values() for _, declared in declared_in(section)]


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / "settings.env"


@pytest.fixture
def connection(tmp_path: Path) -> Path:
    file = tmp_path / "connection.env"
    file.write_text(CONNECTION)
    return file


def faults_of(texts: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_texts(texts)
    return caught.value.faults


def test_the_environment_stands_over_the_file_and_the_file_over_defaults(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file.write_text("KAFKA_TOPIC=from-file\nES_INDEX=from-file\n")
    monkeypatch.setenv("KAFKA_TOPIC", "from-environment")
    settings = Settings.load(env_file)
    assert settings.kafka.topic == "from-environment"
    assert settings.elasticsearch.alias == "from-file"
    assert settings.s3.bucket == "crypto-lake"


def test_an_empty_value_means_not_set(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("KAFKA_TOPIC=\nAWS_S3_ENDPOINT_URL=  \nLOG_LEVEL\n")
    monkeypatch.setenv("BINANCE_INTERVAL", " ")
    settings = Settings.load(env_file)
    assert settings.kafka.topic == "crypto-data"
    assert settings.s3.endpoint_url is None
    assert settings.upstreams.binance_interval == 1
    assert settings.service.log_level == "INFO"


def test_blanks_around_a_value_are_dropped() -> None:
    assert Settings.from_texts({"KAFKA_TOPIC": "  x  "}).kafka.topic == "x"


def test_the_file_is_taken_as_it_is_written(env_file: Path) -> None:
    env_file.write_text(
        "\ufeffKAFKA_TOPIC=first\n"  # an editor's byte-order mark
        "# a comment\n"
        "export KAFKA_CONSUMER_GROUP_ID='quoted group'\n"
        'KAFKA_PRODUCER_CLIENT_ID="with ${HOME}"  # not filled in\n',
        encoding="utf-8",
    )
    kafka = Settings.load(env_file).kafka
    assert (kafka.topic, kafka.group_id, kafka.client_id) == ("first", "quoted group", "with ${HOME}")


def test_no_file_is_no_mistake(tmp_path: Path) -> None:
    assert Settings.load(tmp_path / "none", tmp_path / "none") == Settings.load(None)


def test_a_file_that_cannot_be_read_is_said(env_file: Path) -> None:
    env_file.write_bytes(b"KAFKA_TOPIC=\xff\n")
    with pytest.raises(SettingsError, match=r"settings\.env cannot be read"):
        Settings.load(env_file)


def test_all_mistakes_are_reported_at_once_with_value_fault_and_example() -> None:
    faults = faults_of(
        {
            "KAFKA_TOPIC_RETENTION": "seven days",
            "PYTHON_PRODUCER_SERVER_PORT": "99999",
            "SOURCES": "coinbase",
            "ES_USER": "somebody",
            "KAFKA_SASL_PASSWORD": "hidden words",
            "AWS_S3_SECRET_KEY_FILE": "/nowhere/key",
        }
    )
    text = "\n".join(faults)
    assert len(faults) == 7
    assert "KAFKA_TOPIC_RETENTION='seven days' is not a time span" in text
    assert "Example: KAFKA_TOPIC_RETENTION=7d" in text
    assert "PYTHON_PRODUCER_SERVER_PORT='99999' must be between 0 and 65535" in text
    assert "SOURCES='coinbase' knows no coinbase; there are coingecko, binance" in text
    assert "AWS_S3_SECRET_KEY_FILE='/nowhere/key' is not a file" in text
    # contradictions as well, in the same go
    assert "ES_USER and ES_PASSWORD belong together" in text
    assert "KAFKA_SASL_PASSWORD is set, but KAFKA_SECURITY_PROTOCOL=PLAINTEXT does not use it" in text
    assert "AWS_S3_ACCESS_KEY and AWS_S3_SECRET_KEY belong together" in text
    assert "hidden words" not in text


def test_a_setting_that_is_wrong_by_itself_contradicts_nothing_yet() -> None:
    faults = faults_of({"COINGECKO_PLAN": "gratis", "COINGECKO_API_KEY": "x", "KAFKA_TOPIC_MIN_INSYNC": "2"})
    assert [fault.partition("=")[0] for fault in faults[:1]] == ["COINGECKO_PLAN"]
    assert faults[1:] == [
        "KAFKA_TOPIC_MIN_INSYNC is larger than KAFKA_TOPIC_REPLICATION, so nothing could ever be written"
    ]


@pytest.mark.parametrize(
    "declared",
    [each for each in DECLARED if each.kind.label not in ("text", "path", "secret")],
    ids=lambda declared: declared.name,
)
def test_a_mistake_names_the_setting_and_an_example_that_works(declared: Declared) -> None:
    (fault,) = faults_of({declared.name: "~ no value ~"})
    assert fault.startswith(f"{declared.name}='~ no value ~' ")
    example = fault.partition(f"Example: {declared.name}=")[2]
    declared.kind.parse(example)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ES_URL_ENDPOINT", "https://elastic:open-sesame@es.example:9200"),
        ("ES_URL_ENDPOINT", "htp://elastic:open-sesame/x@es.example:9200"),
        ("AWS_S3_ENDPOINT_URL", "https://open-sesame@s3.example"),
        ("ES_URL_ENDPOINT", "http://elastic:open-sesame and more@es.example:9200"),
        ("ES_URL_ENDPOINT", "http://elastic:open-sesame[@es.example:9200"),
        ("ES_URL_ENDPOINT", "http://elastic:12/open-sesame@es.example:9200"),
        ("ES_URL_ENDPOINT", "elastic:12?open-sesame 'x' @es.example:9200"),
        ("KAFKA_BROKERS_HOST_PORT", "user:open-sesame@kafka-1:9092,kafka-2:9092"),
        ("KAFKA_BROKERS_HOST_PORT", "user:open-sesame,x@kafka-1:9092,kafka-2:9092"),
        ("KAFKA_BROKERS_HOST_PORT", "user:open-sesame x@kafka-1:9092,kafka-2:9092"),
    ],
)
def test_a_password_in_the_wrong_place_is_not_printed(name: str, text: str) -> None:
    (fault,) = faults_of({name: text})
    assert name in fault
    assert "open-sesame" not in fault
    assert ".example" in fault or "kafka-2" in fault


def test_a_secret_as_value_and_as_file_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x")
    faults = faults_of({"ES_API_KEY": "open-sesame", "ES_API_KEY_FILE": str(tmp_path / "key")})
    assert faults == ["ES_API_KEY and ES_API_KEY_FILE are both set; keep one of them"]


def test_the_engines_stand_in_for_what_nobody_has_set(env_file: Path, connection: Path) -> None:
    settings = Settings.load(env_file, connection)
    assert settings.kafka.brokers == ("127.0.0.1:19092",)
    assert settings.elasticsearch.url == "http://127.0.0.1:19200"
    assert settings.s3.endpoint_url == "http://127.0.0.1:19000"
    assert settings.s3.secret_key.get() == "engine-secret"


@pytest.mark.parametrize("also", ["", "ES_INDEX=own\n", "AWS_S3_FILENAME_PREFIX=own\n", "KAFKA_TOPIC=own\n"])
def test_a_bucket_s_name_alone_is_a_bucket_of_the_engines(env_file: Path, connection: Path, also: str) -> None:
    """And nothing goes to Amazon, which is where a bucket without an address lies."""
    env_file.write_text(f"AWS_S3_BUCKET=my-lake\n{also}")
    s3 = Settings.load(env_file, connection).s3
    assert (s3.bucket, s3.endpoint_url, s3.access_key.get()) == ("my-lake", "http://127.0.0.1:19000", "engine-key")


@pytest.mark.parametrize(
    "also", ["AWS_S3_REGION=eu-central-1", "KAFKA_BROKERS_HOST_PORT=kafka-1:9092", "ES_URL_ENDPOINT=https://es.example"]
)
def test_a_bucket_beside_engines_or_a_region_of_one_s_own_is_a_real_one(
    env_file: Path, connection: Path, also: str
) -> None:
    env_file.write_text(f"AWS_S3_BUCKET=company-lake\n{also}\n")
    s3 = Settings.load(env_file, connection).s3
    assert (s3.bucket, s3.endpoint_url, bool(s3.access_key)) == ("company-lake", None, False)


@pytest.mark.parametrize(
    ("text", "line"),
    [("A=1\nKAFKA TOPIC=x\n", 2), ("\n\n# note\n\nES_PASSWORD open-sesame\n", 5), ("KAFKA_TOPIC='x\n", 1)],
)
def test_a_broken_line_is_a_mistake_with_its_place_and_without_its_words(env_file: Path, text: str, line: int) -> None:
    env_file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        Settings.load(env_file)
    (fault,) = caught.value.faults
    assert fault.startswith(f"{env_file}, line {line}: this is not NAME=value")
    assert "open-sesame" not in fault


def test_it_can_be_told_what_is_set_and_where(
    env_file: Path, connection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file.write_text("KAFKA_TOPIC=own\n")
    monkeypatch.setenv("ES_URL_ENDPOINT", "http://127.0.0.1:1")
    file, environment, engines = read_layers(env_file, connection)
    assert (file.origin, dict(file.texts)) == (str(env_file), {"KAFKA_TOPIC": "own"})
    assert environment.texts["ES_URL_ENDPOINT"] == "http://127.0.0.1:1"
    assert {name.split("_")[0] for name in engines.texts} == {"KAFKA", "AWS"}


@pytest.mark.parametrize("name", ["AWS_S3_ACCESS_KEY", "AWS_S3_ENDPOINT_URL", "AWS_S3_SECRET_KEY_FILE"])
def test_one_own_name_of_a_group_keeps_the_engines_out_of_all_of_it(
    env_file: Path, connection: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "key").write_text("x")
    own = {
        "AWS_S3_ACCESS_KEY": "own",
        "AWS_S3_ENDPOINT_URL": "https://s3.example",
        "AWS_S3_SECRET_KEY_FILE": str(tmp_path / "key"),
    }
    pair = {"AWS_S3_ACCESS_KEY": "AWS_S3_SECRET_KEY=own\n", "AWS_S3_SECRET_KEY_FILE": "AWS_S3_ACCESS_KEY=own\n"}
    env_file.write_text(f"{name}={own[name]}\n{pair.get(name, '')}")
    settings = Settings.load(env_file, connection)
    assert settings.s3.endpoint_url == ("https://s3.example" if name == "AWS_S3_ENDPOINT_URL" else None)
    assert not settings.s3.access_key or settings.s3.access_key.get() == "own"
    # the other groups are the engines' still
    assert settings.kafka.brokers == ("127.0.0.1:19092",)
    assert settings.elasticsearch.url == "http://127.0.0.1:19200"


def test_the_environment_keeps_the_engines_out_too(
    env_file: Path, connection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BROKERS_HOST_PORT", "kafka-1:9092")
    monkeypatch.setenv("ES_URL_ENDPOINT", "")
    settings = Settings.load(env_file, connection)
    assert settings.kafka.brokers == ("kafka-1:9092",)
    assert settings.elasticsearch.url == "http://127.0.0.1:19200"  # empty is not set


def test_a_setting_that_the_engines_do_not_have_leaves_them_in(env_file: Path, connection: Path) -> None:
    env_file.write_text("KAFKA_TOPIC=own\nES_INDEX=own\nAWS_S3_FILENAME_PREFIX=own\n")
    settings = Settings.load(env_file, connection)
    assert settings.kafka.brokers == ("127.0.0.1:19092",)
    assert settings.elasticsearch.url == "http://127.0.0.1:19200"
    assert settings.s3.endpoint_url == "http://127.0.0.1:19000"
    assert (settings.kafka.topic, settings.elasticsearch.alias, settings.s3.prefix) == ("own", "own", "own")
