"""`switching`: from one asset to another on the page, over a month of minutes, in a real browser: poller's topic, index
with bars and tickers of 30 days of each asset, door, page, Debian's Chromium.

What is switched to has not been looked at before, so neither page nor door remembers anything of it. Needs Debian's
``chromium`` and the page's packages (`make page`).
"""

from __future__ import annotations

import json
import math
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
from confluent_kafka import Producer

from benchmarks.context import Context
from benchmarks.figures import Report, at_most
from benchmarks.quiet import words
from benchmarks.world import ROOT, BenchmarkError, Child, Place, free_port, wait_until
from cryptoproxy.datasets import CANDLE, TICKER, Candle, Dataset, Ticker, iso, key
from cryptoproxy.datasets.times import DAY_MS, MINUTE_MS

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT")
MINUTES = 30 * DAY_MS // MINUTE_MS
BULK = 4_000
DRIVER, BROWSER = ROOT / "benchmarks/browser/switch.py", ROOT / "tests/more/browser.txt"


def benchmark(context: Context) -> Report:
    if find_spec("streamlit") is None or shutil.which("chromium") is None:
        raise BenchmarkError(
            "the page's packages and Debian's chromium are needed: make page, apt-get install chromium"
        )
    place = _place(context)
    end_ms = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS
    count = _fill(place, end_ms)
    context.say(f"  {count} records in the index")
    with (
        TemporaryDirectory(prefix="switching-") as folder,
        Child("cryptoproxy.cli.main", place.texts, ("serve",)) as door,
    ):
        url = door.wait_line("the door is at").partition("the door is at ")[2].split(": ")[0]
        wait_until(partial(_is_ready, f"{door.url}/readyz"), seconds=120, what="a door that is ready", alive=door)
        picture = Path(folder) / "asset.png"
        rounds = context.quiet.rounds(
            partial(_switched, place, url, picture),
            wanted=min(3, context.rounds),
            spare=context.spare,
            what="switching",
        )
    every = [each for one in rounds for each in one.value]
    report = Report("switching", disturbed=words(rounds), facts={"assets": len(SYMBOLS), "minutes of each": MINUTES})
    for what, name in (("its candles are drawn", "chart"), ("all of its page stands", "page")):
        took = sorted(each[name] / 1000 for each in every)
        report.add(f"an asset chosen → {what}", took, "s", at_most(1))
        report.add(f"an asset chosen → {what}, the slowest of {len(took)}", took[-1], "s")
    return report


def _switched(place: Place, door: str, picture: Path) -> list[dict[str, Any]]:
    port = free_port()
    texts = place.texts | {"PAGE_DOOR": door, "PAGE_PORT": str(port)}
    url = f"http://127.0.0.1:{port}"
    with Child("cryptoproxy.cli.main", texts, ("page",)) as page:
        wait_until(partial(_is_ready, f"{url}/_stcore/health"), seconds=60, what="the page", alive=page)
        command = [
            sys.executable,
            "-m",
            "uv",
            "run",
            "--quiet",
            "--no-project",
            "--isolated",
            "--python",
            sys.executable,
        ]
        command += ["--with-requirements", str(BROWSER), "python", str(DRIVER), url, "30 days", str(picture)]
        assets = [f"binance:{each}:USDT" for each in SYMBOLS]
        done = subprocess.run([*command, *assets], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(done.stderr[-2000:])
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _is_ready(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).status_code == 200
    except requests.ConnectionError:
        return False


def _place(context: Context) -> Place:
    place = context.engines.place(SERVE_PORT="0", PYTHON_SERVE_SERVER_PORT="0", READ_THROUGH="off", SERVE_USAGE="off")
    name = place.settings.kafka.topic
    place = place.with_texts(
        KAFKA_TOPICS=f"candle={name}.ohlcv", ES_INDICES=f"candle={name}-candles", KAFKA_ANSWERS_TOPIC="off"
    )
    place.make(TICKER, CANDLE)
    return place


def _fill(place: Place, end_ms: int) -> int:
    """Bars and tickers of each asset and minute into the index, the newest tickers on the topic; how many."""
    settings, count = place.settings.elasticsearch, 0
    made = (each for symbol in SYMBOLS for each in _records(symbol, end_ms))
    with place.elasticsearch() as client:
        while some := list(islice(made, BULK)):
            operations: list[Any] = []
            for dataset, record in some:
                part = dataset.parts[dataset.part(record)]
                index = settings.index_of(dataset, part, record.timestamp)
                operations += [
                    {"create": {"_index": index, "_id": dataset.id_of(record)}},
                    dataset.codec.encode(record),
                ]
            if client.bulk(operations=operations)["errors"]:
                raise BenchmarkError("Elasticsearch has not taken all records")
            count += len(some)
        client.indices.refresh(index=f"{settings.alias},{settings.alias_of(CANDLE)}")
    producer = Producer({"bootstrap.servers": ",".join(place.settings.kafka.brokers), "acks": "all"})
    for symbol in SYMBOLS:
        newest = _ticker(symbol, end_ms, 100.0)
        topic, value = place.settings.kafka.topic, TICKER.codec.encode(newest)
        producer.produce(topic, value, key(newest), headers=dict(TICKER.headers))
    producer.flush(60)
    return count


def _records(symbol: str, end_ms: int) -> Iterator[tuple[Dataset[Any], Candle | Ticker]]:
    """A random walk, the same in each run."""
    draw, price = random.Random(symbol), 100.0
    for number in range(MINUTES):
        begin_ms = end_ms - (MINUTES - number) * MINUTE_MS
        opened, price = price, price * math.exp(draw.gauss(0, 0.0008))
        bar = Candle(
            source="binance", asset_id=symbol, symbol=symbol, quote="USDT", interval="1m", timestamp=iso(begin_ms),
            fetched_at=iso(begin_ms + MINUTE_MS), open=opened, close=price, high=max(opened, price) * 1.0003,
            low=min(opened, price) * 0.9997, base_volume=draw.uniform(1, 50), quote_volume=draw.uniform(100, 5000),
            trades=draw.randrange(1, 900),
        )  # fmt: skip
        yield CANDLE, bar
        yield TICKER, _ticker(symbol, begin_ms, price)


def _ticker(symbol: str, slot_ms: int, price: float) -> Ticker:
    return Ticker(
        source="binance", asset_id=symbol, symbol=symbol, name=symbol, quote="USDT", price=price,
        timestamp=iso(slot_ms), fetched_at=iso(slot_ms + 200), fetch_delay_ms=200, interval_ms=MINUTE_MS,
        volume_24h=1e6, high_24h=price * 1.01, low_24h=price * 0.99, change_24h=math.sin(slot_ms / DAY_MS) * 3,
    )  # fmt: skip
