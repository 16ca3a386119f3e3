"""Bybit's WebSockets: shapes as recorded, data before the acknowledgement, and the same market as REST."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from cryptoproxy.sandbox import Sandbox

MINUTE_MS = 60_000
PATIENCE = 60


@contextmanager
def listen(box: Sandbox, product: str) -> Iterator[ClientConnection]:
    """A connection that gets whatever comes from now on."""
    address, before = f"{box.stream_url('bybit')}/v5/public/{product}", len(box.streams.ledger.connections())
    with connect(address, compression=None, max_queue=None, ping_interval=None) as ws:
        assert box.streams.ledger.wait(lambda ledger: len(ledger.connections()) > before, timeout=PATIENCE)
        yield ws


def heard(ws: ClientConnection, enough: Callable[[list[Any]], bool]) -> list[Any]:
    """Messages, until there are enough."""
    found: list[Any] = []
    while not enough(found):
        found.append(json.loads(ws.recv(timeout=PATIENCE)))
    return found


def until_acknowledged(found: list[Any]) -> bool:
    return bool(found) and "op" in found[-1]


def subscribe(ws: ClientConnection, *topics: str, **more: Any) -> list[Any]:
    """All that comes up to the acknowledgement."""
    ws.send(json.dumps({"op": "subscribe", "args": topics} | more))
    return heard(ws, until_acknowledged)


def shape(value: object) -> object:
    if isinstance(value, dict):
        return [(name, shape(inner)) for name, inner in value.items()]
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value)


def full(frame: Any) -> bool:
    """Both sides of a book."""
    return frame["data"]["b"] and frame["data"]["a"] if "b" in frame["data"] else True


@pytest.mark.parametrize(
    ("product", "topic", "known"),
    [
        ("linear", "publicTrade", "publicTrade"),
        ("linear", "kline.1", "kline.1"),
        ("spot", "kline.1", "kline.1 spot"),
        ("linear", "orderbook.50", "orderbook.50"),
    ],
)
def test_frames_look_as_recorded(sandbox, clock, recorded_json, product, topic, known):
    wanted = recorded_json("bybit/streams/frames.json")[known]
    with listen(sandbox, product) as ws:
        subscribe(ws, f"{topic}.BTCUSDT")
        clock.turn(5)
        frame = heard(ws, lambda found: bool(found) and found[-1].get("type") == wanted["type"] and full(found[-1]))[-1]
    for row in frame["data"] if topic == "publicTrade" else ():
        assert row.pop("RPI") is False, "newer than the example"
    assert shape(frame) == shape(wanted)


def test_products_differ_in_what_they_tell(sandbox, clock):
    with listen(sandbox, "spot") as ws:
        [ticker, _] = subscribe(ws, "tickers.BTCUSDT")
        assert "bid1Price" not in ticker["data"], "spot tickers have no best prices"
        subscribe(ws, "publicTrade.BTCUSDT")
        clock.turn(5)
        trade = heard(ws, lambda found: bool(found) and found[-1]["topic"].startswith("publicTrade"))[-1]["data"][0]
        assert len(trade["i"]) == 19
        assert "L" not in trade
    with listen(sandbox, "inverse") as ws:
        subscribe(ws, "publicTrade.BTCUSD")
        clock.turn(5)
        assert heard(ws, bool)[0]["data"][0]["v"].isdigit(), "dollars"
    with listen(sandbox, "linear") as ws:
        [ticker, _] = subscribe(ws, "tickers.BTCUSDT")
        assert ticker["data"]["bid1Price"]
        clock.turn(5)
        delta = heard(ws, bool)[0]
        assert (delta["type"], delta["data"]["symbol"]) == ("delta", "BTCUSDT")
        assert set(delta["data"]) < set(ticker["data"])
    with pytest.raises(InvalidStatus), listen(sandbox, "options"):
        pass


def test_answers_are_the_recorded_ones_and_come_after_the_first_data(sandbox, recorded_json):
    known = recorded_json("bybit/streams/frames.json")
    with listen(sandbox, "linear") as ws:
        snapshot, ack = subscribe(ws, "orderbook.50.BTCUSDT")
        assert snapshot["type"] == "snapshot"
        assert ack == known["subscribed"] | {"conn_id": ack["conn_id"]}
        ws.send('{"op":"ping"}')
        [pong] = heard(ws, until_acknowledged)
        assert pong == known["pong"] | {"conn_id": ack["conn_id"]}
        [refused] = subscribe(ws, "publicTrade.ETHUSDT", "liquidation.BTCUSDT", req_id="old")
        assert refused == known["refused"] | {"conn_id": ack["conn_id"]}
        [again] = subscribe(ws, "orderbook.50.BTCUSDT")
        assert again["ret_msg"] == "error:already subscribed,topic:orderbook.50.BTCUSDT"
    with listen(sandbox, "spot") as ws:
        ack = subscribe(ws, "publicTrade.BTCUSDT", req_id="10001")[-1]
        assert shape(ack) == shape(known["subscribed spot"])
        assert ack["ret_msg"] == "subscribe"
        [refused] = subscribe(ws, *[f"kline.{n}.BTCUSDT" for n in range(11)])
        assert (refused["success"], refused["ret_msg"]) == (False, "args size >10")


def test_trades_of_the_stream_are_those_of_rest(sandbox, clock, http):
    with listen(sandbox, "linear") as ws:
        subscribe(ws, "publicTrade.BTCUSDT")
        began = clock.now_ms()
        for _ in range(4):
            clock.turn(0.31)
        params = {"category": "linear", "symbol": "BTCUSDT", "limit": 1000}
        answer = http.get(sandbox.base_url("bybit") + "/v5/market/recent-trade", params=params).json()
        rest = [row for row in answer["result"]["list"][::-1] if int(row["time"]) > began]
        clock.turn(0.02)  # trades of a hundredth of a second come together
        frames = heard(ws, lambda found: sum(len(frame["data"]) for frame in found) >= len(rest))
    told = [row for frame in frames for row in frame["data"]][: len(rest)]
    names = {"i": "execId", "p": "price", "v": "size", "S": "side", "s": "symbol"}
    assert [{names[k]: row[k] for k in names} for row in told] == [{k: row[k] for k in names.values()} for row in rest]
    assert [(row["T"], row["seq"]) for row in told] == [(int(row["time"]), int(row["seq"])) for row in rest]
    [[first, last]] = sandbox.streams.ledger.connections()[0].topics["publicTrade.BTCUSDT"].runs
    assert last - first + 1 >= len(rest)


def test_a_confirmed_bar_is_that_of_rest(sandbox, clock, http):
    with listen(sandbox, "linear") as ws:
        subscribe(ws, "kline.1.ETHUSDT")
        start = clock.now_ms() // MINUTE_MS * MINUTE_MS
        clock.turn(65)
        bars = [each["data"][0] for each in heard(ws, lambda found: sum(m["data"][0]["confirm"] for m in found) == 2)]
    params = {"category": "linear", "symbol": "ETHUSDT", "interval": "1", "start": start, "end": start}
    [row] = http.get(sandbox.base_url("bybit") + "/v5/market/kline", params=params).json()["result"]["list"]
    bar = bars[-1]
    assert (str(bar["start"]), bar["end"]) == (row[0], start + MINUTE_MS - 1)
    assert [bar[k] for k in ("open", "high", "low", "close", "volume", "turnover")] == row[1:]
    assert 0 < bar["timestamp"] - bar["end"] <= 1501


@pytest.mark.parametrize("levels", [50, 200, 1000])
def test_deltas_make_the_snapshot_into_the_book_of_rest(sandbox, clock, http, levels):
    with listen(sandbox, "linear") as ws:
        snapshot, _ = subscribe(ws, f"orderbook.{levels}.BTCUSDT")
        for _ in range(5):
            clock.turn(0.53)
        params = {"category": "linear", "symbol": "BTCUSDT", "limit": levels}
        rest = http.get(sandbox.base_url("bybit") + "/v5/market/orderbook", params=params).json()["result"]
        deltas = heard(ws, lambda found: bool(found) and found[-1]["data"]["u"] == rest["u"])
    assert all(b["data"]["u"] == a["data"]["u"] + 1 for a, b in itertools.pairwise([snapshot, *deltas]))
    for side in "ba":
        book = dict(snapshot["data"][side])
        for delta in deltas:
            book |= dict(delta["data"][side])
        there = sorted(
            ([p, s] for p, s in book.items() if s != "0"), key=lambda row: float(row[0]), reverse=side == "b"
        )
        assert there == rest[side]


def test_the_best_prices_alone_are_told_again_under_the_same_number(sandbox, clock):
    with listen(sandbox, "linear") as ws:
        subscribe(ws, "orderbook.1.SOLUSDT")
        clock.turn(60)
        frames = heard(ws, lambda found: bool(found) and found[-1]["ts"] >= clock.now_ms() - 3000)
    assert {frame["type"] for frame in frames} == {"snapshot"}
    for before, after in itertools.pairwise(frames):
        same = before["data"]["b"] == after["data"]["b"] and before["data"]["a"] == after["data"]["a"]
        assert same == (before["data"]["u"] == after["data"]["u"])


def test_who_says_nothing_for_ten_minutes_is_cut(sandbox, clock):
    with listen(sandbox, "linear"):
        clock.turn(599)
        clock.turn(2)
        assert sandbox.streams.ledger.wait(lambda ledger: ledger.connections()[0].end == "idle")
