"""What polls of market-wide figures and of assets must say, read from the served bodies once more, as `reading` does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cryptoproxy.datasets import ASSET, MARKET
from cryptoproxy.sandbox.ledger import Entry
from tests.faults.reading import Expected, Fields, Kind, NoPollError

_SOURCE = "coingecko"
_CALLS = ("/global", "/search/trending", "/exchanges")


def _path(entry: Entry) -> str:
    return entry.target.partition("?")[0]


def _market_of(entry: Entry) -> str | None:
    return _SOURCE if _path(entry).endswith(_CALLS) else None


def _asset_of(entry: Entry) -> str | None:
    folder, _, coin = _path(entry).rpartition("/coins/")
    return _SOURCE if folder and coin != "markets" and "/" not in coin else None


def _market(_source: str, bodies: Sequence[bytes], _quotes: Mapping[str, str]) -> Expected:
    found = [fields for body in bodies for fields in _figures(_json(body)) if fields["value"] is not None]
    if not found:
        raise NoPollError("no figure in it")
    return {_name(each): {name: value for name, value in each.items() if value is not None} for each in found}


def _figures(content: Any) -> Iterator[Fields]:
    if isinstance(content, dict) and "data" in content:
        told = content["data"]
        whole = {"asset_id": "global", "last_updated": told["updated_at"] * 1000}
        for metric in ("total_market_cap", "total_volume"):
            yield whole | {"quote": "USD", "metric": metric.replace("_", "-"), "value": told[metric]["usd"]}
        shares = {f"dominance-{symbol}": share for symbol, share in told["market_cap_percentage"].items()}
        for metric, value in {
            **shares,
            "market-cap-change-24h": told["market_cap_change_percentage_24h_usd"],
            "volume-change-24h": told["volume_change_percentage_24h_usd"],
            "active-coins": told["active_cryptocurrencies"],
            "markets": told["markets"],
        }.items():
            yield whole | {"quote": "-", "metric": metric, "value": value}
    elif isinstance(content, dict) and "coins" in content:
        for rank, row in enumerate(content["coins"], start=1):
            coin = {"asset_id": row["item"]["id"], "name": row["item"]["name"]}
            yield coin | {"quote": "-", "metric": "trending-rank", "value": rank}
    elif isinstance(content, list):
        for row in sorted(content, key=lambda row: -row["trade_volume_24h_btc"])[:100]:
            exchange = {"asset_id": f"exchange-{row['id']}", "name": row["name"]}
            yield exchange | {"quote": "BTC", "metric": "volume-24h", "value": row["trade_volume_24h_btc"]}
            yield exchange | {"quote": "-", "metric": "trust-score", "value": row["trust_score"]}
            yield exchange | {"quote": "-", "metric": "trust-rank", "value": row["trust_score_rank"]}


def _asset(_source: str, bodies: Sequence[bytes], _quotes: Mapping[str, str]) -> Expected:
    found: Expected = {}
    for body in bodies:
        coin = _json(body)
        if not isinstance(coin, dict) or "id" not in coin:
            raise NoPollError("no coin")
        links, data = coin["links"], coin["market_data"]
        told = {
            "asset_id": coin["id"],
            "symbol": coin["symbol"].upper(),
            "name": coin["name"],
            "quote": "-",
            "last_updated": coin["last_updated"],
            "categories": _filled(coin["categories"]),
            "platforms": [chain for chain, contract in coin["platforms"].items() if chain and contract],
            "contracts": {chain: contract for chain, contract in coin["platforms"].items() if chain and contract},
            "market_cap_rank": coin["market_cap_rank"],
            "circulating_supply": data["circulating_supply"],
            "total_supply": data["total_supply"],
            "max_supply": data["max_supply"],
            "genesis_date": coin["genesis_date"],
            "hashing_algorithm": coin["hashing_algorithm"],
            "homepages": _filled(links["homepage"]),
            "explorers": _filled(links["blockchain_site"]),
            "repositories": _filled([each for many in links["repos_url"].values() for each in many]),
            "whitepaper": links.get("whitepaper"),
            "subreddit": links["subreddit_url"],
            "twitter": links["twitter_screen_name"],
            "image": coin["image"]["large"],
        }
        found[coin["id"]] = {name: value for name, value in told.items() if value not in (None, "", [], {})}
    return found


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise NoPollError(str(error)) from error


def _filled(words: Sequence[str]) -> list[str]:
    return [word for word in words if word]


def _name(record: Mapping[str, Any]) -> str:
    return f"{record['asset_id']}:{record['quote']}:{record['metric']}"


FIGURES = Kind(MARKET, _market_of, _market, name=_name, serial=lambda record: f"{record['metric']}-")
ASSETS = Kind(ASSET, _asset_of, _asset, name=lambda record: str(record["asset_id"]), alone=True)
