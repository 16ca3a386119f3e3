"""Fetched files are taken only as pinned, whatever happens on the way."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from cryptoproxy.engines import artefacts
from cryptoproxy.engines.artefacts import Artefact, Bundle, fetch
from cryptoproxy.errors import OperatorError

CONTENT = {"g:a:jar:1": b"first" * 1000, "g:b:jar:1": b"second" * 1000}


def pinned(coordinate: str) -> Artefact:
    content = CONTENT[coordinate]
    return Artefact(coordinate, f"{coordinate[2]}-1.jar", hashlib.sha256(content).hexdigest(), len(content))


BUNDLE = Bundle("engine", "1", tuple(map(pinned, CONTENT)))


class Source:
    """Hands out what ``answers`` give for a coordinate, one after the other, then the right content."""

    def __init__(self, **answers: list[bytes | Exception]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, coordinate: str, folder: Path) -> Path:
        self.asked.append(coordinate)
        queue = self.answers.get(coordinate[2], [])
        answer = queue.pop(0) if queue else CONTENT[coordinate]
        if isinstance(answer, Exception):
            raise answer
        file = folder / "arrived"
        file.write_bytes(answer)
        return file


def test_files_are_fetched_once(tmp_path: Path) -> None:
    source = Source()
    files = fetch(BUNDLE, tmp_path, download=source)
    assert [file.read_bytes() for file in files] == list(CONTENT.values())
    fetch(BUNDLE, tmp_path, download=source)
    assert sorted(source.asked) == sorted(CONTENT)


def test_a_cut_download_is_tried_once_more(tmp_path: Path) -> None:
    source = Source(a=[CONTENT["g:a:jar:1"][:17]])
    said: list[str] = []
    files = fetch(BUNDLE, tmp_path, download=source, say=said.append)
    assert files[0].read_bytes() == CONTENT["g:a:jar:1"]
    assert any("17 of 5000 bytes" in line for line in said)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"something else", "not what was pinned"),
        (requests.ConnectionError("cut"), "ConnectionError: cut"),
        (RuntimeError("not found"), "not found"),
    ],
)
def test_what_cannot_be_had_as_pinned_is_refused_and_not_kept(
    tmp_path: Path, answer: bytes | Exception, says: str
) -> None:
    with pytest.raises(OperatorError, match=says) as caught:
        fetch(BUNDLE, tmp_path, download=Source(b=[answer, answer]))
    assert "g:b:jar:1" in str(caught.value)
    kept = {file.name for file in (tmp_path / "engine-1").iterdir()}
    assert kept <= {".lock", "a-1.jar"}
    assert fetch(BUNDLE, tmp_path, download=Source())[1].read_bytes() == CONTENT["g:b:jar:1"]


def test_a_network_that_is_away_is_told_once_and_in_few_words(tmp_path: Path) -> None:
    """Not for each of fifty files, and not with what the libraries wrap around the reason."""
    refused = NewConnectionError(object(), "Failed to resolve 'repo.example'")  # type: ignore[arg-type]
    away = requests.ConnectionError(MaxRetryError(None, "/x", refused))  # type: ignore[arg-type]
    said: list[str] = []
    with pytest.raises(OperatorError) as caught:
        fetch(BUNDLE, tmp_path, download=Source(a=[away, away], b=[away, away]), say=said.append)
    (line,) = [line for line in said if "trying once more" in line]
    for told in (line, str(caught.value)):
        assert "ConnectionError: " in told
        assert "Failed to resolve 'repo.example'" in told
        assert not re.search("Max retries|object at", told)


def test_what_has_arrived_is_told_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artefacts, "PROGRESS_S", 0.01)
    half, told = threading.Event(), threading.Event()

    def slow(coordinate: str, folder: Path) -> Path:
        file = folder / "part"
        file.write_bytes(CONTENT[coordinate][:2500])
        half.set()
        assert told.wait(180)
        file.write_bytes(CONTENT[coordinate])
        return file

    def say(line: str) -> None:
        if half.is_set() and " of 0 MB" in line:
            told.set()

    assert fetch(BUNDLE, tmp_path, download=slow, say=say)


def test_a_proxy_that_cannot_be_read_is_refused_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", "http://alice:s3cr3t[@proxy.example")
    source = Source()
    with pytest.raises(OperatorError, match="HTTPS_PROXY") as caught:
        fetch(BUNDLE, tmp_path, download=source)
    assert "s3cr3t" not in str(caught.value)
    assert not source.asked


def test_a_file_changed_in_the_cache_is_refused_and_fetched_anew(tmp_path: Path) -> None:
    first, _ = fetch(BUNDLE, tmp_path, download=Source())
    first.write_bytes(CONTENT["g:a:jar:1"][:-1] + b"X")
    source = Source()
    said: list[str] = []
    fetch(BUNDLE, tmp_path, download=source, say=said.append)
    assert first.read_bytes() == CONTENT["g:a:jar:1"]
    assert source.asked == ["g:a:jar:1"]
    assert any("a-1.jar is not the file that was pinned" in line for line in said)


def test_what_a_killed_fetch_left_is_swept_and_never_taken(tmp_path: Path) -> None:
    left_over = tmp_path / "engine-1" / ".partial-abc" / "a-1.jar"
    left_over.parent.mkdir(parents=True)
    left_over.write_bytes(b"half")
    fetch(BUNDLE, tmp_path, download=Source())
    assert not left_over.parent.exists()


def test_two_at_once_fetch_once(tmp_path: Path) -> None:
    source, both_ask = Source(), threading.Barrier(2)

    def fetch_too() -> list[Path]:
        both_ask.wait(180)
        return fetch(BUNDLE, tmp_path, download=source)

    with ThreadPoolExecutor(2) as pool:
        one, other = [pool.submit(fetch_too) for _ in range(2)]
        assert one.result() == other.result()
    assert sorted(source.asked) == sorted(CONTENT)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "engine-1").write_text("a file where the folder should be")
    with pytest.raises(OperatorError, match=r"engine-1.*XDG_CACHE_HOME"):
        fetch(BUNDLE, tmp_path, download=Source())


@pytest.mark.parametrize("name", ["kafka", "elasticsearch", "s3", "spark"])
def test_each_file_of_the_lock_is_pinned(name: str) -> None:
    files = artefacts.bundle(name).files
    assert files
    assert len({file.file for file in files}) == len(files)
    for file in files:
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.size > 0
        assert len(file.coordinate.split(":")) in {4, 5}
        assert "SNAPSHOT" not in file.coordinate


def test_the_jars_of_kafka_itself_have_kafkas_version() -> None:
    bundle = artefacts.bundle("kafka")
    own = [file.coordinate for file in bundle.files if file.coordinate.startswith("org.apache.kafka:")]
    assert {coordinate.rpartition(":")[2] for coordinate in own} == {bundle.version}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_CACHE_HOME": "/x"}, lambda: Path("/x/cryptoproxy")),
        ({"XDG_CACHE_HOME": "relative"}, lambda: Path.home() / ".cache" / "cryptoproxy"),
        ({}, lambda: Path.home() / ".cache" / "cryptoproxy"),
    ],
)
def test_the_cache_is_the_users_own(environ: dict[str, str], expected: Callable[[], Path]) -> None:
    assert artefacts.user_cache(environ) == expected()
