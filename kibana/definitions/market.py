"""Dashboard Market: what is worth how much, what moves, what is traded.

One source is chosen from the start, so that no average mixes sources, and with them quotes. Where a bar stands for
an asset it is also split by source: it stays true when the choice is taken away.
"""

from __future__ import annotations

from kibana import names
from kibana.builders.charts import table, xy
from kibana.builders.columns import average, largest, last, over_time
from kibana.builders.dashboard import Dashboard, Row
from kibana.builders.panels import Panel, note, question
from kibana.definitions import shared

ABOUT = note(
    "about",
    f"{shared.links(names.MARKET)}\n\n"
    "One **source** at a time: choose it above. Prices, volumes and market caps are in each asset's own **quote** "
    "currency; where a source has several, choose one, or ranks compare different money. A symbol can stand for "
    "several assets (a coin and its bridged copies): charts by symbol then show their mean, all others tell assets "
    "apart; **Asset** chooses one.",
)

PRICE_OVER_TIME = question(
    "price-over-time",
    "How do the prices of the ten most traded symbols run? (logarithmic axis)",
    xy(
        "line",
        x=over_time(),
        split=shared.symbols(10),
        y=[average("price", "Average price")],
        y_title="Price, in quote",
        log=True,
    ),
    help_text="Mean price per step of time. Equal distances are equal ratios. A dotted line bridges missing records.",
)


def _top_by_price() -> Panel:
    price = average("price", "Average price")
    return question(
        "top-by-average-price",
        "Which ten assets have the highest average price?",
        xy(
            "bar_horizontal",
            x=shared.assets(10, by=price),
            split=shared.sources(),
            y=[price],
            y_title="Average price, in quote",
            values_shown=True,
        ),
        help_text="Mean of all records in the time shown.",
    )


def _top_by_market_cap() -> Panel:
    cap = average("market_cap", "Average market cap", shared.SHORT)
    return question(
        "top-by-market-cap",
        "Which ten assets have the largest market cap? (CoinGecko)",
        xy(
            "bar_horizontal",
            x=shared.assets(10, by=cap),
            split=shared.sources(),
            y=[cap],
            y_title="Average market cap, in quote",
            values_shown=True,
            where="market_cap: *",
        ),
        help_text="Mean of all records in the time shown. Only CoinGecko sends market caps.",
    )


def _movers(*, up: bool) -> Panel:
    change = last("change_24h", "Last 24 h change", shared.PERCENT)
    way, word = ("up", "rose") if up else ("down", "fell")
    return question(
        f"movers-{way}",
        f"Which ten assets {word} most in the last 24 hours?",
        xy(
            "bar_horizontal",
            x=shared.assets(10, by=change, ascending=not up),
            split=shared.sources(),
            y=[change],
            y_title="24 h change at the newest record",
            values_shown=True,
            where=shared.CHANGE_24H,
        ),
        help_text="The source's own 24 h change in its newest record. CoinGecko and Binance; for Bybit see the table.",
    )


VOLUME = question(
    "volume",
    "How much is traded? (24 h volume of the ten most traded symbols)",
    xy(
        "bar_stacked",
        x=over_time(),
        split=shared.symbols(10),
        y=[average("volume_24h", "Average 24 h volume", shared.SHORT)],
        y_title="24 h volume, in quote",
    ),
    help_text="The volume of the 24 hours before each moment, so neighbouring bars overlap in what they count.",
)


def _table() -> Panel:
    cap = last("market_cap", "Market cap", shared.SHORT)
    return question(
        "assets",
        "Where does each asset stand now? (the 250 most traded)",
        table(
            rows=[],
            hidden=[shared.assets(250), shared.sources()],
            metrics=[
                last("name", "Name"),
                last("symbol", "Symbol"),
                last("price", "Last price"),
                cap,
                last("change_24h", "24 h change", shared.PERCENT),
                last("price_24h_pcnt", "24 h change (Bybit)", shared.FRACTION),
                last("volume_24h", "24 h volume", shared.SHORT),
                last("quote", "Quote"),
                last("source", "Source"),
                largest("timestamp", "As of"),
            ],
            sort_by=cap,
        ),
        help_text="Each line is one asset at one source; each value is from its newest record that has one.",
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
            Row(15, [PRICE_OVER_TIME]),
            Row(14, [_top_by_price(), _top_by_market_cap()]),
            Row(14, [_movers(up=True), _movers(up=False)]),
            Row(20, [_table()]),
            Row(14, [VOLUME]),
        ],
    )
