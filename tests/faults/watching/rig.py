"""A world of watch: rules, processes, a stand-in for Discord, a feeder, and the judge of what has come of it."""

from __future__ import annotations

import random
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from cryptoproxy.common import topics
from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import ALERT, CANDLE, STATS, TICKER, Candle, Stats, from_iso, iso, key
from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.process import Offset, PollerProcess
from tests.faults.watching import launch
from tests.faults.watching.must import DERIVES, HIGH, LOW, MINUTE_MS, RULES, Must
from tests.unit.watch.stand_in import StandIn

ASSETS = [f"binance:A{number}USDT:USDT" for number in range(40)]
OTHERS = [f"coingecko:coin-{number}:USD" for number in range(10)]
"""Of a source without bars."""
DAY_MINUTES = 24 * 60


class WatchProcess(PollerProcess):
    """`cryptoproxy watch`, with what `launch` in this folder makes of it."""

    launcher = launch.__file__


@dataclass
class Verdict:
    """What the judge has found. ``again``: sent once more, and marked as such."""

    records: int
    lost: int
    doubled: int
    again: int
    foreign: int
    untold: int
    unmarked: int
    repeats: int
    """Messages that were marked."""
    wrong: int
    """Bars and stats that say another thing than they must."""

    def require(self, *, repeats: int) -> Self:
        """Nothing is wrong, and no more messages than this were repeated."""
        faults = (self.lost, self.doubled, self.foreign, self.untold, self.unmarked, self.wrong)
        assert not any(faults), self
        assert self.repeats <= repeats, self
        return self


@dataclass
class WatchRig:
    """Usage: ``with WatchRig(brokers, tmp_path) as rig``; then start, feed, kill, and :meth:`judge`."""

    brokers: str
    folder: Path
    derives: bool = False
    """Whether bars and stats are made, and judged."""
    stand_in: StandIn = field(default_factory=StandIn)
    processes: list[WatchProcess] = field(default_factory=list)
    must: Must = field(default_factory=Must)

    def __enter__(self) -> Self:
        name = f"w{uuid.uuid4().hex[:10]}"
        (self.folder / "hook").write_text(self.stand_in.address)
        self.rules = RULES.replace("HOOK", str(self.folder / "hook")) + (DERIVES if self.derives else "")
        self.say(self.rules)
        self.clock = Offset(self.folder / "offset")
        self.texts = {
            "KAFKA_BROKERS_HOST_PORT": self.brokers,
            "KAFKA_TOPIC": name,
            "KAFKA_TOPICS": f"alert={name}.alerts,candle={name}.ohlcv,stats={name}.stats",
            "WATCH_RULES": str(self.folder / "watch.yaml"),
            "PYTHON_WATCH_SERVER_PORT": "0",
            "OUTBOX_DIR": str(self.folder / "outbox"),
        }
        admin = kafka_client.admin(self.settings.kafka)
        list(topics.set_up(admin, self.settings.kafka, (TICKER, ALERT, *((CANDLE, STATS) if self.derives else ()))))
        admin.close()
        self.producer = kafka_client.producer(self.settings.kafka)
        self.minute = time.time_ns() // 1_000_000 // MINUTE_MS - 60
        self._price = 0.0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes:
            if error is not None and process.running:
                print(f"{process.name}, {process.reasons()}:\n{process.log[-3000:]}")
            process.close()
        self.producer.close(timeout=5)
        self.stand_in.close()

    @property
    def settings(self) -> Settings:
        return Settings.from_texts(self.texts)

    # --- processes
    def start(self) -> WatchProcess:
        """One more process; it may still be on its way."""
        made = WatchProcess(f"watch-{len(self.processes)}", self.folder, self.texts, self.clock.environment)
        self.processes.append(made)
        return made

    @property
    def live(self) -> list[WatchProcess]:
        return [each for each in self.processes if each.running]

    def wait_judging(self) -> None:
        """Until those that run have all shares between them."""
        shares = self.settings.kafka.partitions

        def judged() -> bool:
            live = self.live
            return sum(each.metric("watch_shares") for each in live) == shares and not any(
                each.reasons() for each in live
            )

        wait_until(judged, what="those that run judge all shares")

    def say(self, rules: str) -> None:
        """The file of rules from now on."""
        (self.folder / "watch.yaml").write_text(rules)

    # --- records
    def feed(self, rounds: int, *, within: Sequence[int] = (0,), order: random.Random | None = None) -> None:
        """So many minutes of all assets, each record twice; what must come of them is noted.

        Args:
            within: when in each minute there is a price, in ms.
            order: chance by which records are late: of each asset they come in another order.
        """
        times: list[tuple[int, float]] = []
        for _ in range(rounds):
            self.minute += 1
            for offset in within:
                self._price = LOW if self._price == HIGH else HIGH
                times.append((self.minute * MINUTE_MS + offset, self._price))
        sent = []
        for asset in [*ASSETS, *(OTHERS if self.derives else ())]:
            mine = [each for each in times for _ in range(2)]
            if order is not None:
                order.shuffle(mine)
            for at, price in mine:
                self.must.take(asset, at, price, derives=self.derives)
                sent.append(ticker(asset, at, price, fetched=at + 250))
        self._send(sent)

    def feed_past(self, chance: random.Random) -> None:
        """A history that is walked again now, of what is known and of what was never seen: prices of three days, up to
        eleven minutes ago. Nothing may come of it."""
        assets = [*chance.sample(ASSETS, 10), *(f"binance:B{number}USDT:USDT" for number in range(10))]
        minutes = sorted(chance.sample(range(11, 3 * DAY_MINUTES), 30), reverse=True)
        fetched = self.minute * MINUTE_MS + 500
        self._send(
            ticker(asset, (self.minute - each) * MINUTE_MS, chance.choice((HIGH, LOW)), fetched=fetched)
            for each in minutes
            for asset in assets
        )

    def _send(self, records: Iterable[Any]) -> None:
        topic = self.settings.kafka.topic_of(TICKER)
        for future in [
            self.producer.send(topic, key=key(each).encode(), value=TICKER.codec.encode(each)) for each in records
        ]:
            future.get(180)

    # --- the judge
    def wait_told(self) -> None:
        """Until all that must be there is there and told."""
        alerts, derived = self.must.alerts, self.must.derived
        wait_until(lambda: alerts <= self._alerts().keys(), what="all alerts are on their topic")
        wait_until(lambda: derived.keys() <= {name for name, _ in self._derived()}, what="all bars and stats are there")
        wait_until(lambda: alerts <= self.stand_in.taken().keys(), what="all of them are told")

    def judge(self) -> Verdict:
        """Waits for all of it, and looks at what else is there."""
        alerts, derived = self.must.alerts, self.must.derived
        self.wait_told()
        found, told, made = self._alerts(), self.stand_in.taken(), self._derived()
        taken = [post for post in self.stand_in.posts if post.status in (0, 204)]
        marked = Counter(each for post in taken if post.repeat for each in post.ids)
        all_of_it = found + Counter(name for name, _ in made)
        return Verdict(
            records=len(all_of_it),
            lost=len((alerts | derived.keys()) - all_of_it.keys()),
            doubled=sum(count - 1 for count in all_of_it.values()),
            again=sum(marked.values()),
            foreign=len(all_of_it.keys() - alerts - derived.keys()),
            untold=len(found.keys() - told.keys()),
            unmarked=sum(1 for each, count in told.items() if count > 1 + marked[each]),
            repeats=sum(post.repeat for post in taken),
            wrong=sum(1 for name, values in made if name in derived and values != derived[name]),
        )

    def _alerts(self) -> Counter[str]:
        values = [each.value for each in evidence.on_topic(self.settings, self.settings.kafka.topic_of(ALERT))]
        return Counter(ALERT.id_of(ALERT.codec.decode(each)) for each in values)

    def _derived(self) -> list[tuple[str, tuple[float, ...]]]:
        """As :class:`Must` has them."""
        if not self.derives:
            return []
        kafka = self.settings.kafka
        bars: list[Candle] = [
            CANDLE.codec.decode(each.value) for each in evidence.on_topic(self.settings, kafka.topic_of(CANDLE, "1m"))
        ]
        stats: list[Stats] = [
            STATS.codec.decode(each.value) for each in evidence.on_topic(self.settings, kafka.topic_of(STATS))
        ]
        assert all(each.origin == "derived" for each in bars)
        return [
            *((CANDLE.id_of(each), (each.open, each.high, each.low, each.close)) for each in bars),
            *(
                (
                    f"{key(each)}:{from_iso(each.timestamp)}",
                    (each.price,) if each.change_1m is None else (each.price, each.change_1m),
                )
                for each in stats
            ),
        ]


def ticker(asset: str, at: int, price: float, *, fetched: int) -> Any:
    """As `fetched` a poller has got it. Times in ms."""
    source, asset_id, quote = asset.split(":")
    return msgspec.structs.replace(
        TICKER.example, source=source, asset_id=asset_id, symbol=asset_id, quote=quote, price=price, timestamp=iso(at),
        fetched_at=iso(fetched),
    )  # fmt: skip
