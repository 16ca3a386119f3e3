"""The door over HTTP, and its client: found by the state topic, the later epoch counts, tokens, odd requests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests
import trustme

from cryptoproxy.common.asking import (
    NoBudgetError,
    NoPollerError,
    NotAllowedError,
    Question,
    Replied,
    UpstreamFailedError,
)
from cryptoproxy.common.asking.client import DoorClient
from cryptoproxy.common.asking.words import Where
from cryptoproxy.common.service import Loop
from cryptoproxy.common.settings import Settings
from cryptoproxy.errors import SettingsError
from cryptoproxy.producer.asking.door import Door

QUESTION = Question.of("binance", "api/v3/klines", {"symbol": "BTCUSDT", "interval": "1m"})
ANSWER = Replied(200, {"content-type": "application/json", "link": "caf\xe9"}, b"[1]", 1_795_262_400_000)


class Opened:
    def __init__(self, ask: Callable[..., Replied], *, epoch: int = 1, **texts: str) -> None:
        self.settings = Settings.from_texts(texts)
        self.stop = threading.Event()
        self.door = Door(self.settings.asking, ask, epoch=lambda: epoch)
        self.thread = threading.Thread(target=self.door.run, args=(Loop("door", self.stop),), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.stop.set()
        self.thread.join(30)


Open = Callable[..., Opened]


@pytest.fixture
def opened() -> Iterator[Open]:
    every: list[Opened] = []

    def made(ask: Callable[..., Replied], **more: Any) -> Opened:
        every.append(Opened(ask, **more))
        return every[-1]

    yield made
    for each in every:
        each.close()


class Told(DoorClient):
    """Knows the words of a state topic that is a list."""

    def __init__(self, *words: bytes, **texts: str) -> None:
        settings = Settings.from_texts(texts)
        super().__init__(settings.kafka, settings.asking, monotonic=count(step=1.5).__next__)
        self.words = list(words)

    def _look(self) -> None:
        for word in self.words:
            self._enter(word)


def answers(*replies: Replied | Exception) -> Callable[..., Replied]:
    left = list(replies)

    def ask(question: Question, *, priority: str, seconds: float) -> Replied:
        reply = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    return ask


def test_a_question_and_its_answer_arrive_as_they_were(opened: Open) -> None:
    asked: list[Any] = []

    def ask(question: Question, *, priority: str, seconds: float) -> Replied:
        asked.append((question, priority))
        return ANSWER

    client = Told(opened(ask).door.word())
    odd = Question.of("coingecko", "coins/ü %2F?x", {"a": "1&b=2", "ids": "ünï,%", "x_cg_demo_api_key": "secret"})
    assert client.ask(odd, priority="history", seconds=5) == ANSWER
    ((question, priority),) = asked
    assert question == odd == Question.from_key(odd.key)
    assert priority == "history"
    assert "secret" not in odd.key


@pytest.mark.parametrize(
    "error",
    [
        NoBudgetError("none left", retry_after=42.0),
        UpstreamFailedError("binance answered 503"),
        NotAllowedError("binance is not asked for this"),
        NoPollerError("this is not the active poller"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_refusals_arrive_as_what_they_are(opened: Open, error: Exception) -> None:
    client = Told(opened(answers(error)).door.word())
    with pytest.raises(type(error), match=str(error)) as told:
        client.ask(QUESTION)
    assert told.value.retry_after == error.retry_after  # type: ignore[attr-defined]


def test_the_word_of_the_later_epoch_counts_whenever_it_was_said(opened: Open) -> None:
    old, new = opened(answers(NoPollerError("old")), epoch=3), opened(answers(ANSWER), epoch=4)
    for words in ((new, old), (old, new)):
        assert Told(*(each.door.word() for each in words)).ask(QUESTION) == ANSWER


def test_after_a_handover_the_successor_is_asked(opened: Open) -> None:
    old, new = opened(answers(ANSWER, NoPollerError("it stops")), epoch=1), opened(answers(ANSWER), epoch=2)
    client = Told(old.door.word())
    assert client.ask(QUESTION) == ANSWER
    with pytest.raises(NoPollerError):
        client.ask(QUESTION)
    client.words.append(new.door.word())
    assert client.ask(QUESTION) == ANSWER


def test_terms_that_begin_anew_with_a_new_cluster_are_followed(opened: Open) -> None:
    gone, new = opened(answers(ANSWER, NoPollerError("it is gone")), epoch=57), opened(answers(ANSWER), epoch=1)
    client = Told(gone.door.word())
    assert client.ask(QUESTION) == ANSWER
    client.words = [new.door.word()]
    assert client.ask(QUESTION) == ANSWER


def test_without_a_word_nobody_is_active() -> None:
    with pytest.raises(NoPollerError):
        Told().ask(QUESTION)
    with pytest.raises(NoPollerError):
        Told(b"of another version").ask(QUESTION)


def test_a_token_is_asked_for_and_never_told(opened: Open) -> None:
    there = opened(answers(ANSWER), ASK_TOKEN="right-token")
    assert b"right-token" not in there.door.word()
    assert Told(there.door.word(), ASK_TOKEN="right-token").ask(QUESTION) == ANSWER
    for wrong in ({"ASK_TOKEN": "wrong"}, {}):
        with pytest.raises(NotAllowedError, match="ASK_TOKEN"):
            Told(there.door.word(), **wrong).ask(QUESTION)


def test_over_tls_it_is_known_by_its_certificate(opened: Open, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    there = opened(answers(ANSWER), ASK_CERTFILE=str(tmp_path / "cert.pem"), ASK_KEYFILE=str(tmp_path / "key.pem"))
    assert there.door.url.startswith("https://")
    assert Told(there.door.word(), ASK_CA_FILE=str(tmp_path / "ca.pem")).ask(QUESTION) == ANSWER
    with pytest.raises(NoPollerError, match="certificate"):
        Told(there.door.word()).ask(QUESTION)


def test_what_is_no_question_is_refused_and_the_next_is_answered(opened: Open) -> None:
    there = opened(answers(ANSWER))
    url = f"{there.door.url}/ask"
    body = msgspec.json.encode({"upstream": "binance", "path": "x", "params": {}})
    typed = {"Content-Type": "application/json"}
    assert requests.post(url, data=body, headers={"Content-Type": "text/plain"}, timeout=30).status_code == 404
    assert requests.get(url, timeout=30).status_code == 501
    assert requests.post(url, data=b"{", headers=typed, timeout=30).status_code == 403
    assert requests.post(url, data=b"x" * 100_000, headers=typed, timeout=30).status_code == 413
    with socket.create_connection(("127.0.0.1", int(there.door.url.rsplit(":", 1)[1]))) as silent:
        silent.sendall(b"POST /ask HTTP/1.1\r\n")  # one that never ends its head holds up nobody
        assert requests.post(url, data=body, headers=typed, timeout=30).content == b"[1]"


def test_another_address_than_loopback_wants_a_token_and_encryption() -> None:
    with pytest.raises(SettingsError, match="ASK_TOKEN"):
        Settings.from_texts({"ASK_HOST": "0.0.0.0"})
    with pytest.raises(SettingsError, match="unencrypted"):
        Settings.from_texts({"ASK_HOST": "0.0.0.0", "ASK_TOKEN": "a-token"})
    Settings.from_texts({"ASK_HOST": "0.0.0.0", "ASK_TOKEN": "a-token", "ASK_URL": "https://poller.example"})
    with pytest.raises(SettingsError, match="belong together"):
        Settings.from_texts({"ASK_CERTFILE": __file__})


def test_what_another_server_says_there_is_no_answer() -> None:
    class Page:
        status, headers, data = 200, {}, b"<html>"

    client = Told(msgspec.json.encode(Where("http://127.0.0.1:1", 1)))
    client._http.request = lambda *args, **kwargs: Page()  # type: ignore[method-assign,assignment]
    with pytest.raises(NoPollerError, match="no poller of ours"):
        client.ask(QUESTION)
