"""One event a line, for people or as JSON; secrets masked wherever they stand; repeated events limited."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cryptoproxy.common.log import Limited, configure
from tests.unit.common.conftest import Program

SECRET = 'open "sesame"\\1\x85'
Set_up = Callable[..., None]
log = logging.getLogger("tests.log")


@pytest.fixture
def set_up() -> Iterator[Set_up]:
    """``configure``, and everything as it was afterwards."""
    root, chatty = logging.getLogger(), logging.getLogger("kafka")
    before = root.handlers[:], root.level, logging.raiseExceptions, chatty.level
    root.handlers[:] = []
    yield configure
    for handler in root.handlers:
        handler.close()
    root.handlers[:], level, logging.raiseExceptions, chatty_level = before
    root.setLevel(level)
    chatty.setLevel(chatty_level)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "poller.log"


def fail(message: str) -> None:
    raise ValueError(message)


def test_a_line_for_people_has_time_level_and_message(set_up: Set_up, capsys: pytest.CaptureFixture[str]) -> None:
    set_up()
    log.warning("%d coins fetched", 50)
    log.debug("not asked for")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING 50 coins fetched\n", capsys.readouterr().err)


def test_a_line_of_json_has_its_fields(set_up: Set_up, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(format="json")
    log.info('ünïcode "quoted"\nsecond line %s', "x")
    try:
        fail("broken")
    except ValueError:
        log.exception("it failed")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert first["message"] == 'ünïcode "quoted"\nsecond line x'
    assert (first["level"], first["logger"]) == ("INFO", "tests.log")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["time"])
    assert "error" not in first
    assert second["message"] == "it failed"
    assert second["error"].endswith("ValueError: broken")


FORGED = "418 I'm\r\n2026-11-27T00:00:00.000Z INFO all is well\x1b[2J\x9b1m\u2028\u202e\x85 end"


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_event_is_a_line_whatever_an_upstream_has_said(
    set_up: Set_up, capsys: pytest.CaptureFixture[str], file: Path, form: str
) -> None:
    set_up(format=form, file=file)
    log.warning("coingecko: %s", FORGED)
    for text in (capsys.readouterr().err, file.read_text()):
        assert len(text.splitlines()) == 1
        assert text[:-1].isprintable()
        if form == "json":
            assert json.loads(text)["message"] == f"coingecko: {FORGED}"


def test_the_lines_of_a_trace_are_indented_whatever_its_error_says(
    set_up: Set_up, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up()
    try:
        fail(FORGED)
    except ValueError:
        log.exception("it failed")
    first, *trace = capsys.readouterr().err.rstrip("\n").split("\n")
    assert first.endswith("ERROR   it failed")
    assert len(trace) > 3
    assert all(line.startswith("    ") and line.isprintable() for line in trace)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_secret_is_masked_in_message_arguments_and_traces(
    set_up: Set_up, capsys: pytest.CaptureFixture[str], file: Path, form: str
) -> None:
    set_up(format=form, file=file, secrets=lambda: [SECRET, "open", ""])
    log.info(f"in the message {SECRET}")
    log.info("in %s, in %r", SECRET, {"key": SECRET})
    try:
        fail(f"in the trace {SECRET}")
    except ValueError as error:
        log.exception("caught")
        log.critical("%s", error, exc_info=True)
    for text in (capsys.readouterr().err, file.read_text()):
        assert "sesame" not in text
        assert text.count("********") >= 5
        assert "Traceback" in text
    if form == "json":
        assert [json.loads(line)["level"] for line in file.read_text().splitlines()] == [
            "INFO",
            "INFO",
            "ERROR",
            "CRITICAL",
        ]


def test_a_secret_is_masked_as_bytes_too(set_up: Set_up, file: Path) -> None:
    """A library shows so what it sends."""
    set_up(file=file, secrets=lambda: ["pässwort"])
    log.info("request %r", "\0user\0pässwort".encode())
    assert "sswort" not in file.read_text()
    assert "********" in file.read_text()


def test_a_message_with_wrong_arguments_does_not_end_its_caller(set_up: Set_up, file: Path) -> None:
    set_up(file=file, secrets=lambda: [SECRET])
    log.info(*("%d and %d", "x"))
    log.info("goes on")
    assert "goes on" in file.read_text()


def test_the_file_is_made_with_its_folder_and_gone_on_with(set_up: Set_up, file: Path) -> None:
    set_up(file=file)
    log.info("first")
    set_up(file=file)
    log.info("second")
    assert [line.split()[-1] for line in file.read_text().splitlines()] == ["first", "second"]


def test_after_a_rotation_a_new_file_is_written(set_up: Set_up, file: Path) -> None:
    set_up(file=file)
    log.info("before")
    file.rename(file.with_suffix(".1"))
    log.info("after")
    assert "after" in file.read_text()
    assert "before" not in file.read_text()


def test_a_folder_that_is_gone_costs_lines_and_nothing_else(set_up: Set_up, file: Path) -> None:
    set_up(file=file)
    log.info("first")
    shutil.rmtree(file.parent)
    log.info("lost")
    log.info("lost as well")
    file.parent.mkdir()
    log.info("back")
    assert file.read_text().endswith("back\n")
    assert "lost" not in file.read_text()


def test_a_full_disk_costs_lines_and_nothing_else(run: Callable[..., Program]) -> None:
    program = run(
        """
        import logging
        from pathlib import Path
        from cryptoproxy.common.log import configure
        configure(file=Path("/dev/full"))
        for number in range(3):
            logging.getLogger("test").info("to both %d", number)
        """
    )
    assert program.ended() == 0
    assert [line[-9:] for line in program.log.splitlines()] == ["to both 0", "to both 1", "to both 2"]


def test_a_name_that_is_not_utf_8_can_be_logged(set_up: Set_up, file: Path) -> None:
    set_up(file=file)
    log.info("path %s", b"a\xff".decode(errors="surrogateescape"))
    assert "path a" in file.read_text()


@pytest.mark.parametrize(("level", "said"), [("INFO", False), ("DEBUG", True)])
def test_libraries_are_quiet_unless_everything_is_asked_for(
    set_up: Set_up, capsys: pytest.CaptureFixture[str], level: str, said: bool
) -> None:
    set_up(level=level)
    logging.getLogger("kafka.net").warning("reconnecting")
    logging.getLogger("kafka.net").info("a step of its own")
    err = capsys.readouterr().err
    assert ("reconnecting" in err) == said
    assert "step" not in err


class TestLimited:
    def test_a_repeated_event_is_said_once_and_then_with_how_often(self, caplog: pytest.LogCaptureFixture) -> None:
        now = [100.0]
        limited = Limited(log, seconds=30, clock=lambda: now[0])
        for _ in range(5):
            limited.warning("full", "the disk is full")
            now[0] += 1
        limited.warning("other", "something else")
        now[0] = 130.0
        limited.warning("full", "the disk is full")
        now[0] = 161.0
        limited.warning("full", "the disk is full")
        assert caplog.messages == [
            "the disk is full",
            "something else",
            "the disk is full (4 more like it since)",
            "the disk is full",
        ]

    def test_a_percent_sign_in_a_message_is_one(self, caplog: pytest.LogCaptureFixture) -> None:
        Limited(log).warning("full", "the outbox is 85 % full, %s")
        assert caplog.messages == ["the outbox is 85 % full, %s"]
