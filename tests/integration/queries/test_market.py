"""Market-wide figures and the freshness of every dataset, asked of both engines; and the notebook of the docs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from elasticsearch import Elasticsearch
from msgspec.structs import replace

from cryptoproxy.cli.main import cli
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.clock import SystemClock
from cryptoproxy.datasets import ASSET, CANDLE, MARKET, TICKER, Dataset, from_iso, iso, slot_of
from cryptoproxy.datasets.times import HOUR_MS, MINUTE_MS
from cryptoproxy.engines.stack import Endpoints
from cryptoproxy.lake.objects import pack
from cryptoproxy.lake.store import Store
from cryptoproxy.queries import NothingFound, Queries
from cryptoproxy.queries.lake.engine import Lake
from cryptoproxy.queries.questions.market import CAP, VOLUME
from tests.integration.conftest import World, make_world, remove_indices
from tests.integration.queries.filled import figures, index_records

NOTEBOOK = Path(__file__).resolve().parents[3] / "docs" / "frames.ipynb"
EVERY = 10 * MINUTE_MS
HOURS = 5
ENGINES = ("es", "lake")


@dataclass(frozen=True)
class Filled:
    """Five hours of everything, until now; of the market one poll is missing, of the candles one bar."""

    world: World
    client: Elasticsearch
    end_ms: int
    """The newest whole hour."""

    def queries(self, engine: str, lake: Lake) -> Queries:
        return Queries.of(self.world.settings.elasticsearch, self.client, lake=lake, engine=engine)

    def put(self, dataset: Dataset[Any], records: list[Any]) -> None:
        """In both engines."""
        settings = self.world.settings
        index_records(self.client, settings.elasticsearch, dataset, records)
        hours: dict[int, list[bytes]] = {}
        for each in records:
            hours.setdefault(slot_of(from_iso(each.timestamp), HOUR_MS), []).append(dataset.codec.encode(each) + b"\n")
        for hour, lines in hours.items():
            part = dataset.part(records[0])
            made = pack(settings.s3.prefix, dataset.name, records[0].source, hour, lines, part=part)
            Store(settings.s3).put(made.key, made.body)


@pytest.fixture(scope="module")
def filled(endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    world = make_world(endpoints, tmp_path_factory.mktemp("market"))
    world.set_up(TICKER, CANDLE, MARKET, ASSET)
    client = elastic.client(world.settings.elasticsearch)
    end_ms = slot_of(SystemClock().now_ms(), HOUR_MS)
    made = Filled(world, client, end_ms)
    begin_ms = end_ms - HOURS * HOUR_MS
    polls = [(begin_ms + number * EVERY, number) for number in range(HOURS * 6 + 1)]
    made.put(MARKET, [each for slot_ms, number in polls if number != 8 for each in figures(slot_ms, number)])
    bars = [
        replace(CANDLE.example, interval="1h", timestamp=iso(at), fetched_at=iso(at + HOUR_MS + 3_000))
        for number, at in enumerate(range(begin_ms, end_ms, HOUR_MS))
        if number != 2
    ]
    made.put(CANDLE, bars)
    tickers = [
        replace(TICKER.example, timestamp=iso(at), fetched_at=iso(at + 300), price=60_000.0 + number, interval_ms=EVERY)
        for number, at in enumerate(range(begin_ms, end_ms + 1, EVERY))
    ]
    made.put(TICKER, tickers)
    made.put(ASSET, [replace(ASSET.example, asset_id=each, timestamp=iso(end_ms - 7 * MINUTE_MS)) for each in "ab"])
    yield made
    remove_indices(world.settings.elasticsearch)
    client.close()


@pytest.fixture(scope="module")
def lake(filled: Filled) -> Iterator[Lake]:
    made = Lake(Store(filled.world.settings.s3))
    yield made
    made.close()


def test_both_engines_tell_the_same_of_the_newest_poll_of_each_step(filled: Filled, lake: Lake) -> None:
    answers = [filled.queries(engine, lake).market(interval="1h", since="6h") for engine in ENGINES]
    (rows, theirs) = (answer.held() for answer in answers)
    assert rows == theirs
    assert [row.begin_ms for row in rows] == [filled.end_ms - hours * HOUR_MS for hours in range(HOURS, -1, -1)]
    first, last = rows[0], rows[-1]
    assert first.slot_ms == first.begin_ms + 5 * EVERY
    assert rows[1].slot_ms == rows[1].begin_ms + 5 * EVERY
    assert (first.figures[CAP], first.figures[VOLUME]) == (2.5e12 + 5e9, 9e10 + 5)
    assert (last.slot_ms, last.share("btc")) == (filled.end_ms, 57.0 + HOURS * 6 / 10)
    assert all(answer.notes == [] for answer in answers)


def test_another_currency_and_other_coins_are_chosen_and_what_is_not_told_is_said(filled: Filled, lake: Lake) -> None:
    for engine in ENGINES:
        answer = filled.queries(engine, lake).market(interval="1d", since="6h", quote="eur", dominance="ETH,xyz")
        row = answer.held()[-1]
        assert (row.figures[CAP], row.quote) == (2.2e12 + HOURS * 6 * 1e9, "EUR")
        assert answer.cells(row)["dominance_eth"] == 12.0 + HOURS * 6 / 10
        assert answer.cells(row)["dominance_xyz"] is None
        assert any("the share of xyz is not told" in note for note in answer.notes)
        with pytest.raises(NothingFound, match="no market cap in GBP"):
            filled.queries(engine, lake).market(quote="gbp").held()
        with pytest.raises(NothingFound, match="has nothing of kraken yet"):
            filled.queries(engine, lake).market(source="kraken").held()


def test_freshness_looks_at_every_dataset_and_part_that_there_is(filled: Filled, lake: Lake) -> None:
    for engine in ENGINES:
        rows = filled.queries(engine, lake).freshness(since="6h").held()
        found = {row.series.name: row for row in rows}
        assert list(found) == ["coingecko", "binance.candle-1h", "coingecko.market", "coingecko.asset"]
        bars = found["binance.candle-1h"]
        assert (bars.missing, bars.records, bars.interval_is) == (1, HOURS - 1, "contract")
        market = found["coingecko.market"]
        assert (market.interval_ms, market.interval_is, market.duplicates) == (EVERY, "inferred", 0)
        assert (market.missing or 0) >= 1
        assets = found["coingecko.asset"]
        assert (assets.missing, assets.expected, assets.assets) == (None, None, 2)
        only = filled.queries(engine, lake).freshness(since="6h", dataset="candle-1h,market").held()
        assert [row.series.name for row in only] == ["binance.candle-1h", "coingecko.market"]
        with pytest.raises(NothingFound, match="no candle-1m has been"):
            filled.queries(engine, lake).freshness(dataset="candle-1m").held()


def test_auto_names_what_it_has_asked(filled: Filled, lake: Lake) -> None:
    asked = filled.queries("auto", lake).candles("1h", source="binance", since="6h")
    assert asked.held()
    alias = filled.world.settings.elasticsearch.alias_of(CANDLE)
    assert asked.notes[0].startswith(f"asked of {alias}, which has every day")
    everywhere = filled.queries("es", lake).candles("1h", symbols="BTCUSDT", since="6h")
    assert everywhere.held()
    assert not any("coingecko" in note for note in everywhere.notes), "nobody asked for that source"


def run(filled: Filled, folder: Path, line: str) -> Result:
    env_file = folder / "settings.env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in filled.world.texts.items()))
    return CliRunner().invoke(cli, ["--env-file", str(env_file), "query", *line.split()])


def test_the_commands_print_draw_and_explain(filled: Filled, tmp_path: Path) -> None:
    picture = tmp_path / "market.svg"
    shown = run(filled, tmp_path, f"market --since 6h --csv --plot {picture}")
    assert shown.exit_code == 0, shown.output
    head, *rows = shown.stdout.splitlines()
    assert head.startswith("source,begin,timestamp,quote,market_cap,market_cap_change_24h,volume_24h,active_coins")
    assert len(rows) == HOURS + 1
    assert "share of the cap, percent" in picture.read_text()
    settings = filled.world.settings.elasticsearch
    for line, dataset in (("market", MARKET), ("freshness --dataset candle-1h --source binance", CANDLE)):
        explained = run(filled, tmp_path, f"{line} --since 6h --explain").stdout
        heads = [each for each in explained.splitlines() if each.startswith("GET ")]
        assert set(heads) == {f"GET {settings.alias_of(dataset)}/_search"}
    fresh = run(filled, tmp_path, "freshness --dataset market --since 6h --json")
    assert [row["dataset"] for row in json.loads(fresh.stdout)["rows"]] == ["market"]
    assert run(filled, tmp_path, "freshness --dataset nope").exit_code == 2


def test_the_cells_of_the_notebook_run(filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in filled.world.texts.items()))
    names: dict[str, Any] = {}
    for cell in json.loads(NOTEBOOK.read_bytes())["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "a notebook in the repository has no outputs"
            exec("".join(cell["source"]), names)
    assert names["closes"].shape == (HOURS - 1, 1)
    assert names["market"]["rest"].iloc[-1] == pytest.approx(100 - 57 - 12 - 2 * HOURS * 6 / 10)
    assert (tmp_path / "market.svg").exists()
