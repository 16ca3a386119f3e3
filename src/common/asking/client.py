"""Finds the active poller on the state topic, and asks it. Blocking; any number of threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
import urllib3
from kafka import errors as kafka_errors

from cryptoproxy.common.asking.words import (
    ASK_PATH,
    DOOR,
    ERRORS,
    FETCHED,
    HEADERS,
    READ_THROUGH,
    STATUS,
    AskBody,
    NoBudgetError,
    NoPollerError,
    NotAllowedError,
    Question,
    Refused,
    Replied,
    UpstreamFailedError,
    Where,
)
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.clients import outside
from cryptoproxy.common.settings.catalogue import Asking, Kafka
from cryptoproxy.datasets.codec import UNREADABLE
from cryptoproxy.errors import CryptoProxyError

LOOK_SECONDS = 5.0
"""For reading the state topic."""
AGAIN_SECONDS = 1.0
"""Nobody is active: that is remembered for so long, from the end of a look on. Then one question tries again, and the
others are refused without waiting for it, however long it takes."""
CONNECT_SECONDS = 2.0
MARGIN_SECONDS = 2.0
"""The door ends a question by itself; it is waited for so much longer."""
MOST_CONNECTIONS = 8
NOBODY = "no poller is active that could be asked"

_headers = msgspec.json.Decoder(dict[str, str])
_refused = msgspec.json.Decoder(Refused)
_where = msgspec.json.Decoder(Where)


class DoorClient:
    """
    Args:
        connect: makes a consumer without a group, of the state topic.
    """

    def __init__(
        self,
        kafka: Kafka,
        asking: Asking,
        *,
        connect: Callable[[], Any] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kafka = kafka
        self._token = asking.token
        self._connect = connect or (lambda: kafka_client.consumer(kafka, group_id=None))
        self._monotonic = monotonic
        self._consumer: Any = None
        self._where: Where | None = None
        self._last: Where | None = None
        """The last word, whatever its epoch: terms begin anew with a new cluster."""
        self._looked = float("-inf")
        self._lock = threading.Lock()
        self._nobody = False
        """What the last question found, and nobody has told since."""
        self._trial = threading.Lock()
        tls: dict[str, Any] = {}
        if asking.ca_file is not None:
            tls["ssl_context"] = outside.tls(asking.ca_file)
        self._http = urllib3.PoolManager(maxsize=MOST_CONNECTIONS, retries=False, **tls)

    def ask(self, question: Question, *, priority: str = READ_THROUGH, seconds: float = 10.0) -> Replied:
        """The upstream's answer, by the active poller. After a handover it asks the successor, once.

        Args:
            seconds: for all of it, the wait for the budget included.

        Raises:
            NoBudgetError, UpstreamFailedError, NoPollerError, NotAllowedError: there is none.
            CryptoProxyError: Kafka does not tell who is active.
        """
        if not self._nobody:
            return self._tried(question, priority, seconds)
        if self._monotonic() - self._looked < AGAIN_SECONDS or not self._trial.acquire(blocking=False):
            raise NoPollerError(NOBODY)
        try:
            return self._tried(question, priority, seconds)
        finally:
            self._trial.release()

    def _tried(self, question: Question, priority: str, seconds: float) -> Replied:
        try:
            replied = self._of_one_of_two(question, priority, seconds)
        except (NoBudgetError, UpstreamFailedError, NotAllowedError):
            self._nobody = False
            raise
        except CryptoProxyError:
            self._nobody = True
            raise
        self._nobody = False
        return replied

    def _of_one_of_two(self, question: Question, priority: str, seconds: float) -> Replied:
        end = self._monotonic() + seconds
        where = self._found()
        while True:
            try:
                return self._ask(where, question, priority, max(0.1, end - self._monotonic()))
            except NoPollerError:
                new = self._found(instead_of=where)
                if new == where or self._monotonic() > end:
                    raise
                where = new

    def require(self) -> None:
        """Raises:
        NoPollerError: nobody has told that it may be asked.
        CryptoProxyError: Kafka does not tell.
        """
        self._found()

    def close(self) -> None:
        with self._lock:
            self._close_consumer()
        self._http.clear()

    def _ask(self, where: Where, question: Question, priority: str, seconds: float) -> Replied:
        asked = AskBody(question.upstream, question.path, dict(question.params), priority, seconds)
        headers = {"Content-Type": "application/json"}
        if token := self._token.get():
            headers["Authorization"] = f"Bearer {token}"
        try:
            answer = self._http.request(
                "POST",
                f"{where.url}{ASK_PATH}",
                body=msgspec.json.encode(asked),
                headers=headers,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=seconds + MARGIN_SECONDS),
                redirect=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NoPollerError(
                f"the active poller at {urlsplit(where.url).netloc} does not answer: {error}"
            ) from error
        if answer.status == 200:
            try:
                return Replied(
                    int(answer.headers[STATUS]),
                    _headers.decode(answer.headers[HEADERS].encode()),
                    answer.data,
                    int(answer.headers[FETCHED]),
                )
            except (KeyError, ValueError) as error:
                raise NoPollerError(f"{urlsplit(where.url).netloc} is no poller of ours") from error
        try:
            refused = _refused.decode(answer.data)
        except UNREADABLE:
            refused = Refused("", f"the poller's door answered {answer.status}")
        if answer.status == 401:
            raise NotAllowedError(f"{refused.message}. Set ASK_TOKEN to the poller's")
        kind = ERRORS.get(answer.status, UpstreamFailedError)
        raise kind(refused.message, retry_after=refused.seconds)

    def _found(self, *, instead_of: Where | None = None) -> Where:
        """Where the poller is by the state topic; what is known already without a look, unless it is ``instead_of``.

        Raises:
            NoPollerError: nobody has told.
            CryptoProxyError: the topic cannot be read.
        """
        with self._lock:
            now = self._monotonic()
            if (self._where is None or self._where == instead_of) and now - self._looked >= AGAIN_SECONDS:
                try:
                    self._look()
                finally:
                    self._looked = self._monotonic()  # so who has waited for this look takes none of its own
                if self._where == instead_of:
                    self._where = self._last
            if self._where is None:
                raise NoPollerError(NOBODY)
            return self._where

    def _look(self) -> None:
        try:
            if self._consumer is None:
                self._consumer = self._connect()
            for record in kafka_client.read_to_end(self._consumer, self._kafka.state_topic, seconds=LOOK_SECONDS):
                if record.key == DOOR.encode() and record.value:
                    self._enter(record.value)
        except (kafka_errors.KafkaError, CryptoProxyError) as error:
            self._close_consumer()
            if isinstance(error, CryptoProxyError):
                raise
            raise kafka_client.meaning(error, self._kafka) from error

    def _enter(self, value: bytes) -> None:
        try:
            where = _where.decode(value)
        except UNREADABLE:
            return  # of another version
        if where != self._last:
            self._nobody = False
        self._last = where
        if self._where is None or where.epoch >= self._where.epoch:
            self._where = where

    def _close_consumer(self) -> None:
        consumer, self._consumer = self._consumer, None
        kafka_client.close(consumer)
