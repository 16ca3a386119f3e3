"""How a process begins: all mistakes at once and exit code 2, or logging and warnings."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.common.conftest import Program

START = """
    from pathlib import Path
    from cryptoproxy.common.start import start
    settings = start(Path("{file}"))
    print("kafka", *settings.kafka.brokers)
"""
DEFAULT = START.format(file=".env")
Run = Callable[..., Program]


def test_wrong_settings_end_the_process_with_code_2_and_all_mistakes(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SOURCES=coinbase\nES_PASSWORD=open-sesame\n")
    program = run(DEFAULT, KAFKA_TOPIC_RETENTION="week", PYTHON_CONSUMER_SERVER_PORT="x")
    assert program.ended() == 2
    assert program.line() == ""
    assert program.log.splitlines() == [
        "4 setting(s) are wrong:",
        "  KAFKA_TOPIC_RETENTION='week' is not a time span with its unit (s, m, h or d). "
        "Example: KAFKA_TOPIC_RETENTION=7d",
        "  SOURCES='coinbase' knows no coinbase; there are coingecko, binance, bybit-linear, bybit-inverse, bybit-spot"
        ". Example: SOURCES=coingecko,binance",
        "  PYTHON_CONSUMER_SERVER_PORT='x' is not a whole number. Example: PYTHON_CONSUMER_SERVER_PORT=8001",
        "  ES_USER and ES_PASSWORD belong together; set both or neither",
        "docs/settings.md lists all settings.",
    ]


def test_a_settings_file_that_is_named_and_not_there_is_a_mistake(run: Run) -> None:
    program = run(START.format(file="prod.env"))
    assert program.ended() == 2
    assert "the settings file prod.env is not there" in program.log
    assert "Traceback" not in program.log


def test_a_log_file_that_cannot_be_written_is_a_mistake(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    program = run(DEFAULT, LOG_FILE=str(tmp_path / "taken" / "poller.log"))
    assert program.ended() == 2
    assert "LOG_FILE=" in program.log
    assert "Traceback" not in program.log


def test_names_without_effect_are_warned_of_wherever_they_stand(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ES_INDEX_NAME=x\nKAFKA_TOPIC=y\n")
    program = run(DEFAULT, KAFKA_BOOTSTRAP_SERVERS="a:1", AWS_S3_BUKET="x", KAFKA_HEAP_OPTS="-Xmx1g")
    assert program.ended() == 0
    warned = [line.partition("WARNING ")[2] for line in program.log.splitlines()]
    assert warned == [
        "AWS_S3_BUKET is not a setting of this program and has no effect; did you mean AWS_S3_BUCKET?",
        "ES_INDEX_NAME is not a setting of this program and has no effect; here that is `ES_INDEX` (the alias)",
        "KAFKA_BOOTSTRAP_SERVERS is not a setting of this program and has no effect; "
        "here that is `KAFKA_BROKERS_HOST_PORT`",
    ]


def test_a_slip_in_the_settings_file_is_warned_of_by_commands_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SOURCE=binance\ncoingecko_top_n=5\n")
    program = run(
        """
        from pathlib import Path
        from cryptoproxy.common.start import load_settings
        load_settings(Path(".env"))
        load_settings(Path(".env"))
        """
    )
    assert program.ended() == 0
    assert program.log.splitlines() == [
        "warning: SOURCE is not a setting of this program and has no effect; did you mean SOURCES?",
        "warning: coingecko_top_n is not a setting of this program and has no effect; did you mean COINGECKO_TOP_N? "
        "Names are written in capital letters",
    ]


def test_settings_are_found_from_a_folder_below(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KAFKA_BROKERS_HOST_PORT=127.0.0.1:19092\n")
    (tmp_path / "below").mkdir()
    program = run(f"import os; os.chdir('below')\n{textwrap.dedent(DEFAULT)}print(settings.poller.outbox_dir)")
    assert program.line() == "kafka 127.0.0.1:19092"
    assert program.line() == str(tmp_path / ".run/outbox")


@pytest.mark.parametrize("where", ["environment", "file", "default"])
def test_the_engines_are_found_where_their_folder_is_set(run: Run, tmp_path: Path, where: str) -> None:
    folder = tmp_path / (".run/engines" if where == "default" else "elsewhere")
    folder.mkdir(parents=True)
    (folder / "connection.env").write_text("KAFKA_BROKERS_HOST_PORT=127.0.0.1:19092\n")
    if where == "file":
        (tmp_path / ".env").write_text(f"ENGINES_DIR={folder}\n")
    program = run(DEFAULT, **({"ENGINES_DIR": "~/elsewhere"} if where == "environment" else {}))
    assert program.line() == "kafka 127.0.0.1:19092"
    assert "the embedded engines are up" in program.log


def test_secrets_are_masked_in_the_log_also_after_their_file_has_changed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("first-key\n")
    program = run(
        """
        import logging
        from pathlib import Path
        from cryptoproxy.common.start import start
        start()
        log = logging.getLogger("test")
        log.info("one %s and %s", "first-key", "AKIA-access")
        Path("key").write_text("second-key")
        try:
            raise ValueError("told second-key")
        except ValueError:
            log.exception("two first-key second-key")
        Path("key").unlink()
        log.info("three second-key")
        """,
        AWS_S3_ACCESS_KEY="AKIA-access",
        AWS_S3_SECRET_KEY_FILE="key",
    )
    assert program.ended() == 0
    assert "one ******** and ********" in program.log
    assert "two ******** ********" in program.log
    assert "ValueError: told ********" in program.log
    assert "three ********" in program.log
    assert not any(word in program.log for word in ("first-key", "AKIA-access"))


def test_the_password_of_a_proxy_is_masked_whoever_tells_it(run: Run) -> None:
    code = (
        DEFAULT
        + """
    import logging, os
    logging.getLogger("x").info("cannot use %s", os.environ["HTTPS_PROXY"])
    """
    )
    program = run(code, HTTPS_PROXY="http://alice:s3cr3t[pass@proxy.example:3128")
    assert program.ended() == 0
    assert "cannot use http://alice:********@proxy.example:3128" in program.log


def test_a_login_is_masked_as_a_header_has_it(run: Run) -> None:
    code = (
        DEFAULT
        + """
    import base64, logging
    logging.getLogger("x").info("sent Basic %s", base64.b64encode(b"indexer:open-sesame").decode())
    """
    )
    program = run(code, ES_USER="indexer", ES_PASSWORD="open-sesame")
    assert program.ended() == 0
    assert "sent Basic ********" in program.log
