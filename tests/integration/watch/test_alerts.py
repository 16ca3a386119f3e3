"""Alerts on their topic: each once, whatever happens to the processes that find them."""

from __future__ import annotations

from cryptoproxy.datasets import ALERT, CANDLE, STATS, iso
from cryptoproxy.datasets.times import Span
from cryptoproxy.lake.form import refuse
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.whole import whole_lake
from cryptoproxy.watch.telling.silences import silence
from tests.conftest import wait_until
from tests.integration.watch.conftest import MINUTE_MS, Watching, ticker
from tests.unit.watch.stand_in import StandIn

FALLS = """
rules:
  falls:
    assets: [binance]
    when: {falls: 5%, within: 5m}
    severity: critical
"""


def test_a_fall_is_alerted_on_once_and_ends_once_across_a_restart(watching: Watching) -> None:
    watching.say(FALLS)
    begin = watching.now_ms - 30 * MINUTE_MS
    watching.start()
    watching.send(*(ticker(100.0, begin + i * MINUTE_MS) for i in range(6)))
    watching.send(ticker(94.0, begin + 6 * MINUTE_MS), ticker(93.0, begin + 7 * MINUTE_MS))
    (opened,) = watching.wait_alerts(1)
    assert (opened.state, opened.rule, opened.asset) == ("open", "falls", "binance:BTCUSDT:USDT")
    assert (opened.timestamp, opened.value, opened.severity) == (iso(begin + 6 * MINUTE_MS), -6.0, "critical")
    watching.stop()

    watching.start()
    watching.send(*(ticker(93.0, begin + i * MINUTE_MS) for i in range(7, 20)))  # 7 once more: there already
    found = watching.wait_alerts(2)
    assert [ALERT.id_of(each) for each in found] == [
        f"watch:falls:binance.BTCUSDT.USDT:{begin + 6 * MINUTE_MS}-open",
        f"watch:falls:binance.BTCUSDT.USDT:{begin + 11 * MINUTE_MS}-resolved",
    ]
    lake = whole_lake(Store(watching.world.settings.s3), ALERT)
    span = Span(begin, watching.now_ms)
    stored = wait_until(
        lambda: lines if len(lines := [each.line for each in lake.records("watch", span, refuse)]) == 2 else None,
        what="both are in the lake",
    )
    assert [ALERT.codec.decode(each) for each in stored] == found


TELLS = """
channels: {ops: {discord: "env:HOOK"}}
rules:
  high: {when: {above: 100}, tell: [ops]}
"""
ASSETS = [f"A{i}USDT" for i in range(30)]


def at_once(price: float, at_ms: int) -> list[object]:
    return [ticker(price, at_ms, each) for each in ASSETS]


def test_processes_that_come_and_go_find_each_alert_once_and_tell_of_it_once(
    watching: Watching, stand_in: StandIn
) -> None:
    watching.say(TELLS)
    begin = watching.now_ms - 30 * MINUTE_MS
    first = watching.start()
    watching.send(*at_once(99, begin), *at_once(101, begin + MINUTE_MS))
    watching.wait_alerts(30)
    watching.start()
    watching.send(*at_once(99, begin + 2 * MINUTE_MS), *at_once(101, begin + 3 * MINUTE_MS))
    watching.stop(first)
    watching.send(*at_once(99, begin + 4 * MINUTE_MS))
    expected = {
        f"watch:high:binance.{asset}.USDT:{begin + minute * MINUTE_MS}-{state}"
        for asset in ASSETS
        for minute, state in ((1, "open"), (2, "resolved"), (3, "open"), (4, "resolved"))
    }
    found = [ALERT.id_of(each) for each in watching.wait_alerts(len(expected))]
    assert len(found) == len(set(found))
    assert set(found) == expected
    wait_until(lambda: stand_in.taken().keys() == expected, what="all of it is told")
    repeats = {each for post in stand_in.posts if post.repeat for each in post.ids}
    assert {each for each, count in stand_in.taken().items() if count > 1} <= repeats
    assert len(stand_in.posts) < 30, "what comes together is one message"


def test_other_rules_need_no_restart_and_mistakes_change_nothing(watching: Watching, stand_in: StandIn) -> None:
    watching.say(TELLS)
    begin = watching.now_ms - 30 * MINUTE_MS
    process = watching.start()
    silence(watching.world.settings.kafka, "high", watching.now_ms + 60 * MINUTE_MS)
    watching.send(ticker(101, begin))
    watching.wait_alerts(1)
    wait_until(lambda: process.registry.get_sample_value(
        "cryptoproxy_watch_not_told_total", {"channel": "ops", "reason": "silenced"}
    ), what="the silence is seen")  # fmt: skip

    watching.say(TELLS.replace("above", "abov"))
    reason = wait_until(lambda: process.health.reasons().get("rules"), what="the mistake is said")
    assert "did you mean above?" in reason
    watching.send(ticker(99, begin + MINUTE_MS))
    watching.wait_alerts(2)

    watching.say(TELLS.replace("high:", "low:").replace("above: 100", "below: 50"))
    wait_until(lambda: not process.health.reasons(), what="the new rules are in force")
    watching.send(ticker(49, begin + 2 * MINUTE_MS))
    found = watching.wait_alerts(3)
    assert [(each.rule, each.state) for each in found] == [("high", "open"), ("high", "resolved"), ("low", "open")]
    wait_until(lambda: stand_in.posts, what="the new rule is told of")
    assert [post.ids for post in stand_in.posts] == [[ALERT.id_of(found[2])]]


DERIVES = """
rules: {}
stats: all
bars: [coingecko]
"""


def test_bars_and_stats_are_on_their_topics_once_across_a_restart_and_bars_in_the_lake(watching: Watching) -> None:
    settings = watching.world.settings
    watching.world.set_up(CANDLE, STATS)
    watching.say("rules: {}")
    begin = watching.now_ms - 30 * MINUTE_MS
    process = watching.start()
    watching.say("rules: {}\nbars: 5")
    wait_until(process.health.reasons, what="a mistake in the file is told")
    watching.say(DERIVES)  # while it runs, and its bars are in the lake all the same
    wait_until(lambda: not process.health.reasons(), what="the new rules are in force")
    watching.send(*(ticker(100.0 + i, begin + i * MINUTE_MS // 2, source="coingecko") for i in range(5)))
    wait_until(lambda: len(watching.read(CANDLE, "1m")) == 2, what="two bars")
    watching.stop()

    watching.start()
    watching.send(*(ticker(100.0 + i, begin + i * MINUTE_MS // 2, source="coingecko") for i in range(4, 9)))
    bars = wait_until(lambda: found if len(found := watching.read(CANDLE, "1m")) == 4 else None, what="four bars")
    assert [(each.timestamp, each.open, each.close) for each in bars] == [
        (iso(begin + i * MINUTE_MS), 100.0 + 2 * i, 101.0 + 2 * i) for i in range(4)
    ]
    stats = watching.read(STATS)
    assert [each.price for each in stats] == [100.0, 102.0, 104.0, 106.0, 108.0]
    assert stats[-1].change_1m is not None
    lake = whole_lake(Store(settings.s3), CANDLE, "1m")
    span = Span(begin, watching.now_ms)
    stored = wait_until(
        lambda: lines if len(lines := [each.line for each in lake.records("coingecko", span, refuse)]) == 4 else None,
        what="all are in the lake",
    )
    assert [CANDLE.codec.decode(each) for each in stored] == bars
