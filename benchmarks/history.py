"""A history of one-minute candles through the whole road: the sandbox's answers, poller with outbox, Kafka and S3,
indexer, Elasticsearch. Live polls go on beside it, and none of them may be missed. At the end all bars are in the index
and in the lake, each once.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.context import Context
from benchmarks.cost import cpu_seconds, peak_rss_mb, rss_mb
from benchmarks.figures import Report, at_most, median
from benchmarks.world import BenchmarkError, Child, Place, indexer, poller, wait_until
from cryptoproxy.datasets import CANDLE, TICKER, from_iso, iso
from cryptoproxy.datasets.times import DAY_MS, MINUTE_MS
from cryptoproxy.lake.objects import lines_of
from cryptoproxy.lake.store import Store
from cryptoproxy.sandbox.binance.pairs import DOWN

SYMBOLS = tuple(f"{base}USDT" for base in ("BTC", "ETH", "XRP", "BNB", "SOL", "TRX", "DOGE", "ADA", "HYPE", "BCH"))
"""Of the sandbox's pairs, listed for years."""
LOOK_SECONDS = 0.5
WINDOW = 0.2
"""As of :mod:`benchmarks.memory`."""


def benchmark(context: Context) -> Report:
    minutes = context.count // len(SYMBOLS)
    end_ms = int(time.time() * 1000) // DAY_MS * DAY_MS
    begin_ms = end_ms - minutes * MINUTE_MS
    count = (minutes - _minutes_down(begin_ms, end_ms)) * len(SYMBOLS)
    report = Report("history", facts={"records": count, "symbols": len(SYMBOLS)})
    with TemporaryDirectory() as folder, Child("cryptoproxy.sandbox", {}, ("--no-bodies",)) as sandbox:
        place = _place(context, Path(folder), sandbox.wait_line("http://"))
        with poller(place) as polling, indexer(place) as indexing:
            for source in ("coingecko", "binance"):  # what a start misses is not history's doing
                polling.wait_line(f"fetched from {source}", seconds=120)
            missed = polling.metric("slots_missed")
            engine = context.engines.elasticsearch_cpu
            began, before = time.monotonic(), (cpu_seconds(polling.pid), cpu_seconds(indexing.pid), engine())
            with _Looking(place, polling, indexing) as looking, _asked(place, begin_ms, end_ms) as asked:
                wait_until(
                    lambda: asked.process.poll() is not None, seconds=7200, what="the end of the run", alive=polling
                )
                if asked.process.returncode:
                    raise BenchmarkError("\n".join(asked.lines[-15:]))
                walked = time.monotonic() - began
                wait_until(lambda: looking.documents >= count, seconds=1200, what=f"{count} documents", alive=indexing)
            seconds = time.monotonic() - began
            context.say(f"  {count} bars in the index after {seconds:.0f} s")
            after = cpu_seconds(polling.pid), cpu_seconds(indexing.pid), engine()
            outbox = place.settings.poller.outbox_dir
            wait_until(
                lambda: not [*outbox.glob("kafka/*candle*"), *outbox.glob("s3/*candle*")],
                seconds=600, what="all bars in S3", alive=polling, every=0.5,
            )  # fmt: skip
            own = [1e6 * (late - early) / count for early, late in zip(before, after, strict=True)]
            report.add("bars into the index", count / seconds, "records/s", note=f"{seconds:.0f} s in all")
            report.add("walked and kept", count / walked, "records/s")
            for name, cost in zip(("poller", "indexer", "Elasticsearch"), own, strict=True):
                report.add(f"CPU of the {name}", cost, "µs/record")
            for name, child in (("poller", polling), ("indexer", indexing)):
                report.add(
                    f"{name}: RSS of the last fifth ÷ of the second", looking.growth(name, count), target=at_most(1.1)
                )
                report.add(f"{name}: peak RSS", peak_rss_mb(child.pid), "MB")
            report.add("live slots missed", polling.metric("slots_missed") - missed, target=at_most(0))
        report.add("documents too many or too few", abs(_found(place) - count), target=at_most(0))
        lines, ids = _in_lake(place, begin_ms, minutes)
        report.add("ids of the lake too many or too few", abs(ids - count), target=at_most(0), note=f"{lines} lines")
    return report


def _minutes_down(begin_ms: int, end_ms: int) -> int:
    """In which the exchange was down, so that there are no bars."""
    down = (min(end * 1000, end_ms) - max(begin * 1000, begin_ms) for begin, end in DOWN)
    return sum(max(0, each) for each in down) // MINUTE_MS


def _place(context: Context, folder: Path, url: str) -> Place:
    place = context.engines.place(
        SOURCES="coingecko,binance",
        BINANCE_SYMBOLS="*",
        BINANCE_CANDLE_SYMBOLS=",".join(SYMBOLS),
        COINGECKO_INTERVAL="10",
        BINANCE_INTERVAL="10",  # each second they would leave history a tenth of the budget
        COINGECKO_BASE_URL=f"{url}/coingecko/api/v3",
        COINGECKO_CALLS_PER_MINUTE="0",
        BINANCE_BASE_URL=f"{url}/binance",
        OUTBOX_DIR=str(folder / "outbox"),
    )
    name = place.settings.kafka.topic
    place = place.with_texts(KAFKA_TOPICS=f"candle={name}.ohlcv", ES_INDICES=f"candle={name}-candles")
    place.make(TICKER, CANDLE)
    Store(place.settings.s3).make_bucket()
    return place


def _asked(place: Place, begin_ms: int, end_ms: int) -> Child:
    span = ("--from", iso(begin_ms), "--to", iso(end_ms))
    return Child("cryptoproxy.cli.main", place.texts, ("history", "binance.candle-1m", *span))


def _found(place: Place) -> int:
    with place.elasticsearch() as client:
        there = f"{place.settings.elasticsearch.alias_of(CANDLE)}-*"
        client.indices.refresh(index=there)
        return int(client.count(index=there)["count"])


class _Looking:
    """Documents and memory, over and over while it is entered."""

    def __init__(self, place: Place, polling: Child, indexing: Child) -> None:
        self.documents = 0
        self._place, self._children = place, {"poller": polling, "indexer": indexing}
        self._seen: list[tuple[int, dict[str, float]]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def growth(self, name: str, count: int) -> float:
        second = [rss[name] for done, rss in self._seen if WINDOW * count <= done < 2 * WINDOW * count]
        last = [rss[name] for done, rss in self._seen if done >= (1 - WINDOW) * count]
        if not second or not last:
            raise BenchmarkError(f"{count} records are too few to tell growth")
        return median(last) / median(second)

    def _run(self) -> None:
        with self._place.elasticsearch() as client:
            there = f"{self._place.settings.elasticsearch.alias_of(CANDLE)}-*"
            while not self._stop.wait(LOOK_SECONDS):
                told = client.indices.stats(index=there, metric="indexing")
                self.documents = told["_all"]["primaries"].get("indexing", {}).get("index_total", 0)
                rss = {name: rss_mb(child.pid) for name, child in self._children.items()}
                self._seen.append((self.documents, rss))

    def __enter__(self) -> _Looking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)


def _in_lake(place: Place, begin_ms: int, minutes: int) -> tuple[int, int]:
    """Lines of bars in the raw objects, and the ids in them."""
    store = Store(place.settings.s3)
    there = {symbol: bytearray(minutes) for symbol in SYMBOLS}
    lines = 0
    for key in store.keys(f"{store.settings.prefix}/v1/candle/"):
        for line in lines_of(key, store.get(key)):
            lines += 1
            record = CANDLE.codec.decode(line)
            there[record.asset_id][(from_iso(record.timestamp) - begin_ms) // MINUTE_MS] = 1
    return lines, sum(map(sum, there.values()))
