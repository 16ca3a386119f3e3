"""Where a message leads to: the page's view of its asset, and Kibana's dashboard Alerts at its moment.

All that is no letter or number is escaped, brackets and quotes too, so that an address ends nowhere too early: in
Discord's and Slack's own signs, or in Kibana's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from cryptoproxy.datasets import Alert, from_iso, iso
from cryptoproxy.datasets.times import HOUR_MS

DASHBOARD = "crypto-alerts-found"
"""Its id in Kibana, of which `kibana/names.py` has the others."""
AROUND_MS = HOUR_MS
"""Before the first and after the last moment, so much is shown."""
NOTHING = "-"
"""The asset of an alert that has none."""


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses of the page and of Kibana, with its space if it has one: ``https://kibana.example/s/team``."""

    page: str | None = None
    kibana: str | None = None

    def to_page(self, alerts: Sequence[Alert]) -> str | None:
        """The asset of one alert, or the alerts of several; None without a page."""
        if self.page is None:
            return None
        asset = alerts[0].asset if len(alerts) == 1 else NOTHING
        return f"{self.page}/alerts" if asset == NOTHING else f"{self.page}/asset?asset={quote(asset, safe=':')}"

    def to_kibana(self, alerts: Sequence[Alert]) -> str | None:
        """The dashboard at their time, and of one alert about its asset alone; None without a Kibana."""
        if self.kibana is None:
            return None
        begin = min(from_iso(each.since) for each in alerts) - AROUND_MS
        end = max(from_iso(each.timestamp) for each in alerts) + AROUND_MS
        state = f"_g={quote(f'(time:(from:{_text(iso(begin))},to:{_text(iso(end))}))', safe=',')}"
        if len(alerts) == 1:
            asset = alerts[0].asset.replace("\\", "\\\\").replace('"', '\\"')
            about = f'asset: "{asset}"'
            state += f"&_a={quote(f'(query:(language:kuery,query:{_text(about)}))', safe=',')}"
        return f"{self.kibana}/app/dashboards#/view/{DASHBOARD}?{state}"


NOWHERE = Links()


def _text(text: str) -> str:
    """As Rison, which Kibana's addresses are written in, has it."""
    return "'" + text.replace("!", "!!").replace("'", "!'") + "'"
