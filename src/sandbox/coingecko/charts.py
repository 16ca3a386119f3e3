"""``/coins/{id}/ohlc`` and ``/coins/{id}/market_chart``: bars and points, the finer the shorter the time asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from cryptoproxy.sandbox.coingecko import currencies
from cryptoproxy.sandbox.coingecko.currencies import Currency
from cryptoproxy.sandbox.coingecko.numbers import money
from cryptoproxy.sandbox.coingecko.refusals import coin_of, missing, too_far_back
from cryptoproxy.sandbox.upstream import Refusal
from cryptoproxy.sandbox.world.intervals import DAY, BarGrid
from cryptoproxy.sandbox.world.market import SeededMarket

Params = Mapping[str, str]

OHLC_DAYS = ("1", "7", "14", "30", "90", "180", "365")
ALL_DAYS = 20_000
FREE_DAYS = 365
FIVE_MINUTES, HOUR = 300, 3600


class Charts:
    """Of one host. ``limited``: the last 365 days are all there is."""

    def __init__(self, market: SeededMarket, *, limited: bool) -> None:
        self._market, self._limited = market, limited

    def ohlc(self, coin: str, params: Params, now_ms: int) -> object:
        """``[stamp, open, high, low, close]``: the stamp is the bar's end, so that the last one's is to come."""
        if not params.get("vs_currency") and not params.get("days"):
            raise Refusal(500, {"status": 500, "error": "Internal Server Error"})
        i, currency = coin_of(self._market, coin), currencies.asked(self._market, params)
        days = self._days(params, now_ms, OHLC_DAYS)
        grid = BarGrid(1800 if days <= 2 else 4 * HOUR if days <= 30 else 4 * DAY)
        now = now_ms // 1000
        path, current = self._market.path(i, currency.against), grid.floor(now)
        since = max(now - days * DAY, self._market.born(i))
        bars = path.bars(grid, since, current - 1)
        columns = (bars.start + grid.seconds, bars.open, bars.high, bars.low, bars.close)
        rows = [
            [end * 1000, *(_money(value * currency.factor) for value in prices)]
            for end, *prices in zip(*(column.tolist() for column in columns), strict=True)
        ]
        done, last = path.bars(BarGrid(60), current, now - 60), path.price(now)
        opened = path.price(current)
        extremes = np.concatenate((done.high, done.low, [opened, last]))
        open_bar = (opened, float(extremes.max()), float(extremes.min()), last)
        rows.append([(current + grid.seconds) * 1000, *(_money(value * currency.factor) for value in open_bar)])
        return rows

    def chart(self, coin: str, params: Params, now_ms: int) -> object:
        """So many days up to now; the last point is now."""
        i, currency = coin_of(self._market, coin), currencies.asked(self._market, params)
        days = self._days(params, now_ms)
        step = _step(days, params, fine=True)
        now = now_ms // 1000
        start = now - days * DAY if step < DAY else (now // DAY - days + 1) * DAY
        return self._points(i, currency, step, start=start, end_ms=now_ms, now_ms=now_ms)

    def range(self, coin: str, params: Params, now_ms: int) -> object:
        """Between two moments, seconds, both inclusive."""
        i, currency = coin_of(self._market, coin), currencies.asked(self._market, params)
        start, end = _second(params, "from"), _second(params, "to")
        if self._limited and start < now_ms // 1000 - FREE_DAYS * DAY:
            raise too_far_back(now_ms)
        days = max(1, -(-(end - start) // DAY))
        step = _step(days, params, fine=end > now_ms // 1000 - DAY)
        return self._points(i, currency, step, start=start, end_ms=min(end * 1000, now_ms), now_ms=now_ms)

    def _days(self, params: Params, now_ms: int, allowed: tuple[str, ...] = ()) -> int:
        text = params.get("days", "")
        if not text:
            raise missing("days")
        if text == "max" or (text.isdigit() and int(text) > FREE_DAYS):
            if self._limited:
                raise too_far_back(now_ms)
            if not allowed or text == "max":
                return ALL_DAYS if text == "max" else int(text)
        if not text.isdigit() or (allowed and text not in allowed):
            raise Refusal(400, {"error": "invalid days"})
        return max(1, int(text))

    def _points(
        self, i: int, currency: Currency, step: int, *, start: int, end_ms: int, now_ms: int
    ) -> dict[str, list[tuple[int, float]]]:
        """Three equally long lists of ``[ms, number]``. Volumes are those of 24 hours, whatever the step."""
        market = self._market
        stamps = list(self._stamps(i, step, max(start, market.born(i)), end_ms))
        if end_ms == now_ms:
            stamps.append(max(market.updated_ms(i, now_ms), start * 1000))
        found: dict[str, list[tuple[int, float]]] = {"prices": [], "market_caps": [], "total_volumes": []}
        for ms in stamps:
            second = ms // 1000
            rate = currency.rate(market, second)
            values = market.price(i, second), market.cap(i, second), market.volume(i, second)
            for points, value in zip(found.values(), values, strict=True):
                points.append((ms, value * rate))
        return found

    def _stamps(self, i: int, step: int, start: int, end_ms: int) -> Iterator[int]:
        """Days begin at midnight; shorter steps are off the grid by some seconds."""
        for at in range(-(-start // step) * step, end_ms // 1000 + 1, step):
            late = 0 if step == DAY else int(self._market.draw(i, at) * min(step * 60, 200_000))
            if at * 1000 + late <= end_ms:
                yield at * 1000 + late


def _step(days: int, params: Params, *, fine: bool) -> int:
    """Five minutes for one day, hours for up to ninety, then days."""
    if params.get("interval") == "daily" or days > 90:
        return DAY
    return FIVE_MINUTES if days <= 1 and fine and params.get("interval") != "hourly" else HOUR


def _second(params: Params, name: str) -> int:
    text = params.get(name, "")
    if not text:
        raise missing(name)
    try:
        return int(float(text))
    except ValueError:
        raise Refusal(400, {"error": f"invalid {name}"}) from None


def _money(value: float) -> float:
    return float(money(value))
