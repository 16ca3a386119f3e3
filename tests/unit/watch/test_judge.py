"""Rules over records: what is found, when, and that neither skipping nor a restart changes it."""

from __future__ import annotations

import math
import random
from typing import Any

import msgspec
import pytest

from cryptoproxy.datasets import ALERT, CANDLE, TICKER, Alert, from_iso, iso, key
from cryptoproxy.watch.cases import Row
from cryptoproxy.watch.figures.gauge import EVERY
from cryptoproxy.watch.judge import Judge
from cryptoproxy.watch.rulebook.reading import parse

BEGIN_MS = 1_793_491_200_000
"""2026-11-01, a Sunday."""
MINUTE_MS = 60_000


def rules_of(when: str, more: str = "") -> Any:
    lines = "".join(f"    {line}\n" for line in more.splitlines())
    return parse(f"rules:\n  r:\n    when: {when}\n{lines}")


def ticker(price: float, minute: float, **fields: Any) -> Any:
    at = BEGIN_MS + round(minute * MINUTE_MS)
    told = {"source": "binance", "asset_id": "BTCUSDT", "symbol": "BTCUSDT", "quote": "USDT", "price": price}
    times = {"timestamp": iso(at), "fetched_at": iso(at + 300)}
    return msgspec.structs.replace(TICKER.example, **(told | times | fields))


def candle(close: float, bar: int, **fields: Any) -> Any:
    at = BEGIN_MS + bar * 60 * MINUTE_MS
    told = {"interval": "1h", "open": close, "high": close, "low": close, "close": close, "timestamp": iso(at)}
    return msgspec.structs.replace(CANDLE.example, **(told | {"fetched_at": iso(at + 60 * MINUTE_MS + 4_000)} | fields))


def feed(judge: Judge, *records: Any) -> list[Alert]:
    """What was found with these."""
    before = len(judge.found)
    for record in records:
        dataset = TICKER if isinstance(record, TICKER.record) else CANDLE
        called = dataset.called(dataset.part(record))
        followed = judge.follow(called, key(record), record.symbol)
        if followed is not None:
            judge.take(followed, judge.decoders[called].decode(dataset.codec.encode(record)))
    return judge.found[before:]


def minutes(found: list[Alert]) -> list[tuple[str, float]]:
    return [(each.state, (from_iso(each.timestamp) - BEGIN_MS) / MINUTE_MS) for each in found]


def prices(*values: float) -> list[Any]:
    return [ticker(value, i) for i, value in enumerate(values)]


def test_a_price_that_crosses_is_found_once_and_ends_beyond_clear():
    found = feed(Judge(rules_of("{above: 100, clear: 95}")), *prices(99, 100, 105, 96, 101, 94, 96))
    assert minutes(found) == [("open", 1), ("resolved", 5)]
    assert found[0].words == "BTCUSDT ticker.price is 100 USDT, at or above 100"
    assert {ALERT.id_of(each) for each in found} == {
        f"watch:r:binance.BTCUSDT.USDT:{BEGIN_MS + MINUTE_MS}-open",
        f"watch:r:binance.BTCUSDT.USDT:{BEGIN_MS + 5 * MINUTE_MS}-resolved",
    }
    for each in found:
        assert ALERT.codec.decode(ALERT.codec.encode(each)) == each


@pytest.mark.parametrize(
    ("when", "last", "value"),
    [
        ("{falls: 5%, within: 5m}", 95.0, -5.0),
        ("{rises: 5%, within: 5m}", 105.0, 5.0),
        ("{moves: 5%, within: 5m}", 95.0, -5.0),
        ("{moves: 5%, within: 5m}", 105.0, 5.0),
    ],
)
def test_a_change_over_a_window(when: str, last: float, value: float):
    judge = Judge(rules_of(when))
    assert feed(judge, *prices(100, 100, 100, 100, 100)) == []
    (found,) = feed(judge, ticker(last, 5))
    assert found.value == pytest.approx(value)
    assert minutes([found]) == [("open", 5)]


def test_a_window_with_a_hole_at_its_begin_says_nothing():
    judge = Judge(rules_of("{falls: 5%, within: 5m}"))
    assert feed(judge, *prices(100, 100), ticker(90, 8)) == []


def test_volume_against_its_own_mean():
    judge = Judge(rules_of("{times-mean: 3x, within: 10h, of: candle-1h.quote_volume}"))
    assert feed(judge, *(candle(100, i, quote_volume=50.0 + i % 2) for i in range(12))) == []
    (found,) = feed(judge, candle(100, 12, quote_volume=160.0))
    assert (found.of, found.unit) == ("candle-1h.quote_volume", "times")
    assert found.value == pytest.approx(3.17, abs=0.05)


def test_rsi_of_closed_bars_as_ta_lib_has_it():
    judge = Judge(rules_of("{rsi-below: 30, of: candle-1h.close}"))
    found = feed(judge, *(candle(100 - i, i) for i in range(20)))
    assert minutes(found) == [("open", 14 * 60)]
    assert found[0].value == 0.0


def test_averages_that_cross_count_only_when_they_were_seen_on_the_other_side():
    judge = Judge(rules_of("{average-crosses: up, fast: 2, slow: 4, of: candle-1h.close}"))
    rising = [candle(100 + i, i) for i in range(6)]
    assert feed(judge, *rising) == []
    assert feed(judge, *(candle(100 - i, 6 + i) for i in range(6))) == []
    (found,) = feed(judge, candle(120, 12))
    assert found.state == "open"
    assert "crossed that of 4 up" in found.words


@pytest.mark.parametrize(
    ("before", "after", "threshold"),
    [(1.7612, 2.1063952, "19.6"), (82.72, 85.28432, "3.1"), (64.938, 72.795498, "12.1")],
)
def test_a_threshold_is_decimal(before: float, after: float, threshold: str):
    judge = Judge(rules_of(f"{{rises: {threshold}%, within: 1h}}"))
    records = [ticker(before, minute) for minute in range(61)]
    assert [each.state for each in feed(judge, *records, ticker(after, 61))] == ["open"]


def test_two_sources_that_are_apart():
    judge = Judge(rules_of("{apart: 50bps, from: bybit-spot}", "assets: [binance]"))
    here = [ticker(100.0 + i * 0.3, i) for i in range(3)]
    there = [ticker(100.0, i, source="bybit-spot") for i in range(3)]
    found = feed(judge, there[0], here[0], there[1], here[1], there[2], here[2])
    assert minutes(found) == [("open", 2)]
    assert (found[0].asset, found[0].value, found[0].normal) == ("binance:BTCUSDT:USDT", pytest.approx(60), 100.0)


def test_what_is_stale_is_found_by_the_clock_and_ends_with_the_next_record():
    judge = Judge(rules_of("{stale: 3m}"))
    feed(judge, *prices(100, 100))
    judge.sweep(BEGIN_MS + 4 * MINUTE_MS)
    assert judge.found == []
    for _ in range(2):
        judge.sweep(BEGIN_MS + 4 * MINUTE_MS + 1)
    assert minutes(judge.found) == [("open", 4)]
    feed(judge, ticker(100, 9))
    assert minutes(judge.found) == [("open", 4), ("resolved", 9)]


def test_what_was_stale_while_nobody_looked_is_told_of_the_same_moment():
    judge = Judge(rules_of("{stale: 3m}"))
    assert minutes(feed(judge, *prices(100, 100), ticker(100, 9))) == [("open", 4), ("resolved", 9)]


def test_a_rule_may_hold_for_several_records_first():
    judge = Judge(rules_of("{above: 100}", "hold: 3"))
    assert minutes(feed(judge, *prices(101, 101, 99, 101, 101, 101, 101))) == [("open", 5)]


def test_a_cool_down_keeps_quiet_and_then_tells_what_still_holds():
    judge = Judge(rules_of("{above: 100}", "cool-down: 10m"))
    found = feed(judge, *prices(101, 99, 101, 99, *[101] * 10))
    assert minutes(found) == [("open", 0), ("resolved", 1), ("open", 10)]


def test_out_of_hours_nothing_begins():
    judge = Judge(rules_of("{above: 100}", "hours: 01:00-02:00\ndays: sun"))
    found = feed(judge, *(ticker(101, minute) for minute in range(0, 90, 10)))
    assert minutes(found) == [("open", 60)]


def test_conditions_of_several_kinds_of_record_are_joined():
    both = "{all: [{above: 100}, {above: 50, of: candle-1h.quote_volume}]}"
    judge = Judge(rules_of(both))
    assert feed(judge, ticker(101, 0)) == []
    (found,) = feed(judge, candle(101, 0, quote_volume=60.0))
    assert found.kind == "all"
    assert minutes(feed(judge, ticker(99, 61))) == [("resolved", 61)]


def test_the_top_is_by_the_record_s_own_rank():
    judge = Judge(rules_of("{above: 100}", "assets: top 2"))
    assert feed(judge, ticker(101, 0, market_cap_rank=3)) == []
    assert minutes(feed(judge, ticker(101, 1, market_cap_rank=2))) == [("open", 1)]


def test_late_doubled_and_past_records_move_nothing():
    judge = Judge(rules_of("{above: 100}"))
    feed(judge, ticker(99, 5))
    walked_again = ticker(200, 6, fetched_at=iso(BEGIN_MS + 60 * MINUTE_MS))
    ahead = ticker(101, 300, fetched_at=iso(BEGIN_MS + 6 * MINUTE_MS))
    assert feed(judge, ticker(101, 5), ticker(101, 4), walked_again, ahead) == []
    assert judge.passed_over == 4
    assert minutes(feed(judge, ticker(101, 6))) == [("open", 6)]


EVERYTHING = """
rules:
  above: {when: {above: 103, clear: 102}}
  below: {when: {below: 97}}
  falls: {when: {falls: 2%, within: 5m, clear: 1%}}
  falls-too: {when: {falls: 4%, within: 1m}}
  moves: {when: {moves: 3%, within: 15m}}
  mean: {when: {times-mean: 1.02x, within: 15m}}
  high: {when: {percentile-above: 90, within: 1h}}
  low: {when: {percentile-below: 10, change: 5m, within: 1h}}
  odd: {when: {robust-score: 3, within: 1h}}
  odd-change: {when: {robust-score: 3, change: 1m, within: 1h, clear: 2}}
  odd-soon: {when: {robust-score: 2, within: 20m}}
  wild: {when: {volatility-score: 2, samples: 30}}
  shift: {when: {level-shift: 5, samples: 60}}
  held: {hold: 3, cool-down: 7m, when: {any: [{above: 102}, {below: 98}]}}
  gone: {when: {stale: 2m}}
  falls-far: {when: {falls: 6%, within: 1h}}
  moves-far: {when: {moves: 5%, within: 5m, clear: 4%}}
  mean-far: {when: {times-mean: 1.06x, within: 1h}}
  high-far: {when: {percentile-above: 99.5, within: 30m}}
  odd-far: {when: {robust-score: 7, change: 5m, within: 1h}}
  wild-far: {when: {volatility-score: 6}}
  shift-far: {when: {level-shift: 14, samples: 30}}
"""


def walk(seed: int, count: int) -> list[Any]:
    chance, price, minute, records = random.Random(seed), 100.0, 0.0, []
    for _ in range(count):
        price = max(
            1.0, price + chance.gauss(0, 0.25) + (100 - price) * 0.01 + (chance.random() < 0.01) * chance.gauss(0, 3)
        )
        minute += chance.choice([0.01, 0.1, 0.5, 1, 1, 1, 3 * (chance.random() < 0.05)])
        records.append(ticker(round(price, 2), minute))
    return records


def test_a_record_far_in_the_future_does_not_silence_its_asset():
    judge = Judge(rules_of("{above: 100}"))
    judge.begin(BEGIN_MS)
    assert feed(judge, ticker(101, 10.1), ticker(101, 60 * 24 * 365)) == []
    assert judge.passed_over == 2
    assert minutes(feed(judge, ticker(101, 10))) == [("open", 10)]


def told(found: list[Alert]) -> list[tuple[str, str]]:
    return [(ALERT.id_of(each), each.state) for each in found]


@pytest.mark.parametrize("seed", range(12))
def test_what_is_skipped_would_have_changed_nothing(seed: int):
    records = walk(seed, 400)
    quick, thorough = Judge(parse(EVERYTHING)), Judge(parse(EVERYTHING))
    found = feed(quick, *records)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Row, "bound", look_always)
        patch.setattr("cryptoproxy.watch.cases.Probe.reckon", look_at_each)
        assert told(feed(thorough, *records)) == told(found)


def look_always(row: Any) -> None:
    row.due, row.low, row.high = EVERY, -math.inf, math.inf


def look_at_each(probe: Any, value: float) -> None:
    probe.due, probe.low, probe.high = EVERY, -math.inf, math.inf


@pytest.mark.parametrize("seed", [*range(4), 109])  # with a hole that empties a window
def test_a_restart_changes_nothing(seed: int):
    place = random.Random(seed).randrange(400)
    records = walk(seed, 400)
    whole = feed(Judge(parse(EVERYTHING)), *records)
    before, after = Judge(parse(EVERYTHING)), Judge(parse(EVERYTHING))
    found = feed(before, *records[:place])
    for name, asset in before.assets.items():
        after.load(name, msgspec.msgpack.decode(msgspec.msgpack.encode(before.dump(asset))))
    after.believe({name: truth for name, truth in before.told.items() if truth is not None})
    found += feed(after, *records[place:])
    assert [(each, alert.words) for each, alert in zip(told(found), found, strict=True)] == [
        (each, alert.words) for each, alert in zip(told(whole), whole, strict=True)
    ]


def test_what_was_told_counts_whatever_a_replay_has_come_to():
    judge = Judge(rules_of("{above: 100}"))
    judge.silent = True
    feed(judge, ticker(101, 0))
    judge.silent = False
    judge.believe({})
    assert minutes(feed(judge, ticker(101, 1))) == [("open", 1)]


def test_what_is_open_by_a_rule_that_is_gone_or_changed_ends():
    judge = Judge(rules_of("{above: 100}"))
    feed(judge, ticker(101, 0))
    truths = {name: truth for name, truth in judge.told.items() if truth is not None}
    for other, words in (("{above: 90}", "was changed"), ("{above: 100}", None)):
        again = Judge(rules_of(other))
        for name, asset in judge.assets.items():
            again.load(name, judge.dump(asset))
        again.believe(dict(truths))
        assert [(each.state, words in each.words) for each in again.found] == ([("resolved", True)] if words else [])
    gone = Judge(parse("rules: {other: {when: {above: 1}}}"))
    gone.believe(dict(truths))
    assert [each.words for each in gone.found] == ["BTCUSDT: the rule r was taken out, so this ends"]
