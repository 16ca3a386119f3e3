"""Dashboard Volatility: how far and how often prices move.

One source is chosen from the start, as in Market. Where that choice is taken away, no panel mixes sources all the same:
every source sends ``change_24h``, and BTCUSDT is another thing at each of the exchanges, so all is split by source.
"""

from __future__ import annotations

from kibana import names
from kibana.builders.charts import table, xy
from kibana.builders.columns import (
    average,
    bands,
    deviation,
    largest,
    last,
    median,
    over_time,
    percentile,
    records,
    smallest,
)
from kibana.builders.dashboard import Dashboard, Row
from kibana.builders.panels import note, question
from kibana.definitions import shared

PERCENTILES = (5, 25, 50, 75, 95)

ABOUT = note(
    "about",
    f"{shared.links(names.VOLATILITY)}\n\n"
    "**change_24h** is the source's own change over 24 hours, in percent; Bybit sends it as a fraction, "
    "**price_24h_pcnt**, and the record has both. *Share of time* is share of polls, which are evenly spaced while the "
    "interval stays the same. The ten most traded are shown; volumes count in each asset's quote, so choose a "
    "**quote** "
    "where a source has several.",
)

CHANGE_PERCENTILES = question(
    "change-percentiles",
    "In what range do they move? (24 h, %)",
    xy(
        "bar",
        x=shared.markets(10),
        y=[percentile("change_24h", percent, f"{percent}th") for percent in PERCENTILES],
        y_title="24 h change, %",
        where=shared.CHANGE_24H,
    ),
    help_text="Percentiles of the 24 h change. Half of the time it was between the 25th and the 75th percentile, "
    "nine tenths of the time between the 5th and the 95th.",
)

CHANGE_OVER_TIME = question(
    "change-over-time",
    "When did they move? (24 h change, %)",
    xy(
        "line",
        x=over_time(),
        split=shared.markets(10),
        y=[median("change_24h", "Median 24 h change, %")],
        y_title="24 h change, %",
        where=shared.CHANGE_24H,
    ),
    help_text="The 24 h change of the ten most traded: median per step of time.",
)

SHARE_OF_TIME = question(
    "share-of-time",
    "How often do they move?",
    xy(
        "bar_horizontal_percentage_stacked",
        x=shared.markets(10),
        split=bands(
            "24 h change",
            {
                "beyond ±10 %": "change_24h >= 10 or change_24h <= -10",
                "±5 to ±10 %": "(change_24h >= 5 and change_24h < 10) or (change_24h <= -5 and change_24h > -10)",
                "±1 to ±5 %": "(change_24h >= 1 and change_24h < 5) or (change_24h <= -1 and change_24h > -5)",
                "within ±1 %": "change_24h < 1 and change_24h > -1",
            },
        ),
        y=[records("Polls")],
        y_title="Share of the time",
        where=shared.CHANGE_24H,
    ),
    help_text="Share of polls whose 24 h change is in each band. Beyond ±5 % is the first two bands together, beyond "
    "±1 % the first three.",
)

CHANGE_DEVIATION = question(
    "change-deviation",
    "Whose change swings most?",
    xy(
        "bar_horizontal",
        x=shared.assets(10, apart=("quote",)),
        split=shared.sources(),
        y=[deviation("change_24h", "Standard deviation of the 24 h change")],
        y_title="Standard deviation, percentage points",
        values_shown=True,
        where=shared.CHANGE_24H,
    ),
    help_text="Standard deviation of the 24 h change, in percentage points: comparable between assets, unlike the "
    "standard deviation of prices.",
)


PRICE_DEVIATION = question(
    "price-deviation",
    "How far do prices spread?",
    table(
        rows=[shared.assets(100), shared.sources(), shared.quotes()],
        metrics=[
            average("price", "Average price"),
            deviation("price", "Standard deviation"),
            smallest("price", "Lowest"),
            largest("price", "Highest"),
        ],
    ),
    help_text="Standard deviation of the price, in the asset's quote: compare it with the average price beside it. "
    "The 100 most traded assets.",
)

DAY_RANGE = question(
    "day-range",
    "How wide is the day's range?",
    table(
        rows=[shared.symbols(100), shared.assets(10), shared.sources(), shared.quotes()],
        metrics=[
            last("price", "Last price"),
            last("low_24h", "24 h low"),
            last("high_24h", "24 h high"),
            last("change_24h", "24 h change, %"),
        ],
    ),
    help_text="The source's own lowest and highest price of the last 24 hours, in its newest record.",
)

DETAIL = question(
    "detail",
    "How did each behave?",
    table(
        rows=[shared.symbols(100), shared.assets(10), shared.sources(), shared.quotes()],
        metrics=[
            records("Polls"),
            records("Polls beyond ±1 %", where="change_24h >= 1 or change_24h <= -1"),
            records("Polls beyond ±5 %", where="change_24h >= 5 or change_24h <= -5"),
            records("Polls beyond ±10 %", where="change_24h >= 10 or change_24h <= -10"),
            smallest("change_24h", "Lowest"),
            percentile("change_24h", 5, "5th percentile"),
            percentile("change_24h", 50, "Median"),
            percentile("change_24h", 95, "95th percentile"),
            largest("change_24h", "Highest"),
            deviation("change_24h", "Standard deviation"),
            average("price", "Average price"),
        ],
        where=shared.CHANGE_24H,
    ),
    help_text="The 24 h change of the 100 most traded symbols; one line per asset, source and quote. Click a column "
    "to sort by it.",
)


def dashboard(source: str = shared.DEFAULT_SOURCE) -> Dashboard:
    return Dashboard(
        id=names.VOLATILITY,
        title="Crypto prices: Volatility",
        description="How far, how often and when prices move.",
        opens_on="now-7d",
        controls=shared.which_assets(source=source),
        rows=[
            Row(5, [ABOUT]),
            Row(14, [CHANGE_PERCENTILES, SHARE_OF_TIME]),
            Row(14, [CHANGE_OVER_TIME]),
            Row(16, [CHANGE_DEVIATION, PRICE_DEVIATION], widths=[20, 28]),
            Row(14, [DAY_RANGE]),
            Row(18, [DETAIL]),
        ],
    )
