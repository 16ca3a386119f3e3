"""Dashboard Trades: what is traded of one asset, at which price, and by whom it is pressed."""

from __future__ import annotations

from cryptoproxy.datasets import TRADE
from kibana import names
from kibana.builders.charts import table, tiles, xy
from kibana.builders.columns import Column, average, largest, last, over_time, records, smallest, top, total
from kibana.builders.controls import single
from kibana.builders.dashboard import Dashboard, Row
from kibana.builders.panels import note, question
from kibana.definitions import shared

ABOUT = note(
    "about",
    f"{shared.links(names.TRADES)}\n\n"
    "Each trade of **one** asset, as the exchange's stream tells it: choose source and asset above. Prices and "
    "volumes are in the asset's quote currency; a side is the taker's. Whether trades are missing is told by "
    "`cryptoproxy gaps`.",
)


def _assets() -> Column:
    return top("asset_id", 4, "Asset", by=largest("quote_volume", "Largest trade"), apart=("source", "quote"))


def _sides() -> Column:
    return top("side", 4, "Takers", by=largest("quote_volume", "Largest trade"), apart=("asset_id", "source"))


NOW = question(
    "now",
    "What was paid last?",
    tiles(
        _assets(),
        last("price", "Last price"),
        beside=largest("timestamp", "traded at"),
    ),
    help_text="The newest trade, and when it was.",
    dataset=TRADE,
)

PRICE = question(
    "price",
    "How did its price run?",
    xy(
        "line",
        x=over_time(),
        split=_assets(),
        y=[
            average("price", "Mean of the trades"),
            smallest("price", "Lowest"),
            largest("price", "Highest"),
        ],
        y_title="Price, in quote",
        fits_data=True,
    ),
    help_text="Of the trades in each step: lowest, highest, and their mean, each counting once. `cryptoproxy query "
    "trades` weighs it by volume (VWAP).",
    dataset=TRADE,
)

VOLUME = question(
    "volume",
    "How much was bought, how much sold?",
    xy(
        "bar_stacked",
        x=over_time(),
        split=_sides(),
        y=[total("quote_volume", "Volume, in quote")],
    ),
    help_text="By takers, in quote.",
    dataset=TRADE,
)

COUNT = question(
    "count",
    "How many trades?",
    xy("bar_stacked", x=over_time(), split=_sides(), y=[records("Trades")]),
    help_text="Of Binance aggregate ones: what one order took at one price.",
    dataset=TRADE,
)

STORED = question(
    "stored",
    "Which trades are there?",
    table(
        rows=[top("source", 10, "Source"), top("asset_id", 100, "Asset"), top("quote", 10, "Quote")],
        metrics=[
            records("Trades"),
            total("quote_volume", "Volume, in quote"),
            largest("quote_volume", "Largest trade"),
            last("price", "Last price"),
            smallest("timestamp", "From"),
            largest("timestamp", "To"),
        ],
    ),
    help_text="In the time shown, and under what is chosen above.",
    dataset=TRADE,
)


def dashboard() -> Dashboard:
    return Dashboard(
        id=names.TRADES,
        title="Crypto prices: Trades",
        description="Trades of one asset: price, volume, who bought and who sold.",
        opens_on="now-1h",
        refresh_seconds=30,
        controls=single(TRADE, source="binance", asset_id="BTCUSDT", quote=""),
        rows=[
            Row(5, [ABOUT]),
            Row(7, [NOW]),
            Row(14, [PRICE]),
            Row(12, [VOLUME]),
            Row(10, [COUNT]),
            Row(16, [STORED]),
        ],
    )
