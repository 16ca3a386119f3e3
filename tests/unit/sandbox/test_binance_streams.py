"""Binance's WebSockets: shapes as recorded, control frames as seen, and the same market as REST."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from cryptoproxy.sandbox import Sandbox, StandInLimits

MINUTE_MS = 60_000
PATIENCE = 60


@contextmanager
def listen(box: Sandbox, path: str) -> Iterator[ClientConnection]:
    """A connection that gets whatever comes from now on."""
    before = len(box.streams.ledger.connections())
    with connect(box.stream_url("binance") + path, compression=None, max_queue=None, ping_interval=None) as ws:
        assert box.streams.ledger.wait(lambda ledger: len(ledger.connections()) > before, timeout=PATIENCE)
        yield ws


def say(ws: ClientConnection, **message: Any) -> Any:
    """The answer; data that comes before it is lost."""
    ws.send(json.dumps(message))
    while True:
        answer = json.loads(ws.recv(timeout=PATIENCE))
        if "id" in answer:
            return answer


def heard(ws: ClientConnection, enough: Callable[[list[Any]], bool]) -> list[Any]:
    """Messages, until there are enough."""
    found: list[Any] = []
    while not enough(found):
        found.append(json.loads(ws.recv(timeout=PATIENCE)))
    return found


def count(number: int) -> Callable[[list[Any]], bool]:
    return lambda found: len(found) >= number


def shape(value: object) -> object:
    """Keys in their order and types."""
    if isinstance(value, dict):
        return [(name, shape(inner)) for name, inner in value.items()]
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value)


@pytest.mark.parametrize(
    "name",
    ["aggTrade", "trade", "kline_1m", "ticker", "miniTicker", "bookTicker", "depth", "depth@100ms", "depth5"],
)
def test_frames_look_as_recorded(sandbox, clock, recorded_json, name):
    known = recorded_json("binance/streams/frames.json")["partial" if name == "depth5" else name.split("@")[0]]
    with listen(sandbox, f"/ws/btcusdt@{name}") as ws:
        say(ws, method="LIST_SUBSCRIPTIONS", id=1)
        clock.turn(3)
        assert shape(heard(ws, count(1))[0]) == shape(known)


def test_trades_of_the_stream_are_those_of_rest(sandbox, clock, http):
    with listen(sandbox, "/ws/btcusdt@aggTrade") as ws:
        say(ws, method="LIST_SUBSCRIPTIONS", id=1)
        began = clock.now_ms()
        for _ in range(7):
            clock.turn(0.31)
        rest = http.get(
            sandbox.base_url("binance") + "/api/v3/aggTrades",
            params={"symbol": "BTCUSDT", "startTime": began + 1, "limit": 1000},
        ).json()
        frames = heard(ws, count(len(rest)))
    assert [{k: frame[k] for k in rest[0]} for frame in frames] == rest
    assert all(after["a"] == before["a"] + 1 for before, after in itertools.pairwise(frames))
    assert all(frame["E"] >= frame["T"] for frame in frames)
    told = sandbox.streams.ledger.connections()[0].topics["btcusdt@aggTrade"]
    assert (told.frames, told.runs) == (len(rest), [[rest[0]["a"], rest[-1]["a"]]])


def test_a_closed_bar_is_that_of_rest_and_follows_the_one_before(sandbox, clock, http):
    with listen(sandbox, "/stream?streams=btcusdt@kline_1m") as ws:
        say(ws, method="LIST_SUBSCRIPTIONS", id=1)
        start = clock.now_ms() // MINUTE_MS * MINUTE_MS
        clock.turn(125)
        frames = [message["data"] for message in heard(ws, lambda found: sum(m["data"]["k"]["x"] for m in found) == 3)]
    closed = [frame for frame in frames if frame["k"]["x"]][1:]
    rows = http.get(
        sandbox.base_url("binance") + "/api/v3/klines",
        params={"symbol": "BTCUSDT", "interval": "1m", "startTime": start},
    ).json()
    for frame, row in zip(closed, rows[:2], strict=True):
        bar = frame["k"]
        assert [bar[k] for k in "tohlcvTqnVQ"] == [row[n] for n in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)]
        assert bar["T"] < frame["E"] <= bar["T"] + 2001
    assert closed[1]["k"]["f"] == closed[0]["k"]["L"] + 1
    assert len(frames) > 20, "the open bar is told too"


def test_changes_make_one_snapshot_into_the_next(sandbox, clock, http):
    """As the documentation has it: buffer, snapshot, drop what is older, apply the event around it whole."""

    def snapshot() -> dict[str, Any]:
        return http.get(
            sandbox.base_url("binance") + "/api/v3/depth", params={"symbol": "ETHUSDT", "limit": 5000}
        ).json()

    with listen(sandbox, "/ws/ethusdt@depth@100ms") as ws:
        say(ws, method="LIST_SUBSCRIPTIONS", id=1)
        clock.turn(0.45)
        start = snapshot()
        for _ in range(8):
            clock.turn(0.9)
        end = snapshot()
        events = heard(ws, lambda found: bool(found) and found[-1]["u"] >= end["lastUpdateId"] - 7)
    events = [event for event in events if event["u"] > start["lastUpdateId"] and event["U"] <= end["lastUpdateId"]]
    assert events[0]["U"] <= start["lastUpdateId"] + 1 <= events[0]["u"]
    assert all(after["U"] == before["u"] + 1 for before, after in itertools.pairwise(events))
    for side, short, best in (("bids", "b", max), ("asks", "a", min)):
        book = dict(start[side])
        for event in events:
            book |= dict(event[short])
        there = {float(price): size for price, size in book.items() if float(size)}
        assert best(there) == float(end[side][0][0])
        assert [there[float(price)] for price, _ in end[side][:100]] == [size for _, size in end[side][:100]]


def test_control_frames_are_answered_as_seen(sandbox):
    with listen(sandbox, "/ws/anything") as ws:
        assert say(ws, method="SUBSCRIBE", params=["btcusdt@aggTrade", "nonesuch@trade"], id=1) == {
            "result": None,
            "id": 1,
        }
        assert say(ws, method="LIST_SUBSCRIPTIONS", id="x")["result"] == ["btcusdt@aggTrade", "nonesuch@trade"]
        assert say(ws, method="UNSUBSCRIBE", params=["nonesuch@trade"], id=None) == {"result": None, "id": None}
        assert say(ws, method="GET_PROPERTY", params=["combined"], id=2) == {"result": False, "id": 2}
    with listen(sandbox, "/ws") as ws:
        assert say(ws, method="SUBSCRIBE", params=["rubbish"], id=1) == {
            "error": {"code": 2, "msg": "Invalid request: invalid stream"},
            "id": 1,
        }
        assert say(ws, id=3)["error"]["msg"] == "Invalid request: missing field `method`"
        ws.send("{")
        assert json.loads(ws.recv(timeout=PATIENCE))["error"]["code"] == 3
    with listen(sandbox, "/ws") as ws:
        topics = [f"s{n}usdt@trade" for n in range(1025)]
        assert say(ws, method="SUBSCRIBE", params=topics, id=1)["error"] == {"code": 4, "msg": "Too many subscriptions"}
        assert say(ws, method="SUBSCRIBE", params=topics[1:], id=2)["result"] is None


def test_six_messages_in_a_second_end_the_connection(sandbox, clock):
    with listen(sandbox, "/ws") as ws:
        clock.turn(10)
        for n in range(6):
            ws.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": n}))
        with pytest.raises(ConnectionClosed) as ended:
            heard(ws, count(7))
    assert ended.value.rcvd is not None
    assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (1008, "Too many requests")


def test_pings_come_and_a_day_is_the_end(sandbox, clock):
    with listen(sandbox, "/ws/btcusdt@miniTicker") as ws:
        for _ in range(3):
            say(ws, method="LIST_SUBSCRIPTIONS", id=1)
            clock.turn(21)
        assert sandbox.streams.ledger.wait(lambda ledger: ledger.connections()[0].heard >= 5), "three texts, two pongs"
        clock.turn(86_400)
        with pytest.raises(ConnectionClosed) as ended:
            heard(ws, count(10**9))
    assert ended.value.rcvd is not None
    assert sandbox.streams.ledger.wait(lambda ledger: ledger.connections()[0].end == "life")


def test_too_many_connections_are_refused(clock):
    with Sandbox(coins=10, clock=clock, limits=StandInLimits(binance_connects_per_5m=2)) as box:
        for _ in range(2):
            with listen(box, "/ws"):
                pass
        with pytest.raises(InvalidStatus) as refused, listen(box, "/ws"):
            pass
    assert refused.value.response.status_code == 429


def test_many_messages_at_once_end_it_only_once(sandbox):
    message = json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 1}).encode()
    with listen(sandbox, "/ws") as ws:
        masked = b"\x81" + bytes((0x80 | len(message),)) + b"\0\0\0\0" + message
        ws.socket.sendall(masked * 20)
        with pytest.raises(ConnectionClosed) as ended:
            heard(ws, count(21))
    assert ended.value.rcvd is not None
    assert sandbox.streams.ledger.wait(lambda ledger: ledger.connections()[0].end == "Too many requests")
    assert sandbox.streams.ledger.connections()[0].heard == 6
