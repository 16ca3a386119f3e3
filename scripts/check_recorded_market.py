"""Holds every recorded answer about the whole market below a folder against the records that are made of it.

    python scripts/check_recorded_market.py FOLDER      (``check_road_datasets.py`` sends them down the whole road)

Takes CoinGecko's `/global`, `/search/trending` and `/exchanges`, by the keys they have. What is expected is worked out
here alone, from plain JSON whose numbers stay text. Each record also goes through its bytes and back. Other answers
that say `global`, `trending` or `exchanges` in their name are named and left out. Exits 1 on any difference.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from check_recorded_bars import Reading, told

from cryptoproxy.datasets import MARKET
from cryptoproxy.upstreams.coingecko.access import Access
from cryptoproxy.upstreams.coingecko.market import CoinGeckoMarket

FIRST_SLOT_MS, INTERVAL_MS = 1_795_000_000_000, 60_000
"""Each answer is taken for the poll of a slot of its own."""
DELAY_MS = 321
LARGEST = 100
FILLERS = {
    "global": b'{"data":{"markets":1}}',
    "trending": b'{"coins":[{"item":{"id":"filler"}}]}',
    "exchanges": b'[{"id":"filler","trade_volume_24h_btc":1}]',
}
"""A poll is three answers: those beside the one that is looked at."""
FILLING = {"coingecko:global:-:markets", "coingecko:filler:-:trending-rank", "coingecko:exchange-filler:BTC:volume-24h"}

Fields = dict[str, Any]
Expected = dict[str, Fields]
"""The fields that differ from record to record, by id without the slot."""


def iso(ms: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def kind_of(found: Any) -> str | None:
    if isinstance(found, dict) and "market_cap_percentage" in found.get("data", {}):
        return "global"
    if isinstance(found, dict) and "coins" in found and "item" in (found["coins"] or [{}])[0]:
        return "trending"
    if isinstance(found, list) and found and "trust_score_rank" in found[0]:
        return "exchanges"
    return None


def figure(asset: str, quote: str, metric: str, value: str | None, **more: str) -> Expected:
    if value is None:
        return {}
    fields = {"asset_id": asset, "quote": quote, "metric": metric, "value": float(value), **more}
    return {f"coingecko:{asset}:{quote}:{metric}": fields}


def expected_of(kind: str, found: Any) -> Expected:
    made: Expected = {}
    if kind == "global":
        data = found["data"]
        updated = iso(int(data["updated_at"]) * 1000)
        told = [
            ("USD", "total-market-cap", data["total_market_cap"]["usd"]),
            ("USD", "total-volume", data["total_volume"]["usd"]),
            ("-", "market-cap-change-24h", data["market_cap_change_percentage_24h_usd"]),
            ("-", "volume-change-24h", data.get("volume_change_percentage_24h_usd")),
            ("-", "active-coins", data["active_cryptocurrencies"]),
            ("-", "markets", data["markets"]),
            *(("-", f"dominance-{symbol}", share) for symbol, share in data["market_cap_percentage"].items()),
        ]
        for quote, metric, value in told:
            made |= figure("global", quote, metric, value, last_updated=updated)
    elif kind == "trending":
        for rank, coin in enumerate(found["coins"], start=1):
            made |= figure(coin["item"]["id"], "-", "trending-rank", str(rank), name=coin["item"]["name"])
    else:
        largest = sorted(found, key=lambda row: -float(row["trade_volume_24h_btc"] or 0))[:LARGEST]
        for row in largest:
            asset, name = f"exchange-{row['id']}", row["name"]
            made |= figure(asset, "BTC", "volume-24h", row["trade_volume_24h_btc"], name=name)
            made |= figure(asset, "-", "trust-score", row["trust_score"], name=name)
            made |= figure(asset, "-", "trust-rank", row["trust_score_rank"], name=name)
    return made


def reading(path: Path, kind: str, found: Any, slot_ms: int) -> Reading:
    bodies = [path.read_bytes() if each == kind else filler for each, filler in FILLERS.items()]
    source = CoinGeckoMarket(Access())
    poll = source.read(bodies, slot_ms=slot_ms, fetched_at_ms=slot_ms + DELAY_MS)
    faults = [f"{path.name}: {row}" for row in poll.rejected]
    wanted = expected_of(kind, found)
    shared = {"source": "coingecko", "timestamp": iso(slot_ms), "fetched_at": iso(slot_ms + DELAY_MS)}
    records = {MARKET.id_of(each).rpartition("-")[0]: each for each in poll.records}
    faults += [f"{path.name} {each}: nothing of it is expected" for each in records.keys() - wanted.keys() - FILLING]
    faults += [f"{path.name} {each}: no record" for each in wanted.keys() - records.keys()]
    both = [each for each in wanted if each in records]
    expected = [{**wanted[each], **shared} for each in both]
    return Reading(path.name, source.feed, [records[each] for each in both], expected, faults)


def answers(folder: Path) -> Iterator[tuple[Path, str, Any]]:
    for path in sorted(folder.rglob("*.json")):
        if ".headers." in path.name or path.name.startswith("error"):
            continue
        try:
            found = json.loads(path.read_bytes(), parse_float=str, parse_int=str)
        except ValueError:
            continue
        if kind := kind_of(found):
            yield path, kind, found
        elif any(each in path.name for each in FILLERS):
            print(f"{path.name:60} left out: another answer")


def readings(folder: Path) -> Iterator[Reading]:
    for number, (path, kind, found) in enumerate(answers(folder)):
        yield reading(path, kind, found, FIRST_SLOT_MS + number * INTERVAL_MS)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(told(readings(Path(sys.argv[1]))))
