"""Who asks the active poller, and cannot be told where it is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kafka import errors as kafka_errors

from cryptoproxy.common.asking import NoPollerError, Question
from cryptoproxy.common.asking.client import AGAIN_SECONDS, LOOK_SECONDS, DoorClient
from cryptoproxy.common.start import load_settings
from cryptoproxy.errors import CryptoProxyError
from tests.conftest import PATIENCE

PRICE = Question.of("coingecko", "simple/price", {})


def refused_once(connect: Callable[[], Any], now: list[float]) -> DoorClient:
    """Whose first question found nobody."""
    settings = load_settings(Path("/dev/null"))
    client = DoorClient(settings.kafka, settings.asking, connect=connect, monotonic=lambda: now[0])
    with pytest.raises(CryptoProxyError, match="nobody answers"):
        client.ask(PRICE)
    return client


def test_while_kafka_is_away_those_who_waited_for_one_look_take_none_of_their_own() -> None:
    """Else each of a hundred would wait five seconds longer than the one before."""
    now, looks = [0.0], []

    def connect() -> Any:
        looks.append(now[0])
        now[0] += LOOK_SECONDS
        raise kafka_errors.KafkaTimeoutError("nobody answers")

    client = refused_once(connect, now)
    for _ in range(100):
        with pytest.raises(NoPollerError):
            client.ask(PRICE)
    assert looks == [0.0]
    now[0] += LOOK_SECONDS
    with pytest.raises(CryptoProxyError, match="nobody answers"):
        client.ask(PRICE)
    assert len(looks) == 2
    client.close()


def test_while_nobody_is_active_one_question_looks_and_no_other_waits_for_it() -> None:
    """Else a hundred clients have all threads of a door wait for the look, whose turn comes last waits for many."""
    now, looks = [0.0], []
    begun, go = threading.Event(), threading.Event()
    go.set()

    def connect() -> Any:
        looks.append(now[0])
        begun.set()
        assert go.wait(PATIENCE)
        raise kafka_errors.KafkaTimeoutError("nobody answers")

    client = refused_once(connect, now)
    now[0] += AGAIN_SECONDS
    begun.clear(), go.clear()
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(client.ask, PRICE)
        assert begun.wait(PATIENCE)
        for _ in range(100):
            with pytest.raises(NoPollerError):
                client.ask(PRICE)
        go.set()
        with pytest.raises(CryptoProxyError, match="nobody answers"):
            looking.result()
    assert len(looks) == 2
    client.close()
