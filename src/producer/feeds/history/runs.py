"""What of the past somebody wants, and how far it has come: on disk, and on the state topic for the next poller.

A command writes a new run under ``run:<id>``; the active poller takes it up, and tells how all of them stand under
``runs``, of which it also keeps a file.
"""

from __future__ import annotations

import logging
import uuid
import zlib
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from kafka import errors as kafka_errors

from cryptoproxy.common import files
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients.kafka_python.sender import Sender
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.errors import CryptoProxyError, OperatorError
from cryptoproxy.producer.feeds.history.walk import Cursor
from cryptoproxy.producer.handover import ACK_SECONDS, READ_SECONDS

log = logging.getLogger(__name__)

RUNS = "runs"
ASKED = "run:"
KEPT_ENDED = 20
"""So many runs that have ended are remembered."""


class Run(msgspec.Struct, omit_defaults=True):
    """One feed, some symbols, a span of begins; and a cursor for each symbol."""

    id: str
    feed: str
    begin_ms: int
    end_ms: int
    said_ms: int
    symbols: list[str] = []
    quote: str = ""
    """In place of symbols: all that the upstream lists with this quote."""
    since: str = ""
    """As HISTORY has it, of a run that the settings ask for: it is taken up again up to now."""
    walks: dict[str, Cursor] = {}
    ended_ms: int = 0
    seconds: float = 0.0
    """How long it has worked."""
    held: str = ""
    """Why it does not go on now."""
    stopped: bool = False

    @property
    def ended(self) -> bool:
        return self.ended_ms > 0

    @property
    def under_way(self) -> str:
        """The first symbol that has not come to its end; empty where all have."""
        return next((symbol for symbol, each in self.walks.items() if not each.done), "")

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.walks.values())

    @property
    def calls(self) -> int:
        return sum(each.calls for each in self.walks.values())


def new_id() -> str:
    return uuid.uuid4().hex[:12]


def farther(one: Run, other: Run) -> Run:
    """What is known of a run in two places: of each symbol the cursor that has come farther."""
    walks = dict(one.walks)
    for symbol, theirs in other.walks.items():
        ours = walks.get(symbol)
        if ours is None or (theirs.done, theirs.at_ms) > (ours.done, ours.at_ms):
            walks[symbol] = theirs
    newer = max(one, other, key=lambda run: (run.end_ms, run.ended_ms))
    return msgspec.structs.replace(
        newer, walks=walks, seconds=max(one.seconds, other.seconds), stopped=one.stopped or other.stopped
    )


def merged(*several: Iterable[Run]) -> dict[str, Run]:
    """By id, those that were said first before the others."""
    found: dict[str, Run] = {}
    for runs in several:
        for run in runs:
            found[run.id] = farther(found[run.id], run) if run.id in found else run
    ended = sorted((run for run in found.values() if run.ended and not run.since), key=lambda run: run.ended_ms)
    for run in ended[:-KEPT_ENDED]:
        del found[run.id]
    return dict(sorted(found.items(), key=lambda item: item[1].said_ms))


_runs = msgspec.json.Decoder(list[Run])
_run = msgspec.json.Decoder(Run)


class RunsFile:
    """On disk: whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "history" / "runs.json"

    def load(self) -> list[Run]:
        """Nothing where it cannot be read, and that is said: what is walked again has the same ids."""
        try:
            return _runs.decode(self._path.read_bytes())
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError) as error:
            log.warning("%s cannot be read (%s): history goes on from what the state topic tells", self._path, error)
            return []

    def save(self, runs: Iterable[Run]) -> None:
        """Raises:
        OperatorError: it cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            files.replace(self._path, msgspec.json.encode(list(runs)))
        except OSError as error:
            raise OperatorError(f"{self._path} cannot be written: {error}", remedy="Free its disk") from error


class RunsTopic:
    """The same on the state topic, and what commands ask for there. For one thread."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._consumer: Any = None
        self._latest: dict[str, bytes] = {}
        options: dict[str, Any] = {"client_id": f"{kafka.client_id}-history", "delivery_timeout_ms": 35_000}
        self._sender = Sender(
            partial(kafka_client.producer, kafka, **options), ack_seconds=ACK_SECONDS, end_seconds=ACK_SECONDS
        )

    def read(self) -> tuple[list[Run], list[Run]]:
        """Those that a poller has told, and those that are asked for; as the topic has them now.

        Raises:
            TransientError, OperatorError: it cannot be read.
        """
        try:
            if self._consumer is None:
                self._latest = {}
                self._consumer = kafka_client.consumer(self._kafka, group_id=None)
            for record in kafka_client.read_to_end(self._consumer, self._kafka.state_topic, seconds=READ_SECONDS):
                key = (record.key or b"").decode(errors="replace")
                if key == RUNS or key.startswith(ASKED):
                    self._latest[key] = record.value or b""
        except (kafka_errors.KafkaError, CryptoProxyError) as error:
            self._close_consumer()
            if isinstance(error, CryptoProxyError):
                raise
            raise kafka_client.meaning(error, self._kafka) from error
        told = _decoded(_runs, self._latest.get(RUNS, b""), packed=True) or []
        asked = [_decoded(_run, value) for key, value in self._latest.items() if key != RUNS]
        return told, [run for run in asked if run is not None]

    def tell(self, runs: Iterable[Run]) -> None:
        """How all of them stand. Raises as :meth:`send`."""
        self.send({RUNS: zlib.compress(msgspec.json.encode(list(runs)))})

    def ask(self, run: Run) -> None:
        """For a new one. Raises as :meth:`send`."""
        self.send({f"{ASKED}{run.id}": msgspec.json.encode(run)})

    def forget(self, ids: Iterable[str]) -> None:
        """What was asked for and has ended. Raises as :meth:`send`."""
        self.send({key: None for each in ids if self._latest.get(key := f"{ASKED}{each}")})

    def send(self, words: Mapping[str, bytes | None]) -> None:
        """Acknowledged when it returns.

        Raises:
            TransientError, OperatorError: the topic did not take it.
        """

        def sending(producer: Any, key: str, value: bytes | None) -> Any:
            return producer.send(self._kafka.state_topic, key=key.encode(), value=value)

        failures = self._sender.send_all([partial(sending, key=key, value=value) for key, value in words.items()])
        for failure in filter(None, failures):
            raise kafka_client.meaning(failure, self._kafka) from failure

    def close(self) -> None:
        self._close_consumer()
        self._sender.discard()

    def _close_consumer(self) -> None:
        consumer, self._consumer = self._consumer, None
        kafka_client.close(consumer)


def _decoded(decoder: msgspec.json.Decoder[Any], value: bytes, *, packed: bool = False) -> Any:
    """None for nothing, and for what another version wrote."""
    try:
        return decoder.decode(zlib.decompress(value) if packed else value) if value else None
    except (zlib.error, msgspec.DecodeError):
        return None
