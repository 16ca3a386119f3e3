"""Holds every recorded coin (CoinGecko's `/coins/{id}`) below a folder against the record that is made of it.

    python scripts/check_recorded_assets.py FOLDER      (``check_road_datasets.py`` sends them down the whole road)

What is expected is worked out here alone, from plain JSON whose numbers stay text. Each record also goes through its
bytes and back. Exits 1 on any difference.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from check_recorded_bars import Reading, told
from check_recorded_market import DELAY_MS, FIRST_SLOT_MS, INTERVAL_MS, iso

from cryptoproxy.upstreams.coingecko.access import Access
from cryptoproxy.upstreams.coingecko.assets import CoinGeckoAssets
from cryptoproxy.upstreams.coingecko.tickers import CoinGecko


def said(found: list[str | None]) -> list[str]:
    return [each for each in found if each]


def expected_of(coin: dict[str, Any], slot_ms: int) -> dict[str, Any]:
    links, supply, repositories = coin["links"], coin.get("market_data", {}), coin["links"]["repos_url"]
    contracts = {chain: address for chain, address in coin["platforms"].items() if chain and address}
    numbers = ((name, supply.get(name)) for name in ("circulating_supply", "total_supply", "max_supply"))
    fields = {
        "source": "coingecko",
        "asset_id": coin["id"],
        "symbol": coin["symbol"].upper(),
        "name": coin["name"],
        "quote": "-",
        "timestamp": iso(slot_ms),
        "fetched_at": iso(slot_ms + DELAY_MS),
        "last_updated": coin["last_updated"],
        "categories": said(coin["categories"]),
        "platforms": list(contracts),
        "contracts": contracts,
        "market_cap_rank": None if coin["market_cap_rank"] is None else int(coin["market_cap_rank"]),
        **{name: None if value is None else float(value) for name, value in numbers},
        "genesis_date": coin["genesis_date"],
        "hashing_algorithm": coin["hashing_algorithm"],
        "homepages": said(links["homepage"]),
        "explorers": said(links["blockchain_site"]),
        "repositories": said([each for host in repositories.values() for each in host]),
        "whitepaper": links.get("whitepaper"),
        "subreddit": links["subreddit_url"],
        "twitter": links["twitter_screen_name"],
        "image": coin["image"]["large"],
    }
    return {name: value for name, value in fields.items() if value}


def reading(path: Path, coin: dict[str, Any], slot_ms: int) -> Reading:
    source = CoinGeckoAssets(Access(), tickers=CoinGecko(), ids=(coin["id"],))
    poll = source.read([path.read_bytes()], slot_ms=slot_ms, fetched_at_ms=slot_ms + DELAY_MS)
    faults = [f"{path.name}: {row}" for row in poll.rejected]
    if len(poll.records) != 1:
        faults.append(f"{path.name}: {len(poll.records)} records")
    return Reading(path.name, source.feed, list(poll.records), [expected_of(coin, slot_ms)], faults)


def coins(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(folder.rglob("*.json")):
        try:
            found = json.loads(path.read_bytes(), parse_float=str, parse_int=str)
        except ValueError:
            continue
        if isinstance(found, dict) and {"id", "links", "categories"} <= found.keys():
            yield path, found


def readings(folder: Path) -> Iterator[Reading]:
    for number, (path, coin) in enumerate(coins(folder)):
        yield reading(path, coin, FIRST_SLOT_MS + number * INTERVAL_MS)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(told(readings(Path(sys.argv[1]))))
