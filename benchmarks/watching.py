"""`watch`: rules over a topic that is loaded already: with nothing to do, with one rule, with fifty over 500 assets."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
from kafka import TopicPartition

from benchmarks.context import Context
from benchmarks.figures import Report, at_least
from benchmarks.measure import Run, run
from benchmarks.quiet import words
from benchmarks.records import Made, records
from benchmarks.world import Child, Place
from cryptoproxy.common import topics
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


def benchmark(context: Context) -> Report:
    place = context.engines.place()
    kafka = place.settings.kafka
    admin = kafka_client.admin(kafka)
    list(topics.set_up(admin, kafka, (TICKER, ALERT)))
    admin.close()
    made: list[Made] = list(records(context.count, step_ms=STEP_MS, coins=ASSETS))
    place.load(made)

    def one_round() -> dict[str, Run]:
        return {name: _watch(context, place, rules) for name, rules in RULES.items()}

    rounds = context.quiet.rounds(one_round, wanted=min(3, context.rounds), spare=context.spare, what="watch")
    report = Report("watch", disturbed=words(rounds), facts={"records": context.count, "assets": ASSETS})
    by_rules = {name: [each.value[name] for each in rounds] for name in RULES}
    for name, runs in by_rules.items():
        target = at_least(20_000, aim=40_000) if name == "fifty" else None
        report.add(f"rate, {name}", [each.rate for each in runs], "records/s", target)
        report.add(f"own CPU, {name}", [each.cpu_us for each in runs], "µs/record")
    report.add(
        "rate of fifty ÷ of nothing",
        [b.rate / a.rate for a, b in zip(by_rules["nothing"], by_rules["fifty"], strict=True)],
    )
    report.add(
        "rate of fifty ÷ of one, which reads each record and does next to nothing",
        [b.rate / a.rate for a, b in zip(by_rules["one"], by_rules["fifty"], strict=True)],
        target=at_least(0.5),
    )
    report.add("peak RSS, fifty", max(each.peak_rss_mb for each in by_rules["fifty"]), "MB", None)
    return report


def _watch(context: Context, place: Place, rules: str) -> Run:
    """One process over the whole topic, as if it had been at its begin when it stopped."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "watch.yaml"
        file.write_text(rules)
        at = place.with_texts(WATCH_RULES=str(file), PYTHON_WATCH_SERVER_PORT="0")
        _at_the_begin(at)
        with Child("cryptoproxy.cli.main", at.texts, ("watch",)) as child:
            child.wait_line("share 0 is back")
            return run(
                [child], count=context.count, through=lambda: int(child.metric("watch_records")), engine=lambda: 0.0
            )


def _at_the_begin(place: Place) -> None:
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
