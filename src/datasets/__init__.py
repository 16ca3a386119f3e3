"""The contracts: one kind of record each, and what follows from them.

The bytes on the topic are the bytes in the index (``_source``) and a line in the lake.

| module | tells |
|---|---|
| ``dataset`` | what a dataset is; the table of them is here, ``DATASETS`` |
| ``feed`` | what is polled, kept, sent and stored as one, and how it is spelled |
| ``contracts`` | a module each: ``ticker`` ``candle`` ``market`` ``asset`` ``trade`` ``book`` ``gap`` and so on |
| ``fields`` | what a contract says of a field beside its type; the columns made from it |
| ``codec`` | record to bytes, bytes to record; what breaks a contract and how it is said |
| ``names`` | key, index |
| ``letters`` | the headers of a dead letter |
| ``times`` | slots, spans of them, and the one spelling of a time |
| ``documents`` | what is made from all of them: templates, schemas, rights, AsyncAPI, a page |
"""

from collections.abc import Mapping
from typing import Any

from cryptoproxy.datasets.codec import MAX_AHEAD_MS, MAX_RECORD_BYTES
from cryptoproxy.datasets.contracts.alert import ALERT, Alert
from cryptoproxy.datasets.contracts.asset import ASSET, Asset
from cryptoproxy.datasets.contracts.book import BOOK, Book
from cryptoproxy.datasets.contracts.candle import CANDLE, Candle
from cryptoproxy.datasets.contracts.gap import GAP, Gap
from cryptoproxy.datasets.contracts.market import MARKET, Market
from cryptoproxy.datasets.contracts.prediction import PREDICTION, Prediction
from cryptoproxy.datasets.contracts.stats import STATS, Stats
from cryptoproxy.datasets.contracts.ticker import TICKER, Ticker
from cryptoproxy.datasets.contracts.trade import TRADE, Trade
from cryptoproxy.datasets.contracts.usage import USAGE, Usage
from cryptoproxy.datasets.dataset import SCHEMA_VERSION_HEADER, Dataset, Part, Period
from cryptoproxy.datasets.feed import Feed
from cryptoproxy.datasets.letters import LETTER_HEADERS, NOWHERE, letter, opened, size_of
from cryptoproxy.datasets.names import index_name, key, key_of
from cryptoproxy.datasets.times import from_iso, iso, slot_of

DATASETS: Mapping[str, Dataset[Any]] = {
    each.name: each for each in (TICKER, CANDLE, MARKET, ASSET, TRADE, BOOK, GAP, ALERT, PREDICTION, STATS, USAGE)
}
"""The one table, by name."""


def called(text: str) -> tuple[Dataset[Any], str]:
    """``candle-1m`` → the dataset and the part; see :meth:`Dataset.called`.

    Raises:
        ValueError: there is no such one.
    """
    name, _, part = text.partition("-")
    dataset = DATASETS.get(name)
    if dataset is None or part not in dataset.parts:
        spelled = [f"{each.name}-…" if len(each.parts) > 1 else each.name for each in DATASETS.values()]
        which = f"; {name} has {', '.join(dataset.parts)}" if dataset is not None and len(dataset.parts) > 1 else ""
        raise ValueError(f"there is no dataset {text!r}; there are {', '.join(spelled)}{which}")
    return dataset, part


encode, decode, document_id = TICKER.codec.encode, TICKER.codec.decode, TICKER.id_of
"""Of tickers, which most callers mean."""
SCHEMA_VERSION, RECORD_HEADERS = TICKER.version, TICKER.headers

__all__ = [
    "ALERT",
    "ASSET",
    "BOOK",
    "CANDLE",
    "DATASETS",
    "GAP",
    "LETTER_HEADERS",
    "MARKET",
    "MAX_AHEAD_MS",
    "MAX_RECORD_BYTES",
    "NOWHERE",
    "PREDICTION",
    "RECORD_HEADERS",
    "SCHEMA_VERSION",
    "SCHEMA_VERSION_HEADER",
    "STATS",
    "TICKER",
    "TRADE",
    "USAGE",
    "Alert",
    "Asset",
    "Book",
    "Candle",
    "Dataset",
    "Feed",
    "Gap",
    "Market",
    "Part",
    "Period",
    "Prediction",
    "Stats",
    "Ticker",
    "Trade",
    "Usage",
    "called",
    "decode",
    "document_id",
    "encode",
    "from_iso",
    "index_name",
    "iso",
    "key",
    "key_of",
    "letter",
    "opened",
    "size_of",
    "slot_of",
]
