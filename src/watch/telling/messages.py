"""Alerts as a message: one as a sentence, several as a table, so that a crash of the market is one message."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptoproxy.common.cells import cell
from cryptoproxy.datasets import ALERT, Alert, from_iso
from cryptoproxy.watch.telling.links import NOWHERE, Links
from cryptoproxy.watch.words import shown

_COLOURS = {"info": 0x3B82F6, "warning": 0xF59E0B, "critical": 0xDC2626}
_OVER = 0x16A34A
_SIGNS = {"info": "🔵", "warning": "🟠", "critical": "🔴"}
_ORDER = ("critical", "warning", "info")
_NAMES = (
    "words", "title", "rule", "asset", "symbol", "state", "severity", "value", "moment", "count", "ids", "link",
    "kibana",
)  # fmt: skip
_FIELDS = re.compile(rf"\{{({'|'.join(_NAMES)})\}}")
REPEAT = "(perhaps once more) "
"""Before what may have been taken already, by someone whose answer was lost."""

LATE = "(late) "

PICTURE = "price.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is told at once. ``alerts`` are in the order in which they were found; at least one."""

    alerts: Sequence[Alert]
    rows: int = 20
    repeat: bool = False
    late: bool = False
    """It was found a while ago: the channel, or Kafka, was away."""
    links: Links = NOWHERE
    picture: bytes | None = None
    """A PNG, for channels that show one."""

    @property
    def title(self) -> str:
        """In a few words."""
        begin = (REPEAT if self.repeat else "") + (LATE if self.late else "")
        if len(self.alerts) == 1:
            return begin + _headline(self.alerts[0])
        opened = sum(each.state == "open" for each in self.alerts)
        rules = sorted({each.rule for each in self.alerts})
        named = ", ".join(rules[:3]) + (f" and {len(rules) - 3} more" if len(rules) > 3 else "")
        parts = [f"{opened} open"] * bool(opened) + [f"{len(self.alerts) - opened} over"] * (opened < len(self.alerts))
        return f"{begin}{_sign(self.alerts)} {len(self.alerts)} alerts ({', '.join(parts)}): {named}"

    @property
    def body(self) -> str:
        """All the rest, as lines."""
        if len(self.alerts) == 1:
            return _told(self.alerts[0])
        first = sorted(self.alerts, key=lambda each: (_ORDER.index(each.severity), each.state != "open"))[: self.rows]
        left = len(self.alerts) - len(first)
        lines = [_row(each) for each in first] + ([f"… and {left} more"] if left else [])
        return "\n".join(lines)

    @property
    def ids(self) -> list[str]:
        return [ALERT.id_of(each) for each in self.alerts]

    @property
    def places(self) -> dict[str, str]:
        """Where it leads to, by what that is called."""
        found = {"Page": self.links.to_page(self.alerts), "Kibana": self.links.to_kibana(self.alerts)}
        return {name: place for name, place in found.items() if place is not None}

    @property
    def text(self) -> str:
        """The body, and where it leads to, where there are no signs for that."""
        return "\n".join([self.body, *(f"{name}: {place}" for name, place in self.places.items())])


def discord(message: Message, *, plain: bool = False) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The JSON of a message, and files by name: the whole table of several alerts, since a message has no room for it,
    and the picture of one.

    Args:
        plain: text alone, for when the other was refused.
    """
    nobody: dict[str, Any] = {"allowed_mentions": {"parse": []}}
    if plain:
        return {"content": f"{message.title}\n{message.body}"[:1900], **nobody}, {}
    places = message.places
    first, several = message.alerts[0], len(message.alerts) > 1
    over = all(each.state == "resolved" for each in message.alerts)
    worst = min((each.severity for each in message.alerts), key=_ORDER.index)
    embed: dict[str, Any] = {
        "title": message.title[:250],
        "description": "\n".join(
            [
                f"```\n{message.body[:3600]}\n```" if several else message.body[:2500],
                *([" · ".join(f"[{name}]({place})" for name, place in places.items())] if places else []),
            ]
        ),
        "color": _OVER if over else _COLOURS[worst],
        "timestamp": max(each.timestamp for each in message.alerts),
        "footer": {"text": (f"{len(message.alerts)} alerts" if several else ALERT.id_of(first))[:2000]},
    }
    if places:
        embed["url"] = next(iter(places.values()))
    files = {"alerts.csv": table(message.alerts)} if several else {}
    if message.picture is not None:
        files[PICTURE] = message.picture
        embed["image"] = {"url": f"attachment://{PICTURE}"}
    return {"embeds": [embed], **nobody}, files


def slack(message: Message) -> dict[str, Any]:
    """The JSON of an incoming webhook."""
    body = f"```{message.body[:3500]}```" if len(message.alerts) > 1 else message.body
    places = " · ".join(f"<{place}|{name}>" for name, place in message.places.items())
    return {"text": "\n".join([f"*{_escaped(message.title)}*", _escaped(body), *([places] if places else [])])}


def filled(template: str, message: Message) -> str:
    """A webhook's body: each ``{name}`` of ours as a JSON text or number."""
    first = message.alerts[0]
    values: dict[str, Any] = {
        "words": f"{message.title}\n{message.body}", "title": message.title, "rule": first.rule, "asset": first.asset,
        "symbol": first.symbol or "", "state": first.state, "severity": first.severity, "value": first.value,
        "moment": first.timestamp, "count": len(message.alerts), "ids": message.ids,
        "link": message.places.get("Page", ""), "kibana": message.places.get("Kibana", ""),
    }  # fmt: skip
    return _FIELDS.sub(lambda found: json.dumps(values[found[1]], ensure_ascii=False), template)


def unfit(template: str) -> str:
    """Why it cannot be a webhook's body; empty where it can."""
    try:
        json.loads(filled(template, Message(alerts=[ALERT.example])))
    except ValueError as error:
        return (
            f"filled with an alert the template is no JSON: {error}. A {{name}} stands without quotes, and is one of "
            f"{', '.join(_NAMES)}"
        )
    return ""


def table(alerts: Sequence[Alert]) -> bytes:
    """All of them as CSV."""
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(("id", "state", "severity", "rule", "asset", "moment", "value", "unit", "words"))
    for each in alerts:
        rows.writerow(
            map(cell, (ALERT.id_of(each), each.state, each.severity, each.rule, each.asset, each.timestamp, each.value,
                       each.unit, each.words))
        )  # fmt: skip
    return written.getvalue().encode()


def _sign(alerts: Sequence[Alert]) -> str:
    opened = [each.severity for each in alerts if each.state == "open"]
    return _SIGNS[min(opened, key=_ORDER.index)] if opened else "🟢"


def _headline(alert: Alert) -> str:
    return f"{_sign([alert])} {alert.rule}: {alert.symbol or alert.asset}{'' if alert.state == 'open' else ' is over'}"


def _told(alert: Alert) -> str:
    lines = [alert.words]
    if alert.state == "open":
        lines.append(f"since {_clock(alert.since)} UTC · {alert.severity} · {alert.asset}")
    else:
        lines.append(f"after {_span(from_iso(alert.timestamp) - from_iso(alert.since))} · {alert.asset}")
    return "\n".join(lines)


def _row(alert: Alert) -> str:
    value = "" if alert.value is None else f"{shown(alert.value)} {alert.unit or ''}".strip()
    state = alert.severity if alert.state == "open" else "over"
    return f"{alert.timestamp[11:19]} {state:8} {alert.symbol or alert.asset:12} {value:>14}  {alert.rule}"


def _clock(time: str) -> str:
    return time[:16].replace("T", " ")


def _span(milliseconds: int) -> str:
    minutes = milliseconds // 60_000
    if minutes < 1:
        return f"{milliseconds // 1000} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
