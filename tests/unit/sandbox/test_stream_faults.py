"""Rules for streams: each fault reaches the client as ordered, and the ledger tells it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from cryptoproxy.sandbox import Rule, RuleError, Sandbox, StreamRule

PATIENCE = 60
TRADES = "btcusdt@aggTrade"


@contextmanager
def listen(box: Sandbox, path: str = f"/ws/{TRADES}", upstream: str = "binance") -> Iterator[ClientConnection]:
    """A connection that gets whatever comes from now on."""
    address, before = box.stream_url(upstream) + path, len(box.streams.ledger.connections())
    with connect(address, compression=None, max_queue=None, ping_interval=None, close_timeout=1) as ws:
        assert box.streams.ledger.wait(lambda ledger: len(ledger.connections()) > before, timeout=PATIENCE)
        yield ws


def heard(ws: ClientConnection, count: int) -> list[Any]:
    return [json.loads(ws.recv(timeout=PATIENCE)) for _ in range(count)]


def numbers(frames: list[Any]) -> list[int]:
    return [frame["a"] for frame in frames]


@pytest.fixture
def flow(sandbox, clock) -> Iterator[Callable[..., tuple[ClientConnection, list[int]]]]:
    """A listener after so many seconds of trades, and the numbers of all that there were."""

    @contextmanager
    def begin(seconds: float = 0.6, **rule: Any) -> Iterator[tuple[ClientConnection, list[int]]]:
        if rule:
            sandbox.add(StreamRule(topic="aggTrade", **rule))
        with listen(sandbox) as ws:
            began = clock.now_ms()
            clock.turn(seconds)
            yield ws, [row["a"] for row in rest(sandbox, began)]

    return begin


def rest(box: Sandbox, since_ms: int) -> list[Any]:
    params = {"symbol": "BTCUSDT", "startTime": since_ms + 1, "limit": 1000}
    return requests.get(box.base_url("binance") + "/api/v3/aggTrades", params=params, timeout=PATIENCE).json()


def test_a_hole_is_in_the_stream_alone(flow, sandbox):
    with flow(nth=5, hole=3) as (ws, all_numbers):
        found = numbers(heard(ws, len(all_numbers) - 3))
    assert found == all_numbers[:4] + all_numbers[7:]
    [kept] = sandbox.streams.ledger.kept_back()
    assert (kept.first, kept.last, kept.everywhere) == (all_numbers[4], all_numbers[6], False)
    assert sandbox.streams.ledger.connections()[0].topics[TRADES].runs == [
        [found[0], found[3]],
        [found[4], found[-1]],
    ]


def test_a_hole_everywhere_is_in_rest_too_and_in_every_connection(flow, sandbox, clock):
    began = clock.now_ms()
    with listen(sandbox) as other, flow(nth=5, hole=3, everywhere=True) as (ws, _):
        assert sandbox.streams.ledger.wait(lambda ledger: bool(ledger.kept_back()))
        there = [row["a"] for row in rest(sandbox, began)]
        assert numbers(heard(ws, len(there))) == numbers(heard(other, len(there))) == there
    [kept] = sandbox.streams.ledger.kept_back()
    assert not set(range(kept.first, kept.last + 1)) & set(there)
    assert there[-1] - there[0] + 1 == len(there) + 3


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        ({"nth": 3, "twice": True}, lambda all_numbers: [*all_numbers[:3], *all_numbers[2:]]),
        ({"nth": 3, "behind": 2}, lambda n: [*n[:2], *n[3:5], n[2], *n[5:]]),
    ],
)
def test_frames_come_twice_or_out_of_order(flow, rule, changed):
    with flow(**rule) as (ws, all_numbers):
        wanted = changed(all_numbers)
        assert numbers(heard(ws, len(wanted))) == wanted


def test_a_frame_that_waits_for_later_ones_comes_although_its_rule_has_gone(sandbox, clock):
    sandbox.add(StreamRule(topic="aggTrade", times=1, behind=200))
    with listen(sandbox) as ws:
        began = clock.now_ms()
        clock.turn(0.6)
        assert sandbox.streams.script.wait_fired(timeout=PATIENCE)
        sandbox.streams.script.clear()
        clock.turn(4)
        all_numbers = [row["a"] for row in rest(sandbox, began)]
        assert len(all_numbers) > 300
        assert numbers(heard(ws, len(all_numbers))) == [*all_numbers[1:201], all_numbers[0], *all_numbers[201:]]


def test_a_frame_comes_late(flow, clock):
    with flow(nth=2, late=4.0) as (ws, all_numbers):
        assert numbers(heard(ws, len(all_numbers) - 1)) == all_numbers[:1] + all_numbers[2:]
        clock.turn(4)
        assert heard(ws, 1)[0]["a"] == all_numbers[1]


def test_a_closing_frame_of_a_bar_comes_late(sandbox, clock):
    sandbox.add(StreamRule(topic="kline_1m", frame='"x":true', late=7.0, name="late bar"))
    with listen(sandbox, "/ws/btcusdt@kline_1m") as ws:
        clock.turn(1)
        assert sandbox.streams.script.wait_fired(name="late bar", timeout=PATIENCE)
        clock.turn(7)
        frame = next(frame for frame in iter(lambda: heard(ws, 1)[0], None) if frame["k"]["x"])
    assert frame["k"]["T"] < clock.now_ms() - 7000


@pytest.mark.parametrize("name", ["garbage", "half"])
def test_a_frame_is_no_json(flow, name):
    with flow(nth=2, rewrite=name) as (ws, _):
        ws.recv(timeout=PATIENCE)
        with pytest.raises(ValueError):
            json.loads(ws.recv(timeout=PATIENCE))
        assert heard(ws, 1)[0]["e"] == "aggTrade"


def test_a_book_is_crossed(sandbox, clock, http):
    sandbox.add(
        StreamRule(topic="depth5|orderbook", rewrite="crossed"), Rule(path="/depth|/orderbook", rewrite="crossed")
    )
    with listen(sandbox, "/ws/btcusdt@depth5") as ws:
        clock.turn(2)
        [frame] = heard(ws, 1)
    asked = http.get(sandbox.base_url("binance") + "/api/v3/depth", params={"symbol": "BTCUSDT"}).json()
    for book in (frame, asked):
        assert float(book["bids"][0][0]) > float(book["asks"][0][0])
    with listen(sandbox, "/v5/public/linear", "bybit") as ws:
        ws.send('{"op":"subscribe","args":["orderbook.50.BTCUSDT"]}')
        book = heard(ws, 1)[0]["data"]
        assert float(book["b"][0][0]) > float(book["a"][0][0])


@pytest.mark.parametrize("reset", [False, True])
def test_a_line_is_cut_within_a_frame(flow, sandbox, reset):
    with flow(nth=3, cut=20, reset=reset) as (ws, all_numbers):
        assert numbers(heard(ws, 2)) == all_numbers[:2]
        with pytest.raises(ConnectionClosed) as ended:
            ws.recv(timeout=PATIENCE)
        assert ended.value.rcvd is None, "no close"
        assert sandbox.streams.ledger.wait(lambda ledger: ledger.connections()[0].end == "cut")
    assert sandbox.streams.ledger.connections()[0].topics[TRADES].runs == [[all_numbers[0], all_numbers[1]]]


def test_a_close_has_its_code(flow, sandbox):
    with flow(nth=3, close=1012) as (ws, all_numbers):
        assert numbers(heard(ws, 3)) == all_numbers[:3]
        with pytest.raises(ConnectionClosed) as ended:
            ws.recv(timeout=PATIENCE)
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1012


def test_half_open_says_nothing_any_more(flow, sandbox, clock):
    with flow(nth=3, half_open=True) as (ws, all_numbers):
        assert numbers(heard(ws, 3)) == all_numbers[:3]
        clock.turn(100)
        assert not ws.ping().wait(0.2)
        with pytest.raises(TimeoutError):
            ws.recv(timeout=0.2)
        assert sandbox.streams.ledger.connections()[0].end == ""
    assert sandbox.streams.ledger.wait(lambda ledger: ledger.connections()[0].end == "client")


def test_a_stall_is_made_up_for(flow, clock):
    with flow(nth=3, stall=30) as (ws, all_numbers):
        assert numbers(heard(ws, 3)) == all_numbers[:3]
        assert ws.ping().wait(PATIENCE), "pings are answered"
        clock.turn(31)
        assert numbers(heard(ws, len(all_numbers) - 3)) == all_numbers[3:]


def test_an_end_is_announced(flow, sandbox, clock):
    with flow(nth=1, shutdown=5) as (ws, all_numbers):
        found = heard(ws, len(all_numbers) + 1)
        assert found[1] == {"e": "serverShutdown", "E": clock.now_ms()}
        clock.turn(5)
        with pytest.raises(ConnectionClosed):
            heard(ws, 10_000)
    assert sandbox.streams.ledger.wait(lambda ledger: ledger.connections()[0].end == "shutdown")


def test_who_reads_too_slowly_is_cut(sandbox, clock):
    sandbox.streams.backlog = 10_000
    sandbox.add(StreamRule(topic="aggTrade", nth=1, drip=1))
    with listen(sandbox) as ws:
        clock.turn(5)
        assert sandbox.streams.ledger.wait(lambda ledger: ledger.connections()[0].end == "slow reader")
        with pytest.raises(ConnectionClosed):
            ws.recv(timeout=PATIENCE)


def test_a_subscription_is_refused_or_silent(sandbox, clock):
    sandbox.add(StreamRule(topic="ethusdt", refuse=True, times=1), StreamRule(topic="bnbusdt", ignore=True))
    with listen(sandbox) as ws:
        ws.send('{"method":"SUBSCRIBE","params":["ethusdt@trade"],"id":1}')
        assert heard(ws, 1)[0]["error"]["code"] == 2
        ws.send('{"method":"SUBSCRIBE","params":["ethusdt@trade","bnbusdt@trade"],"id":2}')
        assert heard(ws, 1)[0] == {"result": None, "id": 2}
        clock.turn(3)
        assert sandbox.streams.ledger.wait(lambda ledger: len(ledger.connections()[0].topics) == 2)
    assert set(sandbox.streams.ledger.connections()[0].topics) == {TRADES, "ethusdt@trade"}


def test_a_close_of_the_client_is_answered_late(flow, sandbox):
    with flow(nth=1, late_close=0.3) as (ws, all_numbers):
        heard(ws, len(all_numbers))
        ws.close(1000)
        assert ws.close_code == 1000
    assert sandbox.streams.ledger.wait(lambda ledger: ledger.connections()[0].end == "client")


def test_the_handshake_obeys_rules_for_requests(sandbox):
    sandbox.add(Rule(path="/binance/ws", status=418, times=1))
    with pytest.raises(InvalidStatus) as refused, listen(sandbox):
        pass
    assert refused.value.response.status_code == 418
    with listen(sandbox):
        pass
    assert [entry.status for entry in sandbox.ledger.entries()] == [418, 101]


def test_rules_and_ledger_over_http(sandbox, clock, http):
    control = f"{sandbox.url}/_sandbox"
    rules = [{"topic": "aggTrade", "nth": 2, "hole": 2, "everywhere": True}, {"path": "/klines", "status": 500}]
    assert [each["label"] for each in http.post(f"{control}/faults", json=rules).json()["faults"]] == [
        "500",
        "hole+everywhere",
    ]
    with listen(sandbox) as ws:
        clock.turn(0.6)
        first, after = heard(ws, 2)
        assert after["a"] - first["a"] == 3
    assert sandbox.streams.ledger.wait(lambda ledger: ledger.connections()[0].end == "client")
    told = http.get(f"{control}/streams").json()
    assert told["kept_back"] == [{"topic": TRADES, "first": first["a"] + 1, "last": first["a"] + 2, "everywhere": True}]
    [connection] = told["connections"]
    assert connection["target"] == f"/binance/ws/{TRADES}"
    assert connection["topics"][TRADES]["runs"][0] == [first["a"], first["a"]]
    kinds = [event["kind"] for event in told["events"]]
    assert (kinds[0], kinds[1], kinds[-1]) == ("opened", "fault", "ended")
    assert http.get(f"{control}/streams", params={"since": len(kinds)}).json()["events"] == []
    assert http.delete(f"{control}/faults").json() == {"faults": []}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"topic": "("}, "topic: not a regular expression"),
        ({"topic": "x", "rewrite": "nonesuch"}, "rewrite: unknown name"),
        ({"topic": "x", "everywhere": True}, "everywhere: only with hole"),
        ({"topic": "x", "reset": True}, "reset: only with cut"),
        ({"topic": "x", "close": 5}, "close: no code"),
        ({"topic": "x", "hole": 0}, "hole: must be 1 or more"),
        ({"topic": "x", "stall": -1}, "stall: must be 0 or more"),
        ({"topic": "x", "probability": 2}, "probability: must be 0…1"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule, text):
    with pytest.raises(RuleError, match=text.replace("(", r"\(")):
        StreamRule(**rule)


def test_pairs_of_trades_follow_each_other_whatever_the_tick(flow):
    with flow(seconds=3.0) as (ws, all_numbers):
        found = numbers(heard(ws, len(all_numbers)))
    assert all(b == a + 1 for a, b in itertools.pairwise(found))
