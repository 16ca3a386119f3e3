"""Dashboard Market-wide: figures of the whole market, as CoinGecko tells them each 10 minutes."""

from __future__ import annotations

from cryptoproxy.datasets import MARKET
from kibana import names
from kibana.builders.charts import table, tiles, xy
from kibana.builders.columns import Json, average, largest, last, over_time, smallest, top
from kibana.builders.dashboard import Dashboard, Row
from kibana.builders.panels import Panel, note, question
from kibana.definitions import shared

_AMOUNT: Json = {"id": "number", "params": {"pattern": "0.00a"}}
_COUNT: Json = {"id": "number", "params": {"pattern": "0,0"}}
_CAP, _VOLUME = "metric: total-market-cap", "metric: total-volume"
_DOMINANCE = "metric: dominance-*"
_TRENDING, _EXCHANGES = "metric: trending-rank", "metric: volume-24h and asset_id: exchange-*"

ABOUT = note(
    "about",
    f"{shared.links(names.MARKET_WIDE)}\n\n"
    "The market as a whole: polled where `SOURCES` has `coingecko.market`. Sums of money are in the dollar, and in the "
    "currency of the prices beside it; exchanges' volumes in bitcoin.",
)


SUMS = question(
    "sums",
    "What is it worth, what is traded?",
    tiles(
        top("metric", 4, "Figure", apart=("quote", "source")),
        last("value", "Now", _AMOUNT),
        beside=largest("timestamp", "as of"),
        where=f"{_CAP} or {_VOLUME}",
    ),
    help_text="The newest total market cap and volume of 24 h, in each currency that is told.",
    dataset=MARKET,
)

COUNTS = question(
    "counts",
    "How did it change in 24 h?",
    tiles(
        top("metric", 4, "Figure", apart=("source",)),
        last("value", "Now"),
        beside=largest("timestamp", "as of"),
        where="metric: market-cap-change-24h or metric: volume-change-24h or metric: active-coins or metric: markets",
    ),
    help_text="Changes over 24 h in percent; coins that are traded, and markets.",
    dataset=MARKET,
)

CAP_OVER_TIME = question(
    "cap-over-time",
    "How did the whole market run?",
    xy(
        "line",
        x=over_time(),
        split=top("quote", 2, "Currency", apart=("source",)),
        y=[average("value", "Total market cap", _AMOUNT)],
        fits_data=True,
        where=_CAP,
    ),
    help_text="Total market cap, mean per step of time.",
    dataset=MARKET,
)

DOMINANCE = question(
    "dominance",
    "Whose share is it? (%)",
    xy(
        "bar_stacked",
        x=over_time(),
        split=top("metric", 12, "Coin", by=largest("value", "Share"), apart=("quote", "source")),
        y=[average("value", "Share of the market cap, %")],
        where=_DOMINANCE,
    ),
    help_text="Share of the total market cap of the largest coins, mean per step of time. Which ten they are may "
    "change; what lacks to 100 is all others.",
    dataset=MARKET,
)


def _trending() -> Panel:
    best = smallest("value", "Best rank")
    return question(
        "trending",
        "What do people look for?",
        table(
            rows=[top("asset_id", 30, "Coin"), top("source", 5, "Source")],
            metrics=[last("name", "Name"), last("value", "Newest rank"), best, largest("timestamp", "Last seen")],
            sort_by=best,
            where=_TRENDING,
        ),
        help_text="CoinGecko's list of coins that were searched for most, 1 is the first.",
        dataset=MARKET,
    )


def _exchanges() -> Panel:
    volume = last("value", "Volume of 24 h, in BTC", _COUNT)
    return question(
        "exchanges",
        "Where is it traded?",
        xy(
            "bar_horizontal",
            x=top("name", 20, "Exchange", by=volume, apart=("source",)),
            y=[volume],
            values_shown=True,
            where=_EXCHANGES,
        ),
        help_text="The exchanges of the largest volume at the newest poll, as CoinGecko tells it.",
        dataset=MARKET,
    )


def dashboard() -> Dashboard:
    return Dashboard(
        id=names.MARKET_WIDE,
        title="Crypto prices: Market-wide",
        description="Total market cap, dominance, what is trending, exchanges.",
        opens_on="now-7d",
        refresh_seconds=300,
        controls=[],
        rows=[
            Row(5, [ABOUT]),
            Row(8, [SUMS, COUNTS]),
            Row(14, [CAP_OVER_TIME, DOMINANCE]),
            Row(16, [_trending(), _exchanges()]),
        ],
    )
