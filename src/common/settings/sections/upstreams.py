"""What is asked for, how often, and how much of it is allowed."""

from __future__ import annotations

from dataclasses import dataclass

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.loading import secret, setting
from cryptoproxy.common.settings.secret import Secret
from cryptoproxy.common.settings.sections.streams import Books

SOURCE_NAMES = ("coingecko", "binance", "bybit-linear", "bybit-inverse", "bybit-spot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstreams(Books):
    """What is asked for, how often, and how much of it is allowed."""

    sources: tuple[str, ...] = setting(
        "SOURCES",
        kinds.names(lambda: SOURCE_NAMES),
        "coingecko",
        f"What to poll: {', '.join(f'`{name}`' for name in SOURCE_NAMES)} are their tickers; another dataset of theirs "
        "stands behind a dot (`binance.candle-1m`); `binance.trade`, `binance.book` and what ends in `@stream` come by "
        "stream. A wrong name lists all that there are.",
        example="coingecko,binance",
    )
    interval: float = setting(
        "KAFKA_PRODUCER_BATCH_INTERVAL",
        kinds.interval(),
        "60",
        "Seconds between polls: the default of each source's own interval.",
    )
    coingecko_interval: float | None = setting(
        "COINGECKO_INTERVAL", kinds.interval(), "", "Seconds between polls of CoinGecko.", example="60"
    )
    coingecko_base_url: str | None = setting(
        "COINGECKO_BASE_URL",
        kinds.url(),
        "",
        "Another address than the plan's own.",
        example="https://api.coingecko.com/api/v3",
    )
    coingecko_plan: str = setting(
        "COINGECKO_PLAN",
        kinds.choice("keyless", "demo", "pro"),
        "keyless",
        "Decides address, key header and default budget.",
    )
    coingecko_api_key: Secret = secret("COINGECKO_API_KEY", "Key of the demo or pro plan.")
    coingecko_top_n: int = setting(
        "COINGECKO_TOP_N",
        kinds.whole(1, 10_000),
        "50",
        "How many coins, by market cap; more than 250 take further calls.",
        example="250",
    )
    coingecko_ids: tuple[str, ...] | None = setting(
        "COINGECKO_IDS", kinds.names(), "", "These coins instead of the top.", example="bitcoin,ethereum"
    )
    coingecko_category: str | None = setting(
        "COINGECKO_CATEGORY",
        kinds.matching(
            r"[a-z0-9][a-z0-9-]{0,99}", "category", "must be a category's id: lower-case letters, digits, -"
        ),
        "",
        "The top of this category instead of the whole market.",
        example="decentralized-finance-defi",
    )
    coingecko_include_rehypothecated: bool = setting(
        "COINGECKO_INCLUDE_REHYPOTHECATED",
        kinds.boolean(),
        "false",
        "Coins that stand for others as well, WETH and stETH among them: CoinGecko leaves them out of the top.",
        example="true",
    )
    coingecko_candle_ids: tuple[str, ...] | None = setting(
        "COINGECKO_CANDLE_IDS",
        kinds.names(),
        "",
        "Coins whose candles to poll, a call for each; by default those of COINGECKO_IDS.",
        example="bitcoin",
    )
    coingecko_quote: str = setting(
        "COINGECKO_QUOTE",
        kinds.matching(r"[a-z]{2,10}", "currency", "must be lower-case letters"),
        "usd",
        "Currency of the prices.",
        example="eur",
    )
    coingecko_calls_per_minute: int | None = setting(
        "COINGECKO_CALLS_PER_MINUTE",
        kinds.whole(0, 10_000),
        "",
        "Calls allowed per minute; by plan 5, 30 or 500. 0: no limit.",
        example="30",
    )
    coingecko_calls_per_month: int | None = setting(
        "COINGECKO_CALLS_PER_MONTH",
        kinds.whole(0, 1_000_000_000),
        "",
        "Calls allowed per calendar month; by plan none, 10000 or 500000. 0: no limit.",
        example="10000",
    )
    binance_interval: float = setting("BINANCE_INTERVAL", kinds.interval(), "1", "Seconds between polls of Binance.")
    binance_base_url: str = setting("BINANCE_BASE_URL", kinds.url(), "https://api.binance.com", "Address of Binance.")
    binance_symbols: tuple[str, ...] = setting(
        "BINANCE_SYMBOLS",
        kinds.names(label="list, or `*` for the whole market"),
        "BTCUSDT,ETHUSDT",
        "Pairs to ask for.",
        example="*",
    )
    binance_candle_symbols: tuple[str, ...] | None = setting(
        "BINANCE_CANDLE_SYMBOLS",
        kinds.names(),
        "",
        "Pairs whose candles to poll, a call for each; by default those of BINANCE_SYMBOLS, where they are named.",
        example="BTCUSDT",
    )
    binance_weight_per_minute: int = setting(
        "BINANCE_WEIGHT_PER_MINUTE",
        kinds.whole(0, 1_000_000),
        "6000",
        "Weight allowed per minute and address; slows down above 90 %. 0: no limit.",
    )
    bybit_interval: float | None = setting(
        "BYBIT_INTERVAL", kinds.interval(), "", "Seconds between polls of each Bybit market.", example="10"
    )
    bybit_base_url: str = setting("BYBIT_BASE_URL", kinds.url(), "https://api.bybit.com", "Address of Bybit.")
    bybit_symbols: tuple[str, ...] = setting(
        "BYBIT_SYMBOLS",
        kinds.names(label="list, or `*` for the whole market"),
        "*",
        "Symbols to keep.",
        example="BTCUSDT,ETHUSDT",
    )
    bybit_candle_symbols: tuple[str, ...] | None = setting(
        "BYBIT_CANDLE_SYMBOLS",
        kinds.names(),
        "",
        "Symbols whose candles to poll, a call for each; by default those of BYBIT_SYMBOLS, where they are named.",
        example="BTCUSDT",
    )
    bybit_api: str = setting(
        "BYBIT_API", kinds.choice("v5", "v2"), "v5", "Which of Bybit's interfaces to ask; v2 is the one before 2023."
    )
    bybit_calls_per_5s: int = setting(
        "BYBIT_CALLS_PER_5S",
        kinds.whole(0, 100_000),
        "300",
        "Calls allowed in 5 seconds and address; Bybit itself bans above 600. 0: no limit.",
    )
    history: tuple[str, ...] | None = setting(
        "HISTORY",
        kinds.names(label="list of `FEED=SINCE`"),
        "",
        "Feeds whose past the poller fetches by itself, on what live polling leaves, and since when: a date or `365d`.",
        example="binance.candle-1d=2017-08-01",
    )
    timeout: float = setting(
        "HTTP_TIMEOUT", kinds.seconds(0.1, 300), "10", "Longest wait for an upstream's answer, whole."
    )
