"""Dashboard Alerts: what watch has found, by rule and asset; an alert is a record at its begin and one at its end."""

from __future__ import annotations

from cryptoproxy.datasets import ALERT
from kibana import names
from kibana.builders.charts import table, tiles, xy
from kibana.builders.columns import largest, last, over_time, records, top
from kibana.builders.controls import Control
from kibana.builders.dashboard import Dashboard, Row
from kibana.builders.panels import Panel, note, question
from kibana.definitions import shared

_OPENED = "state: open"

ABOUT = note(
    "about",
    f"{shared.links(names.ALERTS)}\n\n"
    "What `cryptoproxy watch` has found by its rules: a record when one begins to hold for an asset, another when it "
    "has ended.",
)

COUNTS = question(
    "counts",
    "How many began, and how bad?",
    tiles(
        top("severity", 3, "Severity"),
        records("Alerts"),
        beside=largest("timestamp", "the last at"),
        where=_OPENED,
    ),
    help_text="Alerts that began in the time shown, by severity.",
    dataset=ALERT,
)

OVER_TIME = question(
    "over-time",
    "When did they begin?",
    xy(
        "bar_stacked",
        x=over_time(),
        split=top("rule", 10, "Rule"),
        y=[records("Alerts")],
        where=_OPENED,
    ),
    help_text="Alerts that began, by rule.",
    dataset=ALERT,
)

RULES = question(
    "rules",
    "Which rules speak most?",
    xy(
        "bar_horizontal",
        x=top("rule", 20, "Rule"),
        y=[records("Alerts")],
        values_shown=True,
        where=_OPENED,
    ),
    help_text="A rule that speaks all day is one that nobody reads: give it a cool-down, or another threshold.",
    dataset=ALERT,
)


def _newest() -> Panel:
    newest = largest("timestamp", "Moment")
    return question(
        "newest",
        "What holds, and what has ended?",
        table(
            rows=[top("rule", 50, "Rule"), top("asset", 100, "Asset")],
            metrics=[
                newest,
                last("state", "State"),
                last("severity", "Severity"),
                last("value", "Value"),
                last("threshold", "Threshold"),
                last("unit", "Unit"),
                last("words", "In words"),
            ],
            sort_by=newest,
        ),
        help_text="The newest record of each rule and asset: open where it still holds.",
        dataset=ALERT,
    )


def dashboard() -> Dashboard:
    return Dashboard(
        id=names.ALERTS,
        title="Crypto prices: Alerts",
        description="What watch has found: open and ended, by rule and asset.",
        opens_on="now-24h",
        refresh_seconds=60,
        controls=[
            Control("rule", "Rule", dataset=ALERT),
            Control("asset", "Asset", dataset=ALERT),
            Control("severity", "Severity", dataset=ALERT),
        ],
        rows=[Row(5, [ABOUT]), Row(7, [COUNTS]), Row(12, [OVER_TIME, RULES]), Row(18, [_newest()])],
    )
