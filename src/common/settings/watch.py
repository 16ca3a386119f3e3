"""Settings of `cryptoproxy watch`; the rules themselves are a file of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.loading import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The process that applies rules and tells people."""

    rules: Path = setting(
        "WATCH_RULES",
        kinds.path(),
        "watch.yaml",
        "File of rules and channels (docs/watch.md); looked at each second, so a change needs no restart.",
        example="/etc/cryptoproxy/watch.yaml",
    )
    port: int = setting(
        "PYTHON_WATCH_SERVER_PORT",
        kinds.whole(0, 65_535),
        "8003",
        "Port of `/livez`, `/readyz` and `/metrics`. 0: a free one.",
    )
    link: str | None = setting(
        "WATCH_LINK",
        kinds.url(),
        "",
        "Address that messages link to: the dashboard Alerts of your Kibana, or a page.",
        example="https://kibana.example/app/dashboards",
    )
    pictures: bool = setting(
        "WATCH_PICTURES",
        kinds.boolean(),
        "true",
        "Whether Discord and channels of Apprise get the price of the last hours as a picture; Elasticsearch is asked "
        "for it, and without its answer a message goes without.",
    )
