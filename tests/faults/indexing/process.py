"""An indexer as a process, seen from outside as a poller is: log, `/readyz`, `/metrics`."""

from __future__ import annotations

import json

import requests

from tests.conftest import wait_until
from tests.faults.indexing import launch
from tests.faults.process import PollerProcess

QUICK_SESSION = {"TEST_CONSUMER": json.dumps({"session_timeout_ms": 6_000})}
"""The shortest that a broker allows: a member that was killed is missed after so long, not after 45 s."""


ENDLESS_SESSION = {"TEST_CONSUMER": json.dumps({"session_timeout_ms": 1_500_000})}
"""A member that was killed is not missed within any case: what is read again is so for another reason."""


class IndexerProcess(PollerProcess):
    """`python -m cryptoproxy.consumer`, or with ``test`` what `launch` in this folder makes of it."""

    module = "cryptoproxy.consumer"
    launcher = launch.__file__

    def lives(self) -> bool:
        return requests.get(f"{self.url}/livez", timeout=180).status_code == 200

    def wait_metric(self, name: str, least: float = 1, *, seconds: float = 180, **labels: str) -> float:
        """Until the metric has reached this."""
        return wait_until(
            lambda: value if (value := self.metric(name, **labels)) >= least else 0,
            seconds=seconds,
            what=f"{name} {labels} of {self.name} at {least:g}; its log: {self.log[-3000:]}",
        )

    def wait_indexing(self) -> None:
        """Until it has a part of the work."""
        self.wait_said("indexed ", " documents into ")
