"""Dashboard Volatility: how far and how often prices move.

No source is chosen from the start, as Bybit's changes come in a field of their own. No panel mixes sources all the
same: ``change_24h`` is sent by CoinGecko and Binance, which have no symbol in common (BTC, BTCUSDT), and whatever
several sources send is split by source.
"""

from __future__ import annotations

from kibana import names
from kibana.builders.charts import table, xy
from kibana.builders.columns import (
    average,
    bands,
    deviation,
    largest,
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
    "**change_24h** is the source's own change over 24 hours, in percent (CoinGecko, Binance); Bybit sends "
    "**price_24h_pcnt** instead. *Share of time* is share of polls, which are evenly spaced. The ten most traded are "
    "shown; volumes count in each asset's quote, so choose a **source** and a **quote** where several are polled.",
)

CHANGE_PERCENTILES = question(
    "change-percentiles",
    "In what range does the 24 h change of each symbol lie? (percentiles)",
    xy(
        "bar",
        x=shared.symbols(10),
        y=[percentile("change_24h", percent, f"{percent}th", shared.PERCENT) for percent in PERCENTILES],
        y_title="24 h change",
        where=shared.CHANGE_24H,
    ),
    help_text="Half of the time the change was between the 25th and the 75th percentile, "
    "nine tenths of the time between the 5th and the 95th.",
)

CHANGE_OVER_TIME = question(
    "change-over-time",
    "When did they move? (median 24 h change)",
    xy(
        "line",
        x=over_time(),
        split=shared.symbols(10),
        y=[median("change_24h", "Median 24 h change", shared.PERCENT)],
        y_title="24 h change",
        where=shared.CHANGE_24H,
    ),
    help_text="Median per step of time.",
)

SHARE_OF_TIME = question(
    "share-of-time",
    "What share of the time was the 24 h change beyond ±1, ±5 and ±10 %?",
    xy(
        "bar_horizontal_percentage_stacked",
        x=shared.symbols(10),
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
    help_text="Share of polls in each band. Beyond ±5 % is the first two bands together, beyond ±1 % the first three.",
)

CHANGE_DEVIATION = question(
    "change-deviation",
    "How much does the 24 h change swing? (standard deviation, percentage points)",
    xy(
        "bar_horizontal",
        x=shared.assets(10),
        split=shared.sources(),
        y=[deviation("change_24h", "Standard deviation of the 24 h change")],
        y_title="Standard deviation",
        values_shown=True,
        where=shared.CHANGE_24H,
    ),
    help_text="Comparable between assets, unlike the standard deviation of prices.",
)


PRICE_DEVIATION = question(
    "price-deviation",
    "How far do prices spread? (standard deviation of price, in quote)",
    table(
        rows=[shared.assets(100), shared.sources(), shared.quotes()],
        metrics=[
            average("price", "Average price"),
            deviation("price", "Standard deviation"),
            smallest("price", "Lowest"),
            largest("price", "Highest"),
        ],
    ),
    help_text="In the asset's quote: compare it with the average price beside it. The 100 most traded assets.",
)

BYBIT_PERCENTILES = question(
    "bybit-percentiles",
    "In what range does Bybit's 24 h change lie? (percentiles of price_24h_pcnt)",
    table(
        rows=[shared.symbols(100), shared.sources(label="Market")],
        metrics=[
            *(percentile("price_24h_pcnt", percent, f"{percent}th", shared.FRACTION) for percent in PERCENTILES),
            deviation("price_24h_pcnt", "Standard deviation", shared.FRACTION),
            records("Polls"),
        ],
        where="price_24h_pcnt: *",
    ),
    help_text="A fraction at Bybit, shown in percent. One line per symbol and market: linear, inverse, spot.",
)

DETAIL = question(
    "detail",
    "How did each symbol behave? (24 h change in detail)",
    table(
        rows=[shared.symbols(100), shared.assets(10), shared.sources(), shared.quotes()],
        metrics=[
            records("Polls"),
            records("Polls beyond ±1 %", where="change_24h >= 1 or change_24h <= -1"),
            records("Polls beyond ±5 %", where="change_24h >= 5 or change_24h <= -5"),
            records("Polls beyond ±10 %", where="change_24h >= 10 or change_24h <= -10"),
            smallest("change_24h", "Lowest", shared.PERCENT),
            percentile("change_24h", 5, "5th percentile", shared.PERCENT),
            percentile("change_24h", 50, "Median", shared.PERCENT),
            percentile("change_24h", 95, "95th percentile", shared.PERCENT),
            largest("change_24h", "Highest", shared.PERCENT),
            deviation("change_24h", "Standard deviation"),
            average("price", "Average price"),
        ],
        where=shared.CHANGE_24H,
    ),
    help_text="The 100 most traded symbols; one line per asset, source and quote. Click a column to sort by it.",
)


def dashboard() -> Dashboard:
    return Dashboard(
        id=names.VOLATILITY,
        title="Crypto prices: Volatility",
        description="How far, how often and when prices move.",
        opens_on="now-7d",
        controls=shared.which_assets(source=None),
        rows=[
            Row(5, [ABOUT]),
            Row(14, [CHANGE_PERCENTILES, SHARE_OF_TIME]),
            Row(14, [CHANGE_OVER_TIME]),
            Row(16, [CHANGE_DEVIATION, PRICE_DEVIATION], widths=[20, 28]),
            Row(14, [BYBIT_PERCENTILES]),
            Row(18, [DETAIL]),
        ],
    )
