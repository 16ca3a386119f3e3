"""What a model says when a bar is over. Pure: bars and a model in, a prediction out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cryptoproxy.datasets import Candle, Prediction, from_iso, iso, key
from cryptoproxy.datasets.contracts.candle import STEPS
from cryptoproxy.datasets.times import MINUTE_MS
from cryptoproxy.models.features import ENOUGH_BARS, FEATURES, features
from cryptoproxy.models.registry import Model
from cryptoproxy.models.trees import probability
from cryptoproxy.queries.questions.candles import Bar

LATE_MS = 10 * MINUTE_MS
"""What is said later than so long after a bar's end is no prediction any more, and is not said."""


class _Asset(NamedTuple):
    symbol: str
    bars: dict[int, Bar]
    """By begin."""


class Scorer:
    """The newest bars of every asset.

    Args:
        interval: of the bars: ``1h``.
        library: TA-Lib.
    """

    def __init__(self, interval: str, library: Any) -> None:
        self.step_ms = STEPS[interval]
        self._interval = interval
        self._library = library
        self._assets: dict[str, _Asset] = {}

    def see(self, candle: Candle) -> str | None:
        """Takes a bar, in whatever order they come; the asset's key if it is the newest now."""
        name, begin_ms = key(candle), from_iso(candle.timestamp)
        asset = self._assets.setdefault(name, _Asset(candle.symbol, {}))
        newest = max(asset.bars, default=begin_ms - 1)
        if begin_ms <= newest - ENOUGH_BARS * self.step_ms or begin_ms in asset.bars:
            return None  # of two copies the first counts, as in the index
        asset.bars[begin_ms] = Bar(
            begin_ms, candle.open, candle.high, candle.low, candle.close, candle.base_volume, candle.quote_volume
        )
        if begin_ms < newest:
            return None
        for old in [each for each in asset.bars if each <= begin_ms - ENOUGH_BARS * self.step_ms]:
            del asset.bars[old]
        return name

    def predict(self, name: str, model: Model, now_ms: int) -> Prediction | None:
        """Of the bar that follows the newest one; None where a feature is not known, the model has nothing for that
        asset, or it is too late."""
        asset, forest = self._assets[name], model.of(name)
        bars = [asset.bars[each] for each in sorted(asset.bars)]
        begin_ms = bars[-1].begin_ms + self.step_ms
        if forest is None or now_ms - begin_ms > LATE_MS:
            return None
        known = features(bars, self.step_ms, self._library)
        row = np.array([[known[each][-1] for each in model.about.features]], dtype=np.float32)
        if not np.isfinite(row).all():
            return None
        source, asset_id, quote = name.split(":")
        return Prediction(
            source=source,
            asset_id=asset_id,
            symbol=asset.symbol,
            quote=quote,
            interval=self._interval,  # type: ignore[arg-type]
            timestamp=iso(begin_ms),
            fetched_at=iso(now_ms),
            model=model.about.name,
            version=model.about.version,
            chance=float(probability(forest, row)[0]),
            close=bars[-1].close,
        )


def fits(model: Model) -> bool:
    """Whether it wants what is known here."""
    return set(model.about.features) <= set(FEATURES)
