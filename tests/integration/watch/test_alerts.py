"""Alerts on their topic: each once, whatever happens to the processes that find them."""

from __future__ import annotations

from cryptoproxy.datasets import ALERT, iso
from tests.integration.watch.conftest import MINUTE_MS, Watching, ticker

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
