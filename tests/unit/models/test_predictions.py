"""Features, what is said of the next bar, and how it is judged."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from cryptoproxy.datasets import CANDLE, PREDICTION, Candle, Prediction, iso, key
from cryptoproxy.datasets.times import HOUR_MS, MINUTE_MS
from cryptoproxy.errors import PoisonError
from cryptoproxy.models.features import ENOUGH_BARS, FEATURES, NEXT, features
from cryptoproxy.models.judging import NO_CHANGE_LOSS, judged
from cryptoproxy.models.registry import About, Model, OfAsset
from cryptoproxy.models.scoring import LATE_MS, Scorer
from cryptoproxy.models.trees import joined, together
from cryptoproxy.queries.questions.candles import Bar
from cryptoproxy.queries.questions.indicators import talib

BEGIN = 1_788_220_800_000
BTC = "binance:BTCUSDT:USDT"


def walk(count: int) -> list[Candle]:
    dice, price, found = np.random.default_rng(5), 100.0, []
    for hour in range(count):
        close = price * float(np.exp(dice.normal(0, 0.006)))
        found.append(
            msgspec.structs.replace(
                CANDLE.example, interval="1h", timestamp=iso(BEGIN + hour * HOUR_MS),
                fetched_at=iso(BEGIN + (hour + 1) * HOUR_MS + 3_000), open=price, high=max(price, close) * 1.001,
                low=min(price, close) * 0.999, close=close, base_volume=float(dice.gamma(2, 50)),
            )
        )  # fmt: skip
        price = close
    return found


def bars(candles: list[Candle]) -> list[Bar]:
    return [
        Bar(BEGIN + at * HOUR_MS, each.open, each.high, each.low, each.close, each.base_volume)
        for at, each in enumerate(candles)
    ]


def model(leaf: float) -> Model:
    """One that says the same of everything: the chance whose log odds are ``leaf``."""
    tree = {
        "feature": np.array([-1]), "threshold": np.array([0.0]), "left": np.array([-1]), "right": np.array([-1]),
        "value": np.array([leaf]),
    }  # fmt: skip
    about = About(
        name="direction-1h", version="20261115T030412Z-0123456789ab", sha256="", features=list(FEATURES),
        begin="", end="", rows=1, metrics={},
    )  # fmt: skip
    return Model(about, joined([tree]))


def test_no_feature_knows_of_a_bar_that_comes_later():
    all_of_them = bars(walk(120))
    whole, before = (features(some, HOUR_MS, talib()) for some in (all_of_them, all_of_them[:80]))
    for name in FEATURES:
        np.testing.assert_array_equal(whole[name][:80], before[name])
    assert np.isnan(before[NEXT][-1])
    assert whole[NEXT][79] == pytest.approx(math.log(all_of_them[80].close / all_of_them[79].close))


def test_a_bar_that_is_missing_is_not_stepped_over():
    with_a_hole = bars(walk(120))
    del with_a_hole[60]
    found = features(with_a_hole, HOUR_MS, talib())
    assert np.isnan(found["return_1"]).nonzero()[0].tolist() == [0, 60]
    assert np.isnan(found["return_24"]).nonzero()[0].tolist() == [*range(24), *range(60, 84)]
    assert np.isnan(found[NEXT]).nonzero()[0].tolist() == [59, 118]


def test_so_many_bars_are_enough():
    all_of_them = bars(walk(ENOUGH_BARS * 3))
    whole, last = (features(some, HOUR_MS, talib()) for some in (all_of_them, all_of_them[-ENOUGH_BARS:]))
    for name in FEATURES:
        assert np.float32(whole[name][-1]) == pytest.approx(np.float32(last[name][-1]), rel=1e-6)


def test_the_next_bar_is_spoken_of_when_the_last_is_over_and_not_much_later():
    scorer, candles = Scorer("1h", talib()), walk(60)
    assert [scorer.see(each) for each in candles] == [BTC] * 60
    assert scorer.see(candles[-1]) is None, "the same bar once more"
    over = BEGIN + 60 * HOUR_MS
    said = scorer.predict(BTC, model(0.4), over + 5_000)
    assert said is not None
    assert (said.timestamp, said.close, key(said)) == (iso(over), candles[-1].close, BTC)
    assert said.chance == pytest.approx(1 / (1 + math.exp(-0.4)))
    assert PREDICTION.codec.decode(PREDICTION.codec.encode(said)) == said
    assert scorer.predict(BTC, model(0.4), over + LATE_MS + 1) is None


def test_bars_in_whatever_order_say_the_same_and_a_bar_of_the_past_nothing():
    candles, last = walk(60), BEGIN + 60 * HOUR_MS
    one, other = Scorer("1h", talib()), Scorer("1h", talib())
    for each in candles:
        one.see(each)
    assert other.see(candles[-1]) == BTC
    assert {other.see(each) for each in candles[:-1]} == {None}
    assert one.predict(BTC, model(0), last) == other.predict(BTC, model(0), last)


def test_nothing_is_said_where_a_feature_is_not_known():
    scorer = Scorer("1h", talib())
    for each in walk(20):
        scorer.see(each)
    assert scorer.predict(BTC, model(0), BEGIN + 20 * HOUR_MS) is None


def test_each_asset_is_told_by_its_own_trees_and_one_without_any_of_nothing():
    scorer, last, eth = Scorer("1h", talib()), BEGIN + 60 * HOUR_MS, "binance:ETHUSDT:USDT"
    for each in walk(60):
        scorer.see(each)
        scorer.see(msgspec.structs.replace(each, asset_id="ETHUSDT"))
        scorer.see(msgspec.structs.replace(each, asset_id="SOLUSDT"))
    about = msgspec.structs.replace(
        model(0).about,
        assets={
            BTC: OfAsset(first=0, count=1, asked=True, metrics={}),
            eth: OfAsset(first=1, count=1, asked=True, metrics={}),
        },
    )
    both = Model(about, together([model(0.4).forest, model(-0.4).forest]))
    said = [scorer.predict(name, both, last) for name in (BTC, eth, "binance:SOLUSDT:USDT")]
    assert [each and round(each.chance, 3) for each in said] == [0.599, 0.401, None]


def prediction(hour: int, chance: float, late_ms: int = 5_000) -> Prediction:
    at = BEGIN + hour * HOUR_MS
    return msgspec.structs.replace(
        PREDICTION.example, timestamp=iso(at), fetched_at=iso(at + late_ms), chance=chance, close=100.0
    )


def test_what_was_said_is_held_against_what_came_and_against_who_knows_nothing():
    rises = dict(enumerate([100.0, 101.0, 102.0, 101.0, 103.0, 103.0]))  # by hour
    closes = {(BTC, BEGIN + hour * HOUR_MS): close for hour, close in rises.items()}
    (found,) = judged([prediction(2, 0.8), prediction(3, 0.8), prediction(4, 0.6), prediction(5, 0.4)], closes)
    assert (found.said, found.judged, found.up, found.right) == (4, 4, 2, 3)
    assert found.same_right == 1, "up again at 2; 3, 4 and 5 turned"
    assert found.loss == pytest.approx(-sum(map(math.log, (0.8, 0.2, 0.6, 0.6))) / 4)
    assert found.verdict == "mixed"


def test_a_model_of_even_chances_is_no_better_than_nothing():
    closes = {(BTC, BEGIN + hour * HOUR_MS): 100.0 + hour for hour in range(10)}
    (found,) = judged([prediction(hour, 0.5) for hour in range(2, 10)], closes)
    assert found.loss == pytest.approx(NO_CHANGE_LOSS)
    assert found.verdict == "no better than knowing nothing"


def test_what_came_too_late_or_has_no_bar_is_not_judged():
    closes = {(BTC, BEGIN + hour * HOUR_MS): 100.0 for hour in range(3)}
    (found,) = judged([prediction(2, 0.9, LATE_MS + 1), prediction(5, 0.9)], closes)
    assert (found.said, found.late, found.judged, found.loss, found.verdict) == (2, 1, 0, None, "nothing to judge yet")


@pytest.mark.parametrize(
    "change", [{"chance": 1.2}, {"chance": -0.1}, {"model": "Direction"}, {"version": "7"}, {"asset_id": "a:b"}]
)
def test_what_breaks_the_contract_is_refused(change: dict[str, object]):
    with pytest.raises(PoisonError):
        PREDICTION.check(msgspec.structs.replace(PREDICTION.example, **change))


def test_the_id_tells_model_version_and_bar():
    assert PREDICTION.id_of(PREDICTION.example) == (
        "binance:BTCUSDT:USDT:direction-1h-20261115T030412Z-0123456789ab-1795168800000"
    )
    assert MINUTE_MS * 10 == LATE_MS
