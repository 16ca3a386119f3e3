"""What a person sees during the demo: a live picture in a terminal, plain lines without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cryptoproxy.cli.demo.tally import Tally
from cryptoproxy.common.settings import Settings


@dataclass(frozen=True, slots=True)
class Moment:
    """All that is shown, at one time."""

    elapsed: float
    poller: Mapping[str, float]
    indexer: Mapping[str, float]
    tallies: Sequence[Tally]
    objects: int
    top: list[dict[str, Any]]
    alerts: Sequence[str]
    """The newest first."""

    @property
    def lag(self) -> int:
        return int(self.indexer.get("cryptoproxy_lag_records", 0))


def plain(moment: Moment) -> str:
    """One line, for logs and pipes."""
    counts = "; ".join(
        f"{each.dataset}s: fetched {each.fetched}, on the topic {each.topic}, indexed {each.documents}, "
        f"in the lake {each.lake}"
        for each in moment.tallies
    )
    line = f"{moment.elapsed:5.0f} s  {counts}; {counted(moment.objects, 'object')}, lag {moment.lag}"
    return "\n".join([line, *(f"         alert  {each}" for each in moment.alerts[:1])])


def counted(number: int, what: str) -> str:
    """``1 poll``, ``2 polls``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def picture(
    moment: Moment, settings: Settings, env_file: str, left: float | None, *, height: int = 24
) -> RenderableType:
    """The live view. It fits into ``height`` lines: what does not is the smallest of the coins, never a command."""
    end = "Ctrl-C ends it" if left is None else f"ends in {left:.0f} s"
    title = Text(f"cryptoproxy demo, {moment.elapsed:.0f} s, {end}", style="bold")
    further = _further(settings, env_file)
    alerts = [Text(f"alert  {each}", style="red", no_wrap=True, overflow="ellipsis") for each in moment.alerts]
    lines_besides = 1 + 1 + len(STAGES) + 1 + 2 + 1 + len(alerts) + len(further) + 1
    coins = max(1, min(len(moment.top), height - lines_besides))
    return Group(title, _stages(moment), "", _prices(moment, coins), *alerts, "", *further)


COIN_WIDTH = 42
"""Of 80: so no name makes a price narrower."""
STAGES = ("fetched", "on the topic", "indexed", "in the lake")


def _stages(moment: Moment) -> Table:
    table = Table(box=None, pad_edge=False, header_style="")
    table.add_column("")
    for tally in moment.tallies:
        table.add_column(f"{tally.dataset}s", justify="right")
    table.add_column("")
    polls = int(moment.poller.get("cryptoproxy_polls_total", 0))
    missed = int(moment.poller.get("cryptoproxy_slots_missed_total", 0))
    words = (
        f"by {counted(polls, 'poll')}, {counted(missed, 'slot')} missed; candles: 7 days",
        "acknowledged by Kafka",
        f"lag {moment.lag}",
        f"in {counted(moment.objects, 'object')} on S3",
    )
    rows = zip(*((each.fetched, each.topic, each.documents, each.lake) for each in moment.tallies), strict=True)
    for name, counts, word in zip(STAGES, rows, words, strict=True):
        table.add_row(name, *map(str, counts), word)
    return table


def _prices(moment: Moment, coins: int) -> Table:
    table = Table(
        title="Top coins by market cap, as Elasticsearch answers", title_justify="left", box=None, pad_edge=False
    )
    for name, justify in (
        ("", "right"),
        ("coin", "left"),
        ("price USD", "right"),
        ("24 h", "right"),
        ("cap, bn", "right"),
    ):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for rank, row in enumerate(moment.top[:coins], start=1):
        change = row.get("change_24h")
        rounded = None if change is None else round(change, 2) + 0.0  # without the sign of a zero
        style = "" if rounded is None else "green" if rounded >= 0 else "red"
        coin = Text.assemble(row["symbol"], "  ", (row["name"], "dim"))
        coin.truncate(COIN_WIDTH, overflow="ellipsis")
        table.add_row(
            str(rank),
            coin,
            f"{row['price']:,.2f}" if row["price"] >= 1 else f"{row['price']:.6g}",
            Text("-" if rounded is None else f"{rounded:+.2f} %", style=style),
            f"{row.get('market_cap', 0) / 1e9:,.1f}",
        )
    return table


def _further(settings: Settings, env_file: str) -> list[Text]:
    """Lines to copy, each whole: nothing of them is cut or broken by a frame."""
    es, alias = settings.elasticsearch.url, settings.elasticsearch.alias
    lines = [
        f"  alias demo='cryptoproxy --env-file {env_file}'",
        "  demo status; demo query latest; demo tail; demo lake ls",
        "  demo query candles --source binance --interval 1h --since 3d",
        f"  curl -s '{es}/{alias}/_search?size=1&pretty'",
        f"  curl -s 127.0.0.1:{settings.poller.port}/metrics   # the indexer: {settings.indexer.port}",
    ]
    head = Text("Look further, in another terminal after `source .venv/bin/activate`:", style="bold")
    return [head, *(Text(line, no_wrap=True, overflow="ignore") for line in lines)]
