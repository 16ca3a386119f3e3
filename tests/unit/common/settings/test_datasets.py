"""Names of datasets: defaults in the contracts, another one in a mapping, and what would be mixed up is refused."""

from __future__ import annotations

import pytest

from cryptoproxy.common.settings import Settings
from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.common.settings.loading import declared_in
from cryptoproxy.datasets import CANDLE, TICKER
from cryptoproxy.errors import SettingsError

NOW = "2026-11-27T10:00:00.000Z"


def faults(**texts: str) -> str:
    with pytest.raises(SettingsError) as caught:
        Settings.from_texts(texts)
    return "\n".join(caught.value.faults)


def test_without_a_word_the_contract_s_names_count() -> None:
    settings = Settings.from_texts({})
    assert list(settings.kafka.topics_of(TICKER)) == ["crypto-data"]
    assert list(settings.kafka.topics_of(CANDLE))[:2] == ["crypto.ohlcv.1s", "crypto.ohlcv.1m"]
    assert settings.elasticsearch.alias_of(CANDLE) == "crypto-candles"
    assert settings.kafka.group_of(TICKER) == "cryptoproxy-indexer"
    assert settings.kafka.group_of(CANDLE) == "cryptoproxy-indexer.candle"


def test_a_mapping_names_others() -> None:
    settings = Settings.from_texts({"KAFKA_TOPICS": "candle=team-a.ohlcv", "ES_INDICES": " candle = team-a-candles "})
    assert settings.kafka.topic_of(CANDLE, "1m") == "team-a.ohlcv.1m"
    assert settings.elasticsearch.alias_of(CANDLE) == "team-a-candles"
    (declared,) = [each for name, each in declared_in(Kafka) if name == "topics"]
    assert declared.kind.show(settings.kafka.topics or {}) == "candle=team-a.ohlcv"


def test_the_period_of_tickers_is_set_and_that_of_others_is_their_parts() -> None:
    elastic = Settings.from_texts({"ES_INDEX_PERIOD": "day"}).elasticsearch
    assert elastic.first_index(TICKER, NOW) == "crypto-prices-2026.11.27"
    assert elastic.index_of(CANDLE, CANDLE.parts["1s"], NOW) == "crypto-candles-seconds-2026.11.27"
    assert elastic.first_index(CANDLE, NOW) == "crypto-candles-hours-2026.01.01"


def test_all_that_is_wrong_with_a_mapping_is_said_at_once() -> None:
    said = faults(KAFKA_TOPICS="candel=x,candle=%,ticker=y,foo,candle=a,candle=b", ES_INDICES="candle=UPPER")
    for words in (
        "knows no candel; there are candle",
        "has candle=%, which is not a topic name",
        "knows no ticker",
        "has 'foo', which is not NAME=VALUE",
        "names candle twice",
        "has candle=UPPER, which must be lower-case",
    ):
        assert words in said


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"ES_INDEX": "crypto"}, "ES_INDEX gives the alias crypto, so indices of candle"),
        (
            {"ES_INDICES": "candle=crypto-prices"},
            "ES_INDICES=candle=… gives the alias crypto-prices, so indices of ticker",
        ),
        ({"ES_INDICES": "candle=crypto-prices-1m"}, "ES_INDEX gives the alias crypto-prices, so indices of candle"),
        ({"KAFKA_TOPIC": "crypto.ohlcv.1m"}, "KAFKA_TOPIC gives topic crypto.ohlcv.1m, which has another"),
        (
            {"KAFKA_TOPICS": "candle=x", "KAFKA_TOPIC": "x.1m"},
            "KAFKA_TOPICS=candle=… gives topic x.1m, which has another",
        ),
    ],
)
def test_names_that_would_be_mixed_up_are_refused(texts: dict[str, str], said: str) -> None:
    assert said in faults(**texts)


def test_a_topic_of_records_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    from cryptoproxy.datasets import DATASETS, Part

    toy = dataclasses.replace(CANDLE, name="toy", topic="toys", alias="toys", parts={"": Part()})
    monkeypatch.setitem(DATASETS, "toy", toy)  # type: ignore[arg-type]
    for ours in ("dlq", "lease", "state"):
        assert f"KAFKA_TOPICS=toy=… gives topic t.{ours}" in faults(KAFKA_TOPIC="t", KAFKA_TOPICS=f"toy=t.{ours}")
