"""Dashboard Usage: who asks the door for what, and how many calls of the upstreams that saves."""

from __future__ import annotations

from cryptoproxy.datasets import USAGE
from kibana import names
from kibana.builders.charts import table, tiles, xy
from kibana.builders.columns import Column, largest, over_time, top, total
from kibana.builders.controls import Control
from kibana.builders.dashboard import Dashboard, Row
from kibana.builders.panels import Panel, note, question
from kibana.definitions import shared

ABOUT = note(
    "about",
    f"{shared.links(names.USAGE)}\n\n"
    "What each team asks the door (`cryptoproxy serve`) for. **Saved**: answered from the road, the index, or what "
    "somebody else had asked; by itself the team would have called the upstream. **Made**: calls made for it.",
)


def _teams(size: int = 6) -> Column:
    return top("team", size, "Team", by=largest("requests", "Most in a minute"))


def _paths(size: int) -> Column:
    return top("path", size, "Path", by=largest("requests", "Most in a minute"))


SUMS = question(
    "sums",
    "How many calls does each team save?",
    tiles(_teams(), total("saved", "Calls saved"), beside=total("made", "made")),
    help_text="In the time shown.",
    dataset=USAGE,
)

OVER_TIME = question(
    "over-time",
    "When do they ask?",
    xy("bar_stacked", x=over_time(), split=_teams(), y=[total("requests", "Questions")]),
    help_text="Questions that were admitted, by team.",
    dataset=USAGE,
)

MADE = question(
    "made",
    "What costs calls of an upstream?",
    xy("bar_stacked", x=over_time(), split=_paths(10), y=[total("made", "Calls made")]),
    help_text="What the road does not carry and was read through, by path.",
    dataset=USAGE,
)

REFUSED = question(
    "refused",
    "Who asks more than it may?",
    xy("bar_stacked", x=over_time(), split=_teams(), y=[total("refused", "Refused")]),
    help_text="Questions refused with 429.",
    dataset=USAGE,
)


def _all() -> Panel:
    return question(
        "all",
        "Who asks for what?",
        table(
            rows=[_teams(50), _paths(100)],
            metrics=[
                total("requests", "Questions"),
                total("saved", "Saved"),
                total("made", "Made"),
                total("refused", "Refused"),
            ],
        ),
        help_text="Sums over the time shown, of all doors.",
        dataset=USAGE,
    )


def dashboard() -> Dashboard:
    return Dashboard(
        id=names.USAGE,
        title="Crypto prices: Usage",
        description="Who asks the door for what, and how many calls that saves.",
        opens_on="now-24h",
        refresh_seconds=60,
        controls=[Control("team", "Team", dataset=USAGE), Control("path", "Path", dataset=USAGE)],
        rows=[Row(5, [ABOUT]), Row(7, [SUMS]), Row(12, [OVER_TIME, MADE]), Row(12, [REFUSED]), Row(18, [_all()])],
    )
