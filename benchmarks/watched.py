"""What the benchmarks of watch share: fifty rules, topics, and the process as if it had been at some place before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from kafka import TopicPartition

from benchmarks.context import Context
from benchmarks.world import Child, Place
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.datasets import ALERT, TICKER
from cryptoproxy.watch.sharing.ledger import Ledger

ASSETS = 500
STEP_MS = 5_000
"""From one record of an asset to its next: so the short windows take a sample at each."""
WINDOWS = ("1m", "5m", "15m", "1h", "4h", "24h", "7d")


def fifty() -> str:
    """As a team might have them, of all kinds, over all assets; few of them ever hold."""
    conditions = [
        f"{{{kind}: {percent}%, within: {window}}}"
        for window in WINDOWS
        for kind, percent in (("falls", 10), ("falls", 20), ("rises", 10), ("rises", 20), ("moves", 30))
    ]
    conditions += [f"{{above: {10 ** (6 + i)}}}" for i in range(4)] + ["{below: 0.0000001}"]
    conditions += [
        "{times-mean: 5x, within: 1h, of: ticker.volume_24h}",
        "{times-mean: 5x, within: 24h, of: ticker.volume_24h}",
    ]
    conditions += ["{robust-score: 40, within: 24h}", "{robust-score: 40, within: 1h, change: 5m}"]
    conditions += ["{percentile-above: 99.99, within: 7d, change: 1h}", "{volatility-score: 40}", "{level-shift: 1000}"]
    conditions += ["{stale: 1h}", "{stale: 2h}", "{apart: 500bps, from: binance}"]
    lines = [f"  r{number}: {{when: {each}}}\n" for number, each in enumerate(conditions)]
    assert len(lines) == 50
    return "rules:\n" + "".join(lines)


RULES = {
    "nothing": "rules:\n  none: {assets: [nobody], when: {above: 1}}\n",
    "one": "rules:\n  one: {when: {above: 1000000000}}\n",
    "fifty": fifty(),
}


def place_for(context: Context, **texts: str) -> Place:
    """With its topics: of tickers, of alerts, and watch's own."""
    place = context.engines.place(**texts)
    kafka = place.settings.kafka
    place = place.with_texts(KAFKA_TOPICS=f"alert={kafka.topic}.alerts", PYTHON_WATCH_SERVER_PORT="0")
    place.make_topics(TICKER, ALERT)
    return place


@contextmanager
def watch(context: Context, place: Place, rules: str, module: str = "cryptoproxy.cli.main") -> Iterator[Child]:
    """The process, with these rules."""
    file = context.engines.folder / f"{place.settings.kafka.topic}.yaml"
    file.write_text(rules)
    with Child(module, place.with_texts(WATCH_RULES=str(file)).texts, ("watch",)) as child:
        yield child


def at_the_begin(place: Place) -> None:
    """As if watch had stopped before the first record, and known nothing."""
    kafka = place.settings.kafka
    begin = [
        [each.topic, each.partition, 0] for each in (TopicPartition(kafka.topic, i) for i in range(kafka.partitions))
    ]
    for number in range(kafka.partitions + 1):
        ledger = Ledger(kafka, number, lambda name: kafka_client.producer(kafka, transactional_id=name))
        known = ledger.open()
        told = msgspec.msgpack.encode(begin)
        fresh = dict.fromkeys(each for each in known if each.startswith(("asset:", "case:", "channel:")))
        ledger.commit({**fresh, "told": told, "kept": told})
        ledger.discard()
