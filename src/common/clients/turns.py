"""The loop of whoever reads a topic: turn after turn; what Kafka or another engine refuses is waited out and told."""

from __future__ import annotations

from collections.abc import Callable

from kafka import errors as kafka_errors

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.retry import CAP_SECONDS, Backoff
from cryptoproxy.common.service import Health, Loop
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.errors import CryptoProxyError


def take_turns(
    loop: Loop,
    turn: Callable[[], object],
    *,
    part: str,
    health: Health,
    kafka: Kafka,
    failed: Callable[[], object],
    cap: float = CAP_SECONDS,
) -> None:
    """Until a stop.

    Args:
        turn: one turn. A CryptoProxyError and an error of Kafka hold ``part`` up until a turn ends well.
        failed: called after each failure, before the wait: closes what has to be begun anew.
        cap: the longest wait, in seconds.
    """
    backoff = Backoff(cap=cap)
    while loop.running:
        try:
            turn()
        except kafka_errors.KafkaError as error:
            meant: CryptoProxyError = kafka_client.meaning(error, kafka)
        except CryptoProxyError as error:
            meant = error
        else:
            backoff.reset()
            health.release(part)
            continue
        health.hold(part, str(meant))
        failed()
        loop.wait(backoff.next())
