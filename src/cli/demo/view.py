"""What a person sees during the demo: a live picture in a terminal, plain lines without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cryptoproxy.common.settings import Settings


@dataclass(frozen=True, slots=True)
class Moment:
    """All that is shown, at one time."""

    elapsed: float
    poller: Mapping[str, float]
    indexer: Mapping[str, float]
    topic: int
    documents: int
    lake: int
    objects: int
    top: list[dict[str, Any]]

    @property
    def polled(self) -> int:
        return int(self.poller.get("cryptoproxy_records_polled_total", 0))

    @property
    def lag(self) -> int:
        return int(self.indexer.get("cryptoproxy_lag_records", 0))


def plain(moment: Moment) -> str:
    """One line, for logs and pipes."""
    return (
        f"{moment.elapsed:5.0f} s  polled {moment.polled}  on the topic {moment.topic}  indexed {moment.documents}  "
        f"in the lake {moment.lake} ({moment.objects} objects)  lag {moment.lag}"
    )


def picture(moment: Moment, settings: Settings, env_file: str, left: float | None) -> RenderableType:
    """The live view."""
    end = "Ctrl-C ends it" if left is None else f"ends in {left:.0f} s"
    parts = Group(_stages(moment), "", _prices(moment), "", _further(settings, env_file))
    return Panel(parts, title=f"cryptoproxy demo · {moment.elapsed:.0f} s · {end}", padding=(1, 2))


def _stages(moment: Moment) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("stage")
    table.add_column("records", justify="right")
    table.add_column("")
    polls = int(moment.poller.get("cryptoproxy_polls_total", 0))
    missed = int(moment.poller.get("cryptoproxy_slots_missed_total", 0))
    table.add_row("polled", str(moment.polled), f"{polls} polls, {missed} slots missed")
    table.add_row("on the topic", str(moment.topic), "acknowledged by Kafka")
    table.add_row("indexed", str(moment.documents), f"lag {moment.lag}")
    table.add_row("in the lake", str(moment.lake), f"{moment.objects} objects on S3")
    return table


def _prices(moment: Moment) -> Table:
    table = Table(
        title="Top 10 by market cap, as Elasticsearch answers", title_justify="left", box=None, pad_edge=False
    )
    for name, justify in (
        ("", "right"),
        ("coin", "left"),
        ("price USD", "right"),
        ("24 h", "right"),
        ("cap, bn", "right"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for rank, row in enumerate(moment.top, start=1):
        change = row.get("change_24h")
        style = "" if change is None else "green" if change >= 0 else "red"
        table.add_row(
            str(rank),
            f"{row['symbol']}  [dim]{row['name']}[/dim]",
            f"{row['price']:,.2f}" if row["price"] >= 1 else f"{row['price']:.6g}",
            Text("-" if change is None else f"{change:+.2f} %", style=style),
            f"{row.get('market_cap', 0) / 1e9:,.1f}",
        )
    return table


def _further(settings: Settings, env_file: str) -> Group:
    command = f"cryptoproxy --env-file {env_file}"
    es, alias = settings.elasticsearch.url, settings.elasticsearch.alias
    return Group(
        "[bold]Look further[/bold] (in another terminal, after `source .venv/bin/activate`)",
        f"  the topic        {command} tail",
        f"  a document       curl -s '{es}/{alias}/_search?size=1&sort=timestamp:desc&pretty'",
        f"  how many         curl -s '{es}/{alias}/_count?pretty'",
        f"  the poller       http://127.0.0.1:{settings.poller.port}/metrics",
        f"  the indexer      http://127.0.0.1:{settings.indexer.port}/readyz",
        f"  the lake         {command} lake ls",
    )
