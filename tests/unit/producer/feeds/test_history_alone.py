"""A run of history without an active poller: what its exit code is made of."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest

from cryptoproxy.common.service import Loop
from cryptoproxy.producer.feeds.history.alone import HistoryAlone
from cryptoproxy.producer.feeds.history.runs import Run
from cryptoproxy.producer.wiring import Poller


class Service:
    """Runs the loop that was added last, on the spot."""

    def add(self, name: str, run: Callable[[Loop], None]) -> None:
        self._run = run

    def run(self) -> int:
        self._run(Loop("run", threading.Event()))
        return 0


@pytest.mark.parametrize("delivered", [True, False])
def test_it_has_come_to_its_end_when_all_of_it_is_delivered(delivered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(id="r", feed="binance.candle-1h", begin_ms=0, end_ms=1, said_ms=1, ended_ms=2)
    drain = SimpleNamespace(run=None)
    poller = SimpleNamespace(
        service=Service(), lease=None, add_lease=lambda: None, publisher=drain, archiver=drain,
        history=SimpleNamespace(run=None, agenda=SimpleNamespace(runs={"r": run})),
        deliver=lambda loop, *, seconds: delivered, outbox=SimpleNamespace(close=lambda: None),
    )  # fmt: skip
    monkeypatch.setattr("cryptoproxy.producer.feeds.history.alone.Poller", lambda *_, **__: cast("Poller", poller))
    alone = HistoryAlone(cast("object", None), run, show=lambda _: None)  # type: ignore[arg-type]
    assert alone.run() == (run, delivered)
