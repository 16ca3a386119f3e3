"""What readers see of the indices, looked at now and then: a write that succeeds tells nothing of that, and while
nothing comes a write that would fail is not tried."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import elastic_transport
import elasticsearch
from elasticsearch import Elasticsearch

from cryptoproxy.common.service import Health, Loop
from cryptoproxy.consumer.index.template import faults_of_alias
from cryptoproxy.errors import OperatorError

log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
MENDED_SECONDS = 2.0
"""While something is wrong it is looked at so often, so that what a person has mended is soon over."""
PART = "alias"


@dataclass(frozen=True, slots=True)
class Watched:
    """An alias, and who is told of it; where it need not be there yet, whether it must be."""

    alias: str
    health: Health
    set_up: Callable[[], bool] | None = None


class AliasLook:
    """The indexer is not ready while an alias hides records from readers, shows others, or an index takes none.

    Args:
        connect: makes a client, with secrets as they are by then.
    """

    def __init__(self, aliases: Sequence[Watched], connect: Callable[[], Elasticsearch]) -> None:
        self._aliases = aliases
        self._connect = connect
        self._may_not = False

    def run(self, loop: Loop) -> None:
        """Until the process stops."""
        while loop.running:
            loop.wait(MENDED_SECONDS if self.look() else LOOK_SECONDS)

    def look(self) -> bool:
        """Whether something is wrong; where Elasticsearch does not answer, nobody knows, and the indexer's own
        requests say that."""
        wanted = [each for each in self._aliases if each.set_up is None or each.set_up()]
        try:
            client = self._connect()
            try:
                wrong = [self._told(each, list(faults_of_alias(client, each.alias))) for each in wanted]
            finally:
                client.close()
            return any(wrong)
        except elasticsearch.AuthorizationException as error:
            if not self._may_not:
                log.warning("whether readers see all there is, is not looked at: %s", error.error)
            self._may_not = True
            return False
        except (elasticsearch.ApiError, elastic_transport.TransportError, OperatorError):
            return any(PART in each.health.reasons() for each in wanted)

    def _told(self, watched: Watched, faults: list[str]) -> bool:
        if faults:
            watched.health.hold(PART, "; ".join(faults))
        else:
            watched.health.release(PART)
        return bool(faults)
