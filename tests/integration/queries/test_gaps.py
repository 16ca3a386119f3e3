"""`cryptoproxy gaps`, of indices that the project's own template made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from msgspec.structs import replace

from cryptoproxy.cli.main import cli
from cryptoproxy.cli.status import streamed
from cryptoproxy.cli.upkeep import lacking
from cryptoproxy.common.clients import elastic
from cryptoproxy.datasets import BOOK, GAP, TRADE, Dataset, from_iso
from cryptoproxy.datasets.times import Span
from cryptoproxy.engines.stack import Endpoints
from tests.integration.conftest import make_world, remove_indices

OPENED = replace(GAP.example, timestamp="2026-11-20T10:00:00.120Z", until="2026-11-20T10:02:31.907Z")
MENDED = replace(OPENED, state="mended", fetched_at="2026-11-20T10:02:40.000Z", why="aggTrades", records=40)
OTHER = replace(OPENED, asset_id="ETHUSDT", source="binance", records=7)
BEFORE = replace(OPENED, timestamp="2026-11-18T00:00:00.000Z", until="2026-11-18T01:00:00.000Z")


def test_gaps_that_touch_a_time_with_their_mending(endpoints: Endpoints, tmp_path: Path) -> None:
    world = make_world(endpoints, tmp_path)
    world.set_up(GAP, TRADE)
    settings = world.settings.elasticsearch
    client = elastic.client(settings)

    def put(record: Any, dataset: Dataset[Any] = GAP) -> None:
        index = settings.index_of(dataset, dataset.parts[""], record.timestamp)
        document = json.loads(dataset.codec.encode(record))
        client.index(index=index, id=dataset.id_of(record), document=document, refresh=True)

    def asked(*arguments: str, command: Sequence[str] = ("gaps",)) -> str:
        result = CliRunner().invoke(cli, ["--env-file", str(file), *command, *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    file = tmp_path / "env"
    file.write_text("".join(f"{name}={text}\n" for name, text in world.texts.items()))
    try:
        for gap in (MENDED, OPENED, OTHER, BEFORE):
            put(gap)
        since = ("--since", "2026-11-20T10:01:00Z", "--until", "2026-11-21")
        assert "2 gaps from" in asked(*since)
        assert "1 of them not mended" in asked(*since)
        assert "3 gaps" in asked("--since", "2026-11-18", "--until", "2026-11-21")
        rows = [json.loads(line) for line in asked(*since, "--json").splitlines()]
        found = {
            row["open"]["asset_id"]: (row["open"].get("records"), row["mended"] and row["mended"]["records"])
            for row in rows
        }
        assert found == {"BTCUSDT": (None, 40), "ETHUSDT": (7, None)}
        assert "ETHUSDT" in asked(*since, "--open")
        assert "BTCUSDT" not in asked(*since, "--open")
        assert "ETHUSDT" not in asked(*since, "--source", "bybit-linear")

        # What freshness, reconcile and status say of them.
        fresh = partial(asked, *since, "--dataset", "trade", command=("query", "freshness"))
        put(replace(TRADE.example, source="bybit-linear", timestamp="2026-11-20T10:02:32.000Z"), TRADE)
        assert "not mended" not in fresh()
        put(replace(TRADE.example, source="binance", timestamp="2026-11-20T10:02:32.000Z"), TRADE)
        assert "1 gaps of this time are not mended (binance 1): cryptoproxy gaps --open lists them" in " ".join(
            fresh().split()
        )
        day = Span(from_iso("2026-11-20T00:00:00.000Z"), from_iso("2026-11-21T00:00:00.000Z"))
        assert [gap.asset_id for gap in lacking.gaps_of(settings, TRADE, day, ())] == ["ETHUSDT"]
        assert lacking.gaps_of(settings, TRADE, day, ("bybit-linear",)) == []
        assert lacking.gaps_of(settings, BOOK, day, ()) == []
        assert streamed.open_gaps(settings, now_ms=day.end_ms, seconds=180) == {"binance.trade": 1}
    finally:
        client.close()
        remove_indices(settings)
