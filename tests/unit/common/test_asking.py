"""Who asks the active poller, and cannot be told where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kafka import errors as kafka_errors

from cryptoproxy.common.asking import NoPollerError, Question
from cryptoproxy.common.asking.client import LOOK_SECONDS, DoorClient
from cryptoproxy.common.start import load_settings
from cryptoproxy.errors import CryptoProxyError


def test_while_kafka_is_away_those_who_waited_for_one_look_take_none_of_their_own() -> None:
    """Else each of a hundred would wait five seconds longer than the one before."""
    now, looks = [0.0], []

    def connect() -> Any:
        looks.append(now[0])
        now[0] += LOOK_SECONDS
        raise kafka_errors.KafkaTimeoutError("nobody answers")

    settings = load_settings(Path("/dev/null"))
    client = DoorClient(settings.kafka, settings.asking, connect=connect, monotonic=lambda: now[0])
    question = Question.of("coingecko", "simple/price", {})
    with pytest.raises(CryptoProxyError, match="nobody answers"):
        client.ask(question)
    for _ in range(100):
        with pytest.raises(NoPollerError):
            client.ask(question)
    assert looks == [0.0]
    now[0] += LOOK_SECONDS
    with pytest.raises(CryptoProxyError, match="nobody answers"):
        client.ask(question)
    assert len(looks) == 2
    client.close()
