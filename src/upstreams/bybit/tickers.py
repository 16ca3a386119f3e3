"""Bybit's tickers: linear, inverse and spot, each a source of its own, since ``BTCUSDT`` is another thing in each.

| record | Bybit |
|---|---|
| ``volume_24h`` (quote), ``base_volume_24h`` (base) | linear, spot: turnover, volume; inverse: volume, turnover |
| ``turnover_24h`` | turnover, as sent |
| ``change_24h``, ``change_1h`` (percent) | ``price_24h_pcnt``, ``price_1h_pcnt`` (fractions, kept too), point moved |
| ``price_change_24h`` | last price - price 24 h ago, in decimal |
| ``last_updated`` | the time of the answer |
| all others | the field of that name |

``open_24h`` stays out: Bybit tells a price of 24 h ago (``prev_price_24h``), no opening. So does the spot rows'
``usdIndexPrice``, which is in USD and not in the quote.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptoproxy.datasets import Feed, Ticker
from cryptoproxy.errors import SettingsError, TransientError
from cryptoproxy.upstreams.answers.gathering import Doubt, Gathering, usable_id
from cryptoproxy.upstreams.answers.quotes import Quotes
from cryptoproxy.upstreams.answers.values import difference, percent
from cryptoproxy.upstreams.base import Call, Poll, Response
from cryptoproxy.upstreams.bybit import refusals
from cryptoproxy.upstreams.bybit.shapes import Row, Tickers, moment_text, open_tickers
from cryptoproxy.upstreams.bybit.symbols import QUOTE_OF, Api, BybitSymbols, Category, NamedSymbols

UPSTREAM = "bybit"
BASE_URL = "https://api.bybit.com"
_MARKET_SIZES = {Category.LINEAR: 700, Category.INVERSE: 60, Category.SPOT: 700}


class Bybit:
    """The source ``bybit-linear``, ``bybit-inverse`` or ``bybit-spot``.

    Args:
        symbols: what to keep of the market; none means all of it. One symbol is asked for by name; of several the
            whole market is asked, which is one call as well. What no market has is rejected as ``absent``.
        names: the same, where several markets are polled.
        api: ``v2`` asks the old ``/v2/public/tickers``, which knows no spot and mixes linear and inverse.

    Raises:
        SettingsError: a symbol that no exchange can have, or spot by v2.
    """

    upstream = UPSTREAM

    def __init__(
        self,
        market: Category | str,
        *,
        base_url: str = BASE_URL,
        symbols: Sequence[str] = (),
        names: NamedSymbols | None = None,
        api: Api | str = Api.V5,
    ) -> None:
        self._market, self._api = Category(market), Api(api)
        faults = [f"BYBIT_SYMBOLS holds {symbol!r}, which is no symbol" for symbol in symbols if not usable_id(symbol)]
        if self._market is Category.SPOT and self._api is Api.V2:
            faults.append("bybit-spot is not in Bybit's old API v2")
        if faults:
            raise SettingsError(faults)
        self.feed = Feed(f"{UPSTREAM}-{self._market}")
        self._names = names or NamedSymbols(symbols, [self._market])
        self._wanted = self._names.wanted
        self._doubt = Doubt()
        self._quotes = Quotes(QUOTE_OF[self._market])
        base_url = base_url.rstrip("/")
        one = {"symbol": next(iter(self._wanted))} if len(self._wanted) == 1 else {}
        self._calls = (
            Call(f"{base_url}/v5/market/tickers", params={"category": self._market.value, **one})
            if self._api is Api.V5
            else Call(f"{base_url}/v2/public/tickers", params=one),
        )
        self.symbol_list = BybitSymbols(base_url, self._market, self._api, self._quotes)

    def calls(self, turn: int | None = None) -> Sequence[Call]:
        return self._calls

    def check(self, answer: Response, *, now_ms: int) -> None:
        refusals.check(answer, now_ms=now_ms)

    @property
    def expected(self) -> int:
        return len(self._wanted) or _MARKET_SIZES[self._market]

    def used(self, answer: Response) -> int | None:
        return None  # its limit headers count per account, and nobody is logged in

    def read(self, bodies: Sequence[bytes], *, slot_ms: int, fetched_at_ms: int) -> Poll:
        """Raises:
        TransientError: a body has neither shape or is of another market, or no row is one of ours.
        """
        gathering = Gathering(self.feed.source, slot_ms=slot_ms, fetched_at_ms=fetched_at_ms)
        for body in bodies:
            tickers = open_tickers(body)
            if tickers.category not in (None, self._market):
                raise TransientError(f"bybit answered with its market {tickers.category!r}, not {self._market}")
            gathering.reject_rows(tickers.rejected, self._wanted)
            self._take(tickers, gathering)
        nowhere = self._names.nowhere(self._market, gathering.missing(self._wanted))
        if not gathering.records and not gathering.rejected:
            wanted = f"none of BYBIT_SYMBOLS ({', '.join(sorted(self._wanted))[:200]})" if self._wanted else "no rows"
            raise TransientError(f"{self.feed.source} answered with {wanted}")
        gathering.reject_absent(nowhere, "asked for by BYBIT_SYMBOLS, and in no market of Bybit that is polled")
        self._doubt.check_market(gathering)
        return gathering.poll()

    def _take(self, tickers: Tickers, gathering: Gathering) -> None:
        for row in tickers.rows:
            symbol = row.symbol
            if self._wanted and symbol not in self._wanted:
                continue
            if tickers.v2 and _market_in_v2(symbol) is not self._market:
                gathering.reject("other_market", symbol, f"not of {self.feed.source}, with which v2 mixes it")
                continue
            record = gathering.record(symbol, row.last_price, self._quotes)
            if record is not None:
                self._fill(record, row)
                record.last_updated = tickers.last_updated
                gathering.records.append(record)

    def _fill(self, record: Ticker, row: Row) -> None:
        in_quote, in_base = row.turnover_24h, row.volume_24h
        if self._market is Category.INVERSE:  # contracts of 1 USD, settled in the coin
            in_quote, in_base = in_base, in_quote
        record.volume_24h = in_quote
        record.high_24h = row.high_price_24h
        record.low_24h = row.low_price_24h
        record.change_1h = percent(row.price_1h_pcnt)
        record.change_24h = percent(row.price_24h_pcnt)
        record.base_volume_24h = in_base
        record.price_change_24h = difference(record.price, row.prev_price_24h)
        record.bid_price = row.bid_price
        record.ask_price = row.ask_price
        record.index_price = row.index_price
        record.mark_price = row.mark_price
        record.open_interest = row.open_interest
        record.prev_price_1h = row.prev_price_1h
        record.prev_price_24h = row.prev_price_24h
        record.price_1h_pcnt = row.price_1h_pcnt
        record.price_24h_pcnt = row.price_24h_pcnt
        record.turnover_24h = row.turnover_24h
        record.total_volume = row.total_volume
        record.funding_rate = None if row.funding_rate == "" else row.funding_rate
        record.next_funding_time = moment_text(row.next_funding_time)
        record.delivery_time = moment_text(row.delivery_time)


def _market_in_v2(symbol: str) -> Category:
    return Category.LINEAR if symbol.endswith(("USDT", "USDC", "PERP")) else Category.INVERSE
