"""Who may do what follows from the table."""

from __future__ import annotations

import dataclasses

from cryptoproxy.datasets import CANDLE, TICKER, Part
from cryptoproxy.datasets.documents.rights import kafka_acls, roles

NEWEST = dataclasses.replace(
    CANDLE, name="newest", topic="n", alias="newest", parts={"": Part()}, compacted=True, corrected=False
)
UNSEEN = dataclasses.replace(CANDLE, name="unseen", topic="u", alias=None, parts={"": Part()})
TABLE = {each.name: each for each in (TICKER, CANDLE, NEWEST, UNSEEN)}


def test_the_indexer_may_replace_documents_of_compacted_datasets_alone() -> None:
    kept, replaced, compared = roles(TABLE)["crypto_indexer"]["indices"]
    assert ("create_doc" in kept["privileges"], "index" in kept["privileges"]) == (True, False)
    assert kept["names"] == ["crypto-prices", "crypto-prices-*", "crypto-candles", "crypto-candles-*"]
    assert ("index" in replaced["privileges"], replaced["names"]) == (True, ["newest", "newest-*"])
    assert compared == {"names": ["crypto-candles", "crypto-candles-*"], "privileges": ["read"]}


def test_retention_deletes_periods_and_never_what_is_replaced() -> None:
    assert roles(TABLE)["crypto_retention"]["indices"][-1] == {
        "names": ["crypto-prices-*", "crypto-candles-*"],
        "privileges": ["delete_index"],
    }


def test_a_dataset_with_parts_is_a_prefix_and_another_a_name() -> None:
    script = kafka_acls(TABLE)
    assert "acl User:crypto_indexer --topic $CANDLE. --resource-pattern-type prefixed --operation Read" in script
    assert "acl User:crypto_indexer --topic $UNSEEN --operation Read" in script
    assert "\nNEWEST=${NEWEST:-n}\n" in script
