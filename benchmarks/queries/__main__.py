"""`python -m benchmarks.queries`: loads a synthetic year (or a part of it), then times each question and dashboard.

python -m benchmarks.queries                          # two weeks, a million documents
python -m benchmarks.queries --days 365 --heap 1024   # the year, 26 million
python -m benchmarks.queries --days 30 --sorted       # with index sorting, to compare
python -m benchmarks.queries --days 30 --via raw      # from the lake's raw objects, by replay
python -m benchmarks.queries --days 365 --via parquet # from its daily Parquet, by replay
python -m benchmarks.queries --days 365 --engine lake # asked of the lake, by DuckDB
python -m benchmarks.queries --days 14 --engine both  # the answers of both, held against each other
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.queries import measure
from benchmarks.queries.both import compared
from benchmarks.queries.lake import replayed
from benchmarks.queries.lake_engine import timed_on_lake
from benchmarks.queries.load import SORTED, Loaded, client_for, load, prepare, server, settings_for
from benchmarks.queries.synthetic import DAY_MS, Year
from benchmarks.queries.timing import Timed
from cryptoproxy.datasets import from_iso

END = "2026-11-20T00:00:00.000Z"
DASHBOARD_SECONDS = 2.0
"""All panels of a dashboard over 7 days together, without the request cache."""


@click.command()
@click.option("--days", default=14, show_default=True, help="How much of the year to load.")
@click.option("--coins", default=50, show_default=True, help="A record of each, each minute.")
@click.option("--heap", default=1024, show_default=True, help="Of Elasticsearch, in MB.")
@click.option("--sorted", "in_order", is_flag=True, help="With index sorting by source, asset, quote and time.")
@click.option("--refresh", default="1s", show_default=True, help="index.refresh_interval.")
@click.option(
    "--via",
    type=click.Choice(["bulk", "raw", "parquet"]),
    default="bulk",
    show_default=True,
    help="How it gets in: by bulk, or from the lake by replay.",
)
@click.option(
    "--engine",
    "asked_engine",
    type=click.Choice(["es", "lake", "both"]),
    default="es",
    show_default=True,
    help="What is asked; both: whether their answers are the same.",
)
@click.option("--folder", type=click.Path(path_type=Path), help="Keep the data here, and use what is here already.")
@click.option("--each-panel", is_flag=True, help="Each panel by itself as well.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(
    days: int,
    coins: int,
    heap: int,
    in_order: bool,
    refresh: str,
    via: str,
    asked_engine: str,
    folder: Path | None,
    each_panel: bool,
    as_json: bool,
) -> None:
    end = from_iso(END)
    year = Year(end - days * DAY_MS, end, coins=coins)
    extra: dict[str, Any] = {"index.refresh_interval": refresh, **(SORTED if in_order else {})}
    console = Console(stderr=True)
    timings: list[Timed]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as throwaway:
        place = folder or Path(throwaway)
        if asked_engine == "lake":
            timings = []
            for each in timed_on_lake(place, year, f"{days}d", console.print):
                console.print(f"{each.name}: {each.seconds:.2f} s, {each.cpu:.2f} s of processor time")
                timings.append(each)
            print(json.dumps({each.name: [round(each.seconds, 3), round(each.cpu, 3)] for each in timings}, indent=1))
            return
        Path(throwaway).chmod(0o755)  # Elasticsearch does not run as root and must get through
        with server(place / "elasticsearch", heap_mb=heap) as engine:
            settings = settings_for(engine, "bench-prices")
            client = client_for(settings)
            prepare(client, settings, year, extra)
            console.print(f"loading {year.documents:,} documents by {via}")
            if via == "bulk":
                loaded = load(client, settings, year, engine)
            else:
                loaded = replayed(
                    client, settings.alias, year, engine, place, parquet=via == "parquet", console=console
                )
            if asked_engine == "both":
                for found in compared(client, settings.alias, place, year, f"{days}d", console):
                    took = " / ".join(f"{each:.1f} s" for each in found.seconds)
                    told = f"rows {found.rows}, {found.cells} cells, differ {found.differ}"
                    print(f"{found.name}: {took}, {told}", flush=True)
                client.close()
                return
            assert engine.pid is not None
            timings = []
            asked = [measure.questions(client, settings.alias, engine.pid, end_ms=end, since="7d")]
            if days > 7:
                asked.append(measure.questions(client, settings.alias, engine.pid, end_ms=end, since=f"{days}d"))
            asked.append(measure.dashboards(client, settings.alias, engine.pid, end_ms=end))
            if each_panel:
                asked.append(measure.panels(client, settings.alias, engine.pid, end_ms=end))
            for group in asked:
                for each in group:
                    console.print(f"{each.name}: {each.seconds:.2f} s, {each.cpu:.2f} s of processor time")
                    timings.append(each)
            client.close()
    if as_json:
        print(json.dumps(_as_json(loaded, timings, extra), indent=1))
    else:
        _show(loaded, timings)
    late = [each.name for each in timings if each.name.startswith("Crypto prices") and each.seconds > DASHBOARD_SECONDS]
    sys.exit(1 if late and not each_panel else 0)


def _show(loaded: Loaded, timings: Iterable[Timed]) -> None:
    console = Console(width=120)
    console.print(
        f"{loaded.documents:,} documents, {loaded.bytes_per_document:.0f} bytes each in {loaded.segments} segments; "
        f"loaded in {loaded.seconds:.0f} s with {loaded.cpu:.0f} s of Elasticsearch's processor time"
    )
    table = Table("asked", "seconds", "processor seconds", "searches", "rows")
    for each in timings:
        table.add_row(each.name, f"{each.seconds:.2f}", f"{each.cpu:.2f}", str(each.searches), str(each.rows))
    console.print(table)


def _as_json(loaded: Loaded, timings: Iterable[Timed], extra: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "documents": loaded.documents,
        "settings": dict(extra),
        "bytes_per_document": round(loaded.bytes_per_document, 1),
        "segments": loaded.segments,
        "load_seconds": round(loaded.seconds, 1),
        "load_cpu_seconds": round(loaded.cpu, 1),
        "asked": {
            each.name: {"seconds": round(each.seconds, 3), "cpu": round(each.cpu, 3), "searches": each.searches}
            for each in timings
        },
    }


if __name__ == "__main__":
    main()
