"""What readers see of the index, looked at now and then: a write that succeeds tells nothing of that, and while nothing
comes a write that would fail is not tried."""

from __future__ import annotations

import logging
from collections.abc import Callable

import elastic_transport
import elasticsearch
from elasticsearch import Elasticsearch

from cryptoproxy.common.service import Health, Loop
from cryptoproxy.consumer.template import faults_of_alias
from cryptoproxy.errors import OperatorError

log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
MENDED_SECONDS = 2.0
"""While something is wrong it is looked at so often, so that what a person has mended is soon over."""
PART = "alias"


class AliasLook:
    """The indexer is not ready while its alias hides records from readers, shows others, or an index takes none.

    Args:
        connect: makes a client, with secrets as they are by then.
    """

    def __init__(self, alias: str, connect: Callable[[], Elasticsearch], health: Health) -> None:
        self._alias = alias
        self._connect = connect
        self._health = health
        self._may_not = False

    def run(self, loop: Loop) -> None:
        """Until the process stops."""
        while loop.running:
            loop.wait(MENDED_SECONDS if self.look() else LOOK_SECONDS)

    def look(self) -> bool:
        """Whether something is wrong; where Elasticsearch does not answer, nobody knows, and the indexer's own
        requests say that."""
        try:
            client = self._connect()
            try:
                faults = list(faults_of_alias(client, self._alias))
            finally:
                client.close()
        except elasticsearch.AuthorizationException as error:
            if not self._may_not:
                log.warning("whether readers see all of %s is not looked at: %s", self._alias, error.error)
            self._may_not = True
            return False
        except (elasticsearch.ApiError, elastic_transport.TransportError, OperatorError):
            return PART in self._health.reasons()
        if faults:
            self._health.hold(PART, "; ".join(faults))
        else:
            self._health.release(PART)
        return bool(faults)
