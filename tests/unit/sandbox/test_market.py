from __future__ import annotations

import statistics

from cryptoproxy.sandbox.world.coins import make_coins, real_coins
from cryptoproxy.sandbox.world.intervals import DAY
from cryptoproxy.sandbox.world.market import Beat, SeededMarket

NOW = 1_795_253_400


def make(seed: int = 1, count: int = 300) -> SeededMarket:
    return SeededMarket(make_coins(count, seed), seed)


def test_two_markets_of_one_seed_agree_however_often_they_were_asked():
    asked, fresh = make(), make()
    for second in range(NOW, NOW + 50):
        asked.price(7, second)
    assert [asked.price(i, NOW + 100) for i in range(300)] == [fresh.price(i, NOW + 100) for i in range(300)]
    assert asked.ranks(NOW // 60, False) == fresh.ranks(NOW // 60, False)


def test_another_seed_is_another_market():
    assert make(1).price(0, NOW) != make(2).price(0, NOW)
    assert make(1).coins[200].id == make(2).coins[200].id
    assert make(1).coins[200].price != make(2).coins[200].price


def test_prices_walk_with_the_coins_volatility_and_stay_plausible():
    market = make(count=400)
    moving = [i for i in range(100, 400) if market.coins[i].follows is None]
    days = [market.change(i, NOW, DAY) / market.coins[i].day_volatility / 100 for i in moving]
    hours = [market.change(i, NOW, 3600) / market.coins[i].day_volatility / 100 for i in moving]
    assert 0.6 < statistics.pstdev(days) < 1.6
    assert 0.3 < statistics.pstdev(hours) / statistics.pstdev(days) * 24**0.5 < 1.6
    for year in range(5):
        assert all(0.2 < market.price(i, NOW + year * 365 * DAY) / market.coins[i].price < 5 for i in moving)


def test_a_wrapped_coin_follows_its_own():
    market = make(count=91)
    wrapped, bitcoin = market.index["wrapped-bitcoin"], market.index["bitcoin"]
    for second in (NOW, NOW + 30 * DAY):
        assert abs(market.price(wrapped, second) / market.price(bitcoin, second) - 1) < 0.02


def test_highs_and_lows_enclose_the_price():
    market = make()
    for i in range(300):
        high, low = market.path(i, None).extremes(NOW)
        assert low <= market.price(i, NOW) <= high


def test_a_beat_ticks_evenly():
    beat = Beat(5000, 1200)
    assert [beat.last(ms) for ms in (6199, 6200, 11_199, 11_200)] == [1200, 6200, 6200, 11_200]


def test_the_first_coins_are_real():
    assert [coin.id for coin in real_coins()[:3]] == ["bitcoin", "ethereum", "tether"]
    assert len(make_coins(3, 1)) == 3
    coins = make_coins(5000, 1)
    assert len({coin.id for coin in coins}) == len(coins)
    assert sum(not coin.rehypothecated for coin in coins) == 5000
