"""What a ticker is called and how it is spelled stays byte for byte as it was when the road carried nothing else."""

from __future__ import annotations

import json
from pathlib import Path

from cryptoproxy.datasets import TICKER, Period, Ticker, index_name, key
from cryptoproxy.datasets.documents import mapping

GOLDEN = Path(__file__).resolve().parents[2] / "fixtures" / "golden"
LINE = (
    b'{"source":"bybit-linear","asset_id":"BTCUSDT","symbol":"BTCUSDT","name":"BTCUSDT","quote":"USDT",'
    b'"price":69123.12,"timestamp":"2026-11-20T10:00:00.000Z","fetched_at":"2026-11-20T10:00:00.310Z",'
    b'"fetch_delay_ms":310,"high_24h":70000.0,"open_interest":51033.123,"price_24h_pcnt":-0.0135,'
    b'"funding_rate":-0.0000125,"next_funding_time":"1763654400000","interval_ms":1000}'
)


def test_the_bytes_of_a_record() -> None:
    record = TICKER.codec.decode(LINE)
    assert isinstance(record, Ticker)
    assert TICKER.codec.encode(record) == LINE


def test_its_names() -> None:
    record = TICKER.codec.decode(LINE)
    assert key(record) == "bybit-linear:BTCUSDT:USDT"
    assert TICKER.id_of(record) == "bybit-linear:BTCUSDT:USDT:1795168800000"
    assert index_name("crypto-prices", record.timestamp, Period.MONTH) == "crypto-prices-2026.11.01"
    assert index_name("crypto-prices", record.timestamp, Period.DAY) == "crypto-prices-2026.11.20"
    assert (TICKER.topic, TICKER.alias) == ("crypto-data", "crypto-prices")
    assert TICKER.headers == [("schema-version", b"1")]


def test_its_index_template() -> None:
    golden = json.loads((GOLDEN / "ticker-template.json").read_text(encoding="utf-8"))
    made = mapping.template(TICKER, alias="crypto-prices", period="month", shards=1, replicas=0)
    assert list(made["template"]["mappings"]["properties"]) != []
    assert {name: made["template"][name] for name in golden["template"]} == golden["template"]
    assert made["priority"] == golden["priority"]
