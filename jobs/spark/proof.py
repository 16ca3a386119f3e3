"""`make spark`: every job over a lake and a topic of its own on the embedded engines, and what they say held against
DuckDB and `query` over the same days. Ends with a table, and with 1 if anything differs."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import submitted
import ticks
import uneven
from fill import BARS, BEGIN, COINS, DAYS, PAIRS, Filled, fill
from rich.console import Console
from rich.table import Table

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import TICKER, TRADE, iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS
from cryptoproxy.engines import artefacts
from cryptoproxy.engines.ports import Ports
from cryptoproxy.engines.stack import Memory, Stack
from cryptoproxy.lake.store import Store
from cryptoproxy.lake.table import Table as Compacted
from cryptoproxy.models.registry import Registry
from cryptoproxy.models.trees import anomaly as how_strange
from cryptoproxy.models.trees import probability
from cryptoproxy.queries import Queries
from cryptoproxy.queries.lake.engine import Lake
from cryptoproxy.watch.figures.gauge import figures
from cryptoproxy.watch.figures.learned import FEATURES as OF_A_MINUTE
from cryptoproxy.watch.figures.learned import FORESTS
from cryptoproxy.watch.figures.ranks import SAMPLES, RobustScore
from cryptoproxy.watch.figures.windows import Change
from cryptoproxy.watch.rulebook.forests import bring
from cryptoproxy.watch.rulebook.reading import parse
from tests.integration.consuming.snippets import adapted

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "jobs" / "models"))

import anomaly  # noqa: E402
import direction  # noqa: E402
import minutes  # noqa: E402

STREAM = "stream-ticker-1h"
PATIENCE = 1800.0
WHOLE_DAYS = DAYS - 1
"""The last day is what the stream tells."""


class Check(NamedTuple):
    what: str
    spark: object
    ours: object

    @property
    def well(self) -> bool:
        return self.spark == self.ours


@contextmanager
def engines(folder: Path, *, kept: bool = False) -> Iterator[dict[str, str]]:
    """Kafka, Elasticsearch and S3; the texts of their settings. ``kept``: their data stays in ``folder``."""
    stack = Stack(
        folder / "engines", ports=Ports(0, 0, 0, 0, 0),
        memory=Memory(kafka_mb=384, elasticsearch_mb=512, s3_mb=256), die_with_parent=True, say=print,
    )  # fmt: skip
    at = stack.up()
    try:
        yield {
            "KAFKA_BROKERS_HOST_PORT": at.kafka,
            "ES_URL_ENDPOINT": at.elasticsearch,
            "AWS_S3_ENDPOINT_URL": at.s3,
            "AWS_S3_ACCESS_KEY": at.s3_access_key,
            "AWS_S3_SECRET_KEY": at.s3_secret_key,
            "OUTBOX_DIR": str(folder / "outbox"),
        }
    finally:
        (stack.down if kept else stack.remove)()


class Jobs:
    """One after the other in this process, whose JVM is warm after the first; what is killed has one of its own."""

    def __init__(self, texts: dict[str, str], folder: Path) -> None:
        os.environ |= texts | {"CRYPTOPROXY_HOME": str(folder), "SPARK_LOCAL_DIRS": str(folder)}
        # One JVM for all of them: what a session leaves in it adds up.
        os.environ.setdefault("SPARK_DRIVER_MEMORY", "2g")
        os.chdir(folder)
        self.folder = folder
        self.settings = Settings.from_texts(texts)
        self.seconds: dict[str, float] = {}

    def run(self, job: str, *words: str) -> Any:
        """What its ``main`` gives back."""
        began = time.monotonic()
        told = importlib.import_module(Path(job).stem).main(list(words))
        name = " ".join((job, *words))
        self.seconds[name] = time.monotonic() - began
        print(f"  {self.seconds[name]:.0f} s: {name}", flush=True)
        return told

    def killed(self, when: Callable[[], bool], job: str, *words: str) -> None:
        """Started, and SIGKILL for it and its JVM as soon as that is true."""
        with (self.folder / "killed.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "jobs" / job), *words], stdout=log, stderr=log, start_new_session=True
            )
            try:
                deadline = time.monotonic() + PATIENCE
                while not when():
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise SystemExit(f"{job} did not get there\n{Path(log.name).read_text()[-6000:]}")
                    time.sleep(0.05)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        print(f"{job}: killed", flush=True)


def by_delta_s_reader(settings: Settings, folder: Path, since: str) -> dict[Any, Any]:
    """What docs/consuming.md's own lines for Spark find in the lake's table, in a process of their own: (asset, day) →
    records and mean price."""
    s3, file = settings.s3, folder / "delta.json"
    changes = {
        "http://localhost:9000": str(s3.endpoint_url),
        "ACCESS_KEY": s3.access_key.get(),
        "SECRET_KEY": s3.secret_key.get(),
        "2026-11-01": since,
    }
    found = (
        f"days = lake.where(F.col('timestamp') >= '{since}').groupBy('asset_id', F.to_date('timestamp').alias('day'))\n"
        "rows = days.agg(F.count('*').alias('records'), F.avg('price').alias('mean')).collect()\n"
        "import json\n"
        f"json.dump([[r.asset_id, str(r.day), r.records, r.mean] for r in rows], open({str(file)!r}, 'w'))\n"
    )
    jars = [
        jar for name in ("spark", "delta")
        for jar in artefacts.fetch(artefacts.bundle(name), artefacts.user_cache(), say=print)
    ]  # fmt: skip
    words = f"--master local[2] --jars {','.join(map(str, jars))} pyspark-shell"
    done = subprocess.run(
        [sys.executable, "-c", adapted("spark", changes) + found],
        env=os.environ | {"PYSPARK_SUBMIT_ARGS": words}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"docs/consuming.md's lines for Spark failed\n{done.stderr[-4000:]}")
    return {(asset, day): (records, round(mean, 9)) for asset, day, records, mean in json.loads(file.read_text())}


class Found:
    """What the jobs have written, read without Spark; and what `query` says of the same days."""

    def __init__(self, settings: Settings) -> None:
        self._store = Store(settings.s3)
        self._base = f"{settings.s3.prefix}/spark/"
        self._lake = Lake(self._store)
        self._client = elastic.client(settings.elasticsearch)  # never asked: all questions go to the lake
        self.queries = Queries(self._client, lake=self._lake, engine="lake")

    def close(self) -> None:
        self._lake.close()
        self._client.close()

    def keys(self, name: str) -> list[str]:
        return [key for key in self._store.keys(f"{self._base}{name}/") if key.endswith(".parquet")]

    def rows(self, name: str) -> list[dict[str, Any]]:
        import pyarrow as pa

        return [
            row for key in self.keys(name) for row in pq.read_table(pa.BufferReader(self._store.get(key))).to_pylist()
        ]

    def bars(self, name: str) -> dict[Any, Any]:
        """(asset, begin) → open, high, low, close.

        Raises:
            SystemExit: one is there twice.
        """
        rows = self.rows(name)
        found = {
            (row["asset_id"], _ms(row["begin"])): (row["open"], row["high"], row["low"], row["close"]) for row in rows
        }
        if len(found) != len(rows):
            raise SystemExit(f"{name}: {len(rows) - len(found)} windows are there twice")
        return found

    def scores(self, name: str) -> dict[Any, float]:
        """(asset, begin) → how strange, of those of which that is known."""
        return {
            (row["asset_id"], _ms(row["begin"])): row["robust_score"]
            for row in self.rows(name)
            if row["robust_score"] is not None
        }

    def values(self, name: str) -> dict[Any, list[float]]:
        """(asset, begin) → all its numbers, NaN where one is not known."""
        return {
            (row["asset_id"], _ms(row["begin"])): [
                np.nan if value is None else value
                for value in row.values()
                if value is None or isinstance(value, float)
            ]
            for row in self.rows(name)
        }

    def candles(self, interval: str, since_ms: int, until_ms: int, source: str) -> dict[Any, Any]:
        answer = self.queries.candles(interval, source=source, since=iso(since_ms), until=iso(until_ms))
        return {
            (row.asset.asset_id, row.bar.begin_ms): (row.bar.open, row.bar.high, row.bar.low, row.bar.close)
            for row in answer
        }


def main() -> int:
    checks: list[Check] = []
    with tempfile.TemporaryDirectory(prefix="cryptoproxy-spark-") as temporary:
        folder = Path(temporary)
        with engines(folder) as texts:
            settings = Settings.from_texts(texts)
            filled = fill(settings)
            print(
                f"filled: {filled.lake} tickers of {DAYS} days, {filled.bars} bars, {filled.messages} messages",
                flush=True,
            )
            jobs = Jobs(texts, folder)
            with closing(Found(settings)) as found:
                prove(jobs, found, filled, checks)
    report(checks, jobs)
    return 0 if all(each.well for each in checks) else 1


def documented() -> list[list[str]]:
    """The commands of the pages, as they stand there: the folder and job, and its words; each once."""
    text = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("spark.md", "models.md"))
    lines = re.findall(r"^\$ python jobs/(.+)$", text, re.MULTILINE)
    return [shlex.split(line) for line in dict.fromkeys(lines)]


def prove(jobs: Jobs, found: Found, filled: Filled, checks: list[Check]) -> None:
    told: dict[str, Any] = {}
    for job, *words in documented():
        if job.startswith("spark/spark_streaming"):
            # The first windows are there; that this batch is done has most likely not been written down yet.
            slowly = [word for word in words if word != "--until-idle"] + ["--most", "3000", "--every", "0 seconds"]
            jobs.killed(lambda: bool(found.keys(f"{STREAM}/windows")), job, *slowly)
        told[job] = jobs.run(job, *words)

    def check(what: str, spark: object, ours: object) -> None:
        checks.append(Check(what, spark, ours))

    first, last, end = (iso(BEGIN + days * DAY_MS)[:10] for days in (0, WHOLE_DAYS, DAYS))
    rows = found.rows("windows-ticker-1d")
    check("records of all days, as they were put there", sum(row["records"] for row in rows), filled.lake)
    averages = found.queries.average("price", interval="1d", since=first, until=end)
    ours: dict[Any, Any] = {
        (row.asset.asset_id, row.begin_ms): (row.count, row.lowest, row.highest, round(row.average, 9))
        for row in averages
    }
    spark: dict[Any, Any] = {
        (row["asset_id"], _ms(row["begin"])): (row["records"], row["low"], row["high"], round(row["mean"], 9))
        for row in rows
    }
    check("days as `query average --interval 1d`", same(spark, ours), len(ours))
    hours = found.candles("1h", BEGIN, BEGIN + WHOLE_DAYS * DAY_MS, "coingecko")
    check("hours of whole days as `query candles`", same(found.bars("windows-ticker-1h"), hours), len(hours))
    files = Compacted(Store(jobs.settings.s3), TICKER).files()
    check("compacted side by side: every id in the table", sum(file.rows for file in files), filled.lake)
    days = {(row["asset_id"], iso(_ms(row["begin"]))[:10]): (row["records"], round(row["mean"], 9)) for row in rows}
    others = by_delta_s_reader(jobs.settings, jobs.folder, first)
    check("the table by Delta's own reader for Spark, as consuming.md has it", same(others, days), len(days))
    held = told["spark/reconcile.py"].hours.values()
    check(
        "reconciled side by side: every id of the lake is a document", sum(hour.documents for hour in held), filled.lake
    )
    jobs.run("spark/aggregates.py", "--from", first, "--to", last, "--length", "1h")
    check(
        "the same again, of files alone: nothing is doubled", same(found.bars("windows-ticker-1h"), hours), len(hours)
    )

    on_a_cluster(jobs, found, check)

    bars_from = iso(BEGIN - BARS * DAY_MS)[:10]
    answer = found.queries.indicators(interval="1h", source="binance", since=bars_from, until=first)
    ours = {(row.asset.asset_id, row.bar.begin_ms): dict(row.values) for row in answer}
    spark = {
        (row["asset_id"], _ms(row["begin"])): {name: row[name] for name in next(iter(ours.values()))}
        for row in found.rows("indicators-1h")
    }
    check("indicators as `query indicators`, to the last bit", same(spark, ours), len(ours))
    rows = found.rows("features-1h")
    check("features: a row for each bar", len(rows), len(ours))
    closes = {(row["asset_id"], _ms(row["begin"])): row["close"] for row in rows}
    check(
        "features: an answer where the next bar is there",
        sum(1 for row in rows if row["next_return"] is not None),
        sum(1 for asset, at in closes if (asset, at + HOUR_MS) in closes),
    )

    later = iso(BEGIN - 3 * DAY_MS)[:10]
    for job in ("features", "indicators"):
        whole = found.values(f"{job}-1h")
        jobs.run(f"spark/{job}.py", "--from", later, "--to", first, "--dataset", "candle-1h")
        check(f"{job} of the last days alone, as of all of them", alike(found.values(f"{job}-1h"), whole), len(whole))

    check("records of the topic, each once", len(found.rows("topic-ticker")), filled.on_topic)
    day = found.candles("1h", BEGIN + WHOLE_DAYS * DAY_MS, BEGIN + DAYS * DAY_MS, "coingecko")
    closed = {key: bar for key, bar in day.items() if key[1] < BEGIN + DAYS * DAY_MS - HOUR_MS}
    check("stream, killed in the middle: each window that is over, once",
          same(found.bars(f"{STREAM}/windows"), closed), len(closed))  # fmt: skip
    both = hours | closed
    check("batch and stream as one", same(found.bars("view-ticker-1h"), both), len(both))
    ours = scores(both)
    check("the same: scores as watch's own figure says", same(found.scores("view-ticker-1h"), ours), len(ours))

    unevenly(jobs, found, check)
    of_trades(jobs, found, check)
    of_models(Registry(Store(jobs.settings.s3)), check)


def scores(hours: dict[Any, Any]) -> dict[Any, float]:
    """Of all windows of an hour at once: (asset, begin) → open, high, low, close."""
    found: dict[Any, float] = {}
    for asset in {asset for asset, _ in hours}:
        closes = [(at, bar[3]) for (own, at), bar in sorted(hours.items()) if own == asset]
        told = figures(RobustScore(Change(HOUR_MS), SAMPLES * HOUR_MS), closes)
        found |= {(asset, at): score for (at, _), score in zip(closes, told, strict=True) if score == score}  # noqa: PLR0124
    return found


def on_a_cluster(jobs: Jobs, found: Found, check: Callable[[str, object, object], None]) -> None:
    """Two of the days that are there are computed again."""
    name = "windows-ticker-1d"
    alone, files = found.values(name), set(found.keys(name))
    submitted.submit(jobs.folder)
    anew = {key.rpartition("/")[0] for key in set(found.keys(name)) - files}
    check("submitted to a cluster, as spark.md has it: the same days", alike(found.values(name), alone), len(alone))
    check("the same: days that it wrote anew", len(anew), 2)


def unevenly(jobs: Jobs, found: Found, check: Callable[[str, object, object], None]) -> None:
    """The stream over very uneven partitions: killed, gone on with, and then with more on the topic."""
    begin, middle, end = (BEGIN + hours * HOUR_MS for hours in (0, 72, 78))
    words = ("--dataset", "candle-1m", "--length", "1h", "--late", "10 minutes")
    windows, job = "stream-candle-1m-1h/windows", "spark/spark_streaming_consumer.py"
    bars = uneven.stretch(begin, middle)
    uneven.set_up(jobs.settings)
    uneven.publish(jobs.settings, bars)
    jobs.killed(lambda: bool(found.keys(windows)), job, *words, "--every", "0 seconds")
    jobs.run(job, *words, "--until-idle")
    ours = uneven.over(bars)
    check("stream of uneven partitions, killed: each window once", same(found.bars(windows), ours), len(ours))
    more = uneven.stretch(middle, end)
    uneven.publish(jobs.settings, more)
    jobs.run(job, *words, "--until-idle")
    ours = uneven.over([*bars, *more])
    check("the same after six hours more: each window once", same(found.bars(windows), ours), len(ours))
    ours = scores(ours)
    check("the same: scores as if nobody had been killed", same(found.scores(windows), ours), len(ours))
    jobs.run(job, "--dataset", "candle-1m", "--length", "1d", "--until-idle")
    ours = uneven.over([*bars, *more], DAY_MS)
    check("the same in days: each that is over, once", same(found.bars("stream-candle-1m-1d/windows"), ours), len(ours))


def of_trades(jobs: Jobs, found: Found, check: Callable[[str, object, object], None]) -> None:
    trades = ticks.made()
    ticks.publish(jobs.settings, trades)
    job, words = "spark/spark_streaming_consumer.py", ("--dataset", "trade", "--length", "1m", "--until-idle")
    jobs.run(job, *words, "--to-topic", ticks.WINDOWS)
    rows = found.rows("stream-trade-1m/windows")
    said: dict[Any, Any] = {
        (row["asset_id"], _ms(row["begin"])): (
            row["open"], row["high"], row["low"], row["close"], row["records"], round(row["quote_volume"], 6)
        )
        for row in rows
    }  # fmt: skip
    ours = ticks.over(trades)
    check("stream of trades, three of a moment: each window once", same(said, ours) - len(rows) + len(said), len(ours))
    on_topic = [json.loads(value) for some in ticks.messages(jobs.settings, ticks.WINDOWS).values() for value in some]
    told = {(each["asset_id"], each["begin"][:19]): each.get("robust_score") for each in on_topic}
    there = {(row["asset_id"], row["begin"].isoformat()[:19]): row["robust_score"] for row in rows}
    check("the same windows on their topic, with their scores", same(told, there), len(there))
    messages = ticks.messages(jobs.settings, jobs.settings.kafka.topic_of(TRADE))
    begins = {partition: len(some) // 2 for partition, some in messages.items()}
    offsets = ",".join(f"{partition}:{begin}" for partition, begin in begins.items())
    jobs.run("spark/kafka_batch_reader.py", "--dataset", "trade", "--from-offsets", offsets)
    later = {value for partition, some in messages.items() for value in some[begins[partition] :]}
    check("trades from offsets on, each once", len(found.rows("topic-trade")), len(later))


def of_models(registry: Registry, check: Callable[[str, object, object], None]) -> None:
    for module in (direction, anomaly):
        (about,) = registry.versions(f"{module.NAME}-1h")
        check(f"{about.name}: loaded again by version, checksum and features",
              registry.load(about.name, about.version, features=module.FEATURES).about.rows, about.rows)  # fmt: skip
    (about,) = registry.versions("direction-1h")
    check("direction-1h: trees of each asset, as many as were made of it",
          sorted(own.count for own in about.assets.values()), [60] * len(PAIRS))  # fmt: skip
    check("models: numpy says what scikit-learn says", said_alike(), 4000)
    check("minutes: watch loads it, and says what numpy says", said_by_watch(registry), 1000)


def said_alike() -> int:
    """Of how many rows, of both kinds of model."""
    dice = np.random.default_rng(3)
    x = dice.normal(size=(2000, 5)).astype(np.float32)
    classifier = direction.classifier(x, x[:, 0] + dice.normal(size=2000) > 0)
    chance = probability(direction.forest_of(classifier), x)
    isolation = anomaly.isolation(x)
    strange = how_strange(anomaly.forest_of(isolation), x, int(isolation.max_samples_))
    return sum(
        int(np.isclose(mine, theirs, rtol=1e-9).sum())
        for mine, theirs in ((chance, classifier.predict_proba(x)[:, 1]), (strange, -isolation.score_samples(x)))
    )


def said_by_watch(registry: Registry) -> int:
    """Of how many rows, by a rule that names the version."""
    (about,) = registry.versions(minutes.NAME)
    bring(
        parse(f"rules: {{r: {{when: {{forest-score: 0.7, model: minutes, version: {about.version}}}}}}}"),
        lambda: registry,
    )
    asked, model = FORESTS[minutes.NAME, about.version], registry.load(minutes.NAME, about.version)
    x = np.random.default_rng(5).random((1000, len(OF_A_MINUTE)), dtype=np.float32)
    theirs = how_strange(model.forest, x, int(about.settings["samples"]))
    return int(np.isclose([asked.score(row) for row in x.tolist()], theirs, rtol=1e-9).sum())


def same(spark: dict[Any, Any], ours: dict[Any, Any]) -> int:
    """How many are the same in both; one that only Spark has makes it wrong."""
    return sum(1 for key, value in spark.items() if ours.get(key) == value) - len(spark.keys() - ours.keys())


def alike(some: dict[Any, list[float]], whole: dict[Any, list[float]]) -> int:
    """How many rows of ``whole`` say the same to a millionth."""
    return sum(
        1 for key, row in whole.items() if np.allclose(some.get(key, []), row, rtol=1e-6, atol=1e-9, equal_nan=True)
    )


def report(checks: list[Check], jobs: Jobs) -> None:
    table = Table(title=f"Spark against DuckDB and `query`: {COINS} coins, {len(PAIRS)} pairs, {DAYS} days")
    for name in ("what", "Spark", "ours", ""):
        table.add_column(name, justify="left" if name in ("what", "") else "right")
    for each in checks:
        table.add_row(each.what, str(each.spark), str(each.ours), "equal" if each.well else "DIFFERS")
    Console(width=110).print(table)
    print(f"{sum(jobs.seconds.values()):.0f} s in jobs")


def _ms(moment: Any) -> int:
    return round(moment.timestamp() * 1000)


if __name__ == "__main__":
    sys.exit(main())
