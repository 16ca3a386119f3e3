"""`cryptoproxy history` where no poller is active: takes the lease, walks, delivers, ends."""

from __future__ import annotations

import logging
from collections.abc import Callable

from cryptoproxy.common.service import Loop
from cryptoproxy.common.settings import Settings
from cryptoproxy.producer.feeds.history.runs import Run
from cryptoproxy.producer.wiring import Poller

log = logging.getLogger(__name__)

DELIVER_SECONDS = 60.0
SHOW_SECONDS = 0.5


class HistoryAlone:
    """One run, which stands on the state topic already.

    Args:
        show: told how it stands, now and then.
    """

    def __init__(self, settings: Settings, run: Run, *, show: Callable[[Run], None]) -> None:
        self._poller = Poller(settings, alone=True, lease=True)
        self._id = run.id
        self._show = show
        self._found: Run | None = None
        self._delivered = False

    def run(self) -> tuple[Run | None, bool]:
        """The run as it stands at the end, None if it did not come so far; and whether it is done and delivered. What
        is not done waits on the state topic for the next poller, what is not delivered in the outbox."""
        poller = self._poller
        poller.add_lease()
        for name, loop in (
            ("publish", poller.publisher.run),
            ("archive", poller.archiver.run),
            ("history", poller.history.run),
            ("the run of history", self._follow),
        ):
            poller.service.add(name, loop)
        try:
            code = poller.service.run()
        finally:
            poller.outbox.close()
        return self._found if code == 0 else None, self._delivered

    def _follow(self, loop: Loop) -> None:
        lease = self._poller.lease
        while loop.running:
            if lease is not None and (other := lease.taken_by()):
                log.error(
                    "not walked: another poller is active (%s); it goes on with it as soon as it knows how", other
                )
                return
            found = self._poller.history.agenda.runs.get(self._id)
            if found is not None:
                self._found = found
                self._show(found)
                if found.ended:
                    self._delivered = self._poller.deliver(loop, seconds=DELIVER_SECONDS)
                    return
            loop.wait(SHOW_SECONDS)
