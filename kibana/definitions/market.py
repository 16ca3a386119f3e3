"""Dashboard Market: what is worth how much, what moves, what is traded.

One source is chosen from the start, so that one market is looked at. Where that choice is taken away, everything stays
split by source, and averages by quote as well: no average mixes two of them.
"""

from __future__ import annotations

from kibana import names
from kibana.builders.charts import table, tiles, xy
from kibana.builders.columns import average, largest, last, median, over_time, smallest
from kibana.builders.dashboard import Dashboard, Row
from kibana.builders.panels import Panel, note, question
from kibana.definitions import shared

ABOUT = note(
    "about",
    f"{shared.links(names.MARKET)}\n\n"
    "One **source** at a time: choose it above. Choose a **symbol** to see one asset alone. Prices, volumes and market "
    "caps are in each asset's own **quote** currency; where a source has several, choose one, or ranks compare "
    "different "
    "money. A symbol can stand for several assets (a coin and its bridged copies): charts by symbol then show their "
    "mean, all others tell assets apart; **Asset** chooses one.",
)

NOW = question(
    "now",
    "What do they cost now?",
    tiles(
        shared.markets(6),
        last("price", "Last price"),
        beside=last("change_24h", "24 h change, %"),
    ),
    help_text="The newest record of the six most traded, or of the symbol that is chosen above; its 24 h change "
    "beside it.",
)

CHANGE_OVER_TIME = question(
    "change-over-time",
    "Who rose, who fell? (24 h change, %)",
    xy(
        "line",
        x=over_time(),
        split=shared.markets(10),
        y=[median("change_24h", "24 h change, %")],
        where=shared.CHANGE_24H,
    ),
    help_text="The ten most traded on one scale: the source's own change over the 24 hours before each moment, "
    "median per "
    "step of time. A dotted line bridges missing records.",
)


def _price_over_time() -> Panel:
    ranked = largest("market_cap", "Market cap")
    return question(
        "price-over-time",
        "How did one price run?",
        xy(
            "line",
            x=over_time(),
            split=shared.markets(1, by=ranked),
            y=[
                smallest("price", "lowest"),
                average("price", "mean"),
                largest("price", "highest"),
            ],
            y_title="Price, in quote",
            fits_data=True,
        ),
        help_text="The symbol that is chosen above, or the one of the largest market cap: lowest, mean and highest "
        "of the "
        "polls in each step of time. The axis begins near the lowest.",
    )


def _top_by_market_cap() -> Panel:
    cap = average("market_cap", "Average market cap")
    return question(
        "top-by-market-cap",
        "Which are the largest?",
        xy(
            "bar_horizontal",
            x=shared.assets(10, by=cap, apart=("quote",)),
            split=shared.sources(),
            y=[cap],
            y_title="Average market cap, in quote",
            values_shown=True,
            where="market_cap: *",
        ),
        help_text="Mean of all records in the time shown. Only CoinGecko sends market caps.",
    )


def _movers(*, up: bool) -> Panel:
    change = last("change_24h", "Last 24 h change, %")
    way, word = ("up", "rose") if up else ("down", "fell")
    return question(
        f"movers-{way}",
        f"Who {word} most in 24 h?",
        xy(
            "bar_horizontal",
            x=shared.assets(10, by=change, ascending=not up),
            split=shared.sources(),
            y=[change],
            y_title="24 h change at the newest record, %",
            values_shown=True,
            where=shared.CHANGE_24H,
        ),
        help_text="The source's own 24 h change in its newest record.",
    )


VOLUME = question(
    "volume",
    "How much is traded?",
    xy(
        "bar_stacked",
        x=over_time(),
        split=shared.markets(10),
        y=[average("volume_24h", "Average 24 h volume")],
        y_title="24 h volume, in quote",
    ),
    help_text="The ten most traded. The volume of the 24 hours before each moment, so neighbouring bars overlap in "
    "what "
    "they count.",
)


def _table() -> Panel:
    cap = last("market_cap", "Market cap")
    return question(
        "assets",
        "Where does each asset stand?",
        table(
            rows=[],
            hidden=[shared.assets(250), shared.sources(), shared.quotes()],
            metrics=[
                last("name", "Name"),
                last("symbol", "Symbol"),
                last("price", "Last price"),
                cap,
                last("change_24h", "24 h change, %"),
                last("volume_24h", "24 h volume"),
                last("quote", "Quote"),
                last("source", "Source"),
                largest("timestamp", "As of"),
            ],
            sort_by=cap,
        ),
        help_text="The 250 most traded. Each line is one asset at one source; each value is from its newest record "
        "that "
        "has one.",
    )


def dashboard(source: str) -> Dashboard:
    return Dashboard(
        id=names.MARKET,
        title="Crypto prices: Market",
        description="Prices, market caps, movers and volumes of one source.",
        opens_on="now-24h",
        refresh_seconds=60,
        controls=shared.which_assets(source=source),
        rows=[
            Row(5, [ABOUT]),
            Row(8, [NOW]),
            Row(15, [CHANGE_OVER_TIME, _price_over_time()]),
            Row(14, [_movers(up=True), _movers(up=False), _top_by_market_cap()]),
            Row(20, [_table()]),
            Row(14, [VOLUME]),
        ],
    )
