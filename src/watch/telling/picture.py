"""The price around an alert's moment as a small PNG, for channels that show pictures.

Asked of Elasticsearch, the one place that has hours of it ready. A message does not wait for a picture: where none can
be had at once it goes without, and for a minute nobody asks again.
"""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from elasticsearch import Elasticsearch as Client

from cryptoproxy.common.settings.catalogue import Elasticsearch
from cryptoproxy.datasets import Alert, from_iso, iso
from cryptoproxy.datasets.times import HOUR_MS, MINUTE_MS
from cryptoproxy.queries import Queries
from cryptoproxy.queries.answer import NothingFound

log = logging.getLogger(__name__)

BEFORE_MS = 6 * HOUR_MS
"""How much of the price before the alert began is shown."""
STEP = "5m"
LEAST = 3
"""Points below which there is no line to look at."""
PAUSE_SECONDS = 60.0
_COLOURS = {"info": "#3b82f6", "warning": "#f59e0b", "critical": "#dc2626"}

Points = Sequence[tuple[int, float]]
"""Moment in ms, mean price of the step that begins there."""


class Pictures:
    """
    Args:
        connect: makes a client that waits only shortly; secrets are read afresh each time.
    """

    def __init__(self, settings: Elasticsearch, connect: Callable[[], Client]) -> None:
        self._settings = settings
        self._connect = connect
        self._rest_until = 0.0
        self._lock = threading.Lock()
        self._last: tuple[Alert, bytes | None] | None = None

    def of(self, alert: Alert) -> bytes | None:
        """A PNG; None where there is nothing to draw, or Elasticsearch does not answer at once."""
        with self._lock:  # several channels tell the same, and drawing changes what all of matplotlib shares
            if self._last is None or self._last[0] is not alert:
                self._last = alert, self._made(alert)
            return self._last[1]

    def _made(self, alert: Alert) -> bytes | None:
        if alert.asset.count(":") != 2 or time.monotonic() < self._rest_until:
            return None
        try:
            points = self._points(alert)
            return drawn(alert, points) if len(points) >= LEAST else None
        except NothingFound:
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no reason not to tell
            self._rest_until = time.monotonic() + PAUSE_SECONDS
            log.info("messages go without a picture: %s", error)
            return None

    def _points(self, alert: Alert) -> Points:
        source, asset, quote = alert.asset.split(":")
        since = iso(from_iso(alert.since) - BEFORE_MS)
        until = iso(from_iso(alert.timestamp) + MINUTE_MS)
        with closing(self._connect()) as client:
            answer = Queries.of(self._settings, client).average(
                interval=STEP, source=source, assets=asset, quote=quote, since=since, until=until
            )
            return [(row.begin_ms, row.average) for row in answer if row.average is not None]


def drawn(alert: Alert, points: Points) -> bytes:
    """600 × 260 pixels: the line, where the alert began, and its threshold where that is a price."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import ConciseDateFormatter
    from matplotlib.figure import Figure

    from cryptoproxy.queries.output.plot import STYLE

    moments: list[Any] = [datetime.fromtimestamp(at / 1000, UTC) for at, _ in points]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6, 2.6), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.plot(moments, [price for _, price in points], color="#1f2937", linewidth=1.2)
        axes.axvline(_moment(alert.since), color=_COLOURS[alert.severity], linewidth=1.0)
        if alert.of.endswith(".price") and alert.kind in ("above", "below") and alert.threshold is not None:
            axes.axhline(alert.threshold, color="#9ca3af", linewidth=1.0, linestyle="--")
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))  # type: ignore[no-untyped-call]
        axes.set_title(f"{alert.symbol or alert.asset}, {alert.asset.rpartition(':')[2]} (UTC)", loc="left", fontsize=9)
        image = io.BytesIO()
        figure.savefig(image, format="png", metadata={"Software": None})
    return image.getvalue()


def _moment(text: str) -> Any:
    return datetime.fromtimestamp(from_iso(text) / 1000, UTC)
