"""The door as a process, beside poller and indexer: what it answers is what the sandbox answers."""

from __future__ import annotations

import csv
import io
from contextlib import closing, suppress
from pathlib import Path

import pytest
import requests

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.datasets import CANDLE, TICKER, USAGE, iso
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS
from cryptoproxy.queries import NothingFound, Queries
from cryptoproxy.queries.usage import UsageRow
from cryptoproxy.sandbox import Sandbox
from tests.conftest import wait_until
from tests.integration.conftest import World
from tests.integration.serve.processes import ADDRESS, HEALTH, found_at, running, said


def test_a_door_over_the_road_answers_as_the_upstream_does(world: World, tmp_path: Path) -> None:
    with Sandbox(coins=60) as sandbox:
        world.texts |= {
            "SOURCES": "coingecko,binance",
            "COINGECKO_BASE_URL": sandbox.base_url("coingecko"),
            "COINGECKO_TOP_N": "20",
            "COINGECKO_CALLS_PER_MINUTE": "0",
            "BINANCE_BASE_URL": sandbox.base_url("binance"),
            "BINANCE_SYMBOLS": "BTCUSDT,ETHUSDT",
            "BINANCE_CANDLE_SYMBOLS": "BTCUSDT",
            "HISTORY": "binance.candle-1h=2d",
            "KAFKA_PRODUCER_BATCH_INTERVAL": "5",
            "SERVE_PORT": "0",
            "SERVE_BINANCE_PORT": "0",
            "PYTHON_SERVE_SERVER_PORT": "0",
            "READ_THROUGH_DIR": str(tmp_path / "read-through"),
        }
        world.set_up(TICKER, CANDLE, USAGE)
        with running("consume", world, tmp_path), running("produce", world, tmp_path):
            with running("serve", world, tmp_path) as log:
                door, health = said(log, ADDRESS), said(log, HEALTH)
                wait_until(
                    lambda: requests.get(f"{health}/readyz", timeout=60).status_code == 200, what="a door that is whole"
                )

                prices = f"{door}/coingecko/api/v3/simple/price?ids=bitcoin&vs_currencies=usd"
                found = wait_until(lambda: found_at(prices, "road/coingecko"), what="a price")
                assert set(found.json()) == {"bitcoin"}
                pair = wait_until(
                    lambda: found_at(f"{door}/binance/api/v3/ticker/price?symbol=BTCUSDT", "road/binance"),
                    what="a pair",
                )
                assert set(pair.json()) == {"symbol", "price"}

                pages = f"{door}/coingecko/api/v3/coins/markets?vs_currency=usd&per_page=10"
                page = wait_until(lambda: found_at(pages, "road/coingecko"), what="rows of a poll").json()
                assert len(page) == 10
                assert page[0]["image"].startswith("https://")
                books = f"{door}/binance/api/v3/ticker/bookTicker?symbol=BTCUSDT"
                book = wait_until(lambda: found_at(books, "road/binance"), what="a row of a poll")
                assert set(book.json()) == {"symbol", "bidPrice", "bidQty", "askPrice", "askQty"}
                listed = wait_until(lambda: found_at(f"{door}/coingecko/api/v3/coins/list"), what="an active poller")
                assert listed.headers["X-Data-Source"] == "through/coingecko"
                assert listed.json() == requests.get(f"{sandbox.base_url('coingecko')}/coins/list", timeout=60).json()
                assert requests.get(f"{door}/coingecko/api/v3/key", timeout=60).status_code == 404

                now_ms = int(requests.get(f"{door}/binance/api/v3/time", timeout=60).json()["serverTime"])
                params = {
                    "symbol": "BTCUSDT", "interval": "1h", "limit": "12",
                    "startTime": str(now_ms - now_ms % HOUR_MS - 20 * HOUR_MS),
                }  # fmt: skip
                theirs = requests.get(f"{sandbox.base_url('binance')}/api/v3/klines", params=params, timeout=60).json()

                def klines() -> requests.Response | None:
                    ours = requests.get(f"{door}/binance/api/v3/klines", params=params, timeout=60)
                    from_index = ours.headers["X-Data-Source"] == "index/binance"
                    return ours if from_index and "detail" not in ours.headers["Cache-Status"] else None

                ours = wait_until(klines, what="all bars in the index")
                assert ours.json() == theirs

                def latest() -> bool:
                    """A poll comes into the index in more than one piece."""
                    found = found_at(f"{door}/v1/latest?top=5")
                    return found is not None and len(found.json()["rows"]) == 5

                wait_until(latest, what="records in the index")
                table = requests.get(f"{door}/v1/candles.csv?symbols=BTCUSDT&source=binance&since=12h", timeout=60)
                assert len(list(csv.DictReader(io.StringIO(table.text)))) >= 10
                assert table.headers["Content-Type"].startswith("text/csv")
                for path, status, words in [
                    ("candles?source=binance&since=2d&limit=3", 400, "ask for less by"),
                    ("latest?symbols=NOTHING", 404, "NOTHING"),
                    ("candles?interval=soon", 400, "soon"),
                    ("latest?colour=red", 400, "no parameter colour"),
                    ("gaps", 404, "no index"),
                    ("nothing", 404, "/v1/openapi.json"),
                ]:
                    refused = requests.get(f"{door}/v1/{path}", timeout=60)
                    assert (refused.status_code, words in refused.json()["error"]) == (status, True), refused.text
                document = requests.get(f"{door}/v1/openapi.json", timeout=60).json()
                assert "/v1/candles" in document["paths"]
                metrics = requests.get(f"{health}/metrics", timeout=60).text
                assert 'cryptoproxy_serve_requests_total{status="200",upstream="binance",way="index"}' in metrics

            # The door has told of its last minute at its end, and the indexer takes it as any other record.
            asked = {"coingecko/simple/price", "coingecko/coins/list"}

            def used() -> dict[str, UsageRow] | None:
                with suppress(NothingFound):
                    found = {row.path: row for row in Queries.of(world.settings.elasticsearch, client).usage()}
                    return found if asked <= set(found) else None
                return None

            with closing(elastic.client(world.settings.elasticsearch)) as client:
                rows = wait_until(used, what="usage in the index")
            assert rows["coingecko/simple/price"].saved >= 1
            assert rows["coingecko/coins/list"].made >= 1


@pytest.mark.timeout(600)
def test_what_is_older_than_the_index_comes_from_the_lake(world: World, tmp_path: Path) -> None:
    """Bars of both exchanges and a chart, of days that the index had and has given up."""
    with Sandbox(coins=60) as sandbox:
        world.texts |= {
            **{f"{name.upper()}_BASE_URL": sandbox.base_url(name) for name in ("coingecko", "binance", "bybit")},
            "SOURCES": "coingecko",
            "COINGECKO_IDS": "bitcoin",
            "COINGECKO_CALLS_PER_MINUTE": "0",
            "BINANCE_CANDLE_SYMBOLS": "BTCUSDT",
            "BYBIT_CANDLE_SYMBOLS": "BTCUSDT",
            "HISTORY": "binance.candle-1h=4d,bybit-linear.candle-1h=4d,coingecko=10d",
            "KAFKA_PRODUCER_BATCH_INTERVAL": "5",
            "AWS_S3_OBJECT_SECONDS": "5",
            "READ_THROUGH": "off",
            "SERVE_PORT": "0",
            "PYTHON_SERVE_SERVER_PORT": "0",
        }
        world.set_up(TICKER, CANDLE)
        with running("consume", world, tmp_path), running("produce", world, tmp_path), running("serve", world, tmp_path) as log:  # fmt: skip
            door = said(log, ADDRESS)
            today = SystemClock().now_ms() // DAY_MS * DAY_MS
            begin, end = today - 3 * DAY_MS, today - 2 * DAY_MS - 1
            chart = f"from={(today - 8 * DAY_MS) // 1000}&to={(today - 3 * DAY_MS) // 1000}"
            asked = {
                "binance": f"api/v3/klines?symbol=BTCUSDT&interval=1h&startTime={begin}&endTime={end}",
                "bybit": f"v5/market/kline?category=linear&symbol=BTCUSDT&interval=60&start={begin}&end={end}",
                "coingecko": f"coins/bitcoin/market_chart/range?vs_currency=usd&interval=daily&{chart}",
            }
            theirs = {
                name: requests.get(f"{sandbox.base_url(name)}/{path}", timeout=60).json()
                for name, path in asked.items()
            }

            def told(name: str, way: str) -> bool:
                base = "coingecko/api/v3" if name == "coingecko" else name
                ours = requests.get(f"{door}/{base}/{asked[name]}", timeout=60)
                if ours.headers.get("X-Data-Source") != f"{way}/{name}":
                    return False
                bodies = [ours.json(), theirs[name]]
                for each in bodies:
                    if name == "bybit":
                        each.pop("time", None)  # of the envelope
                return bodies[0] == bodies[1]

            for name in asked:
                wait_until(lambda name=name: told(name, "index"), what=f"all of {name} in the index")
            settings = world.settings.elasticsearch
            with closing(elastic.client(settings)) as client:
                for dataset in (TICKER, CANDLE):
                    old = {"range": {"timestamp": {"lt": iso(today - DAY_MS)}}}
                    hits = client.search(index=settings.alias_of(dataset), query=old, size=10_000, source=False)["hits"]
                    gone = [{"delete": {"_index": each["_index"], "_id": each["_id"]}} for each in hits["hits"]]
                    assert not client.bulk(operations=gone, refresh=True)["errors"]
            for name in asked:
                wait_until(lambda name=name: told(name, "lake"), what=f"all of {name} in the lake")
