"""Recorded frames are told again; and TLS for those who speak nothing else."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest
import requests
import trustme
from websockets.sync.client import connect

from cryptoproxy.sandbox import Sandbox
from cryptoproxy.sandbox.streams.capture import load

PATIENCE = 60
SPOT = "binance/streams/spot_btcusdt_2024-08-08"


def at(lines: list[str], name: str) -> list[str]:
    return [line for line in lines if f'"stream":"btcusdt@{name}"' in line]


@pytest.mark.parametrize("pace", [1, 0])
def test_a_capture_is_told_as_it_was_recorded(clock, recorded_path, pace):
    file = recorded_path / f"{SPOT}.jsonl"
    lines, times = file.read_text().splitlines(), [int(n) for n in file.with_suffix(".recv.txt").read_text().split()]
    with Sandbox(coins=10, clock=clock, captures=load([file], pace=pace)) as box:
        topics = "btcusdt@depth@100ms/btcusdt@trade/nonesuch@trade"
        with connect(f"{box.stream_url('binance')}/stream?streams={topics}", compression=None) as ws:
            wanted = [line for line in lines if "bookTicker" not in line]
            first = [
                line for line, n in zip(lines, times, strict=True) if n - times[0] <= 100_000_000 and line in wanted
            ]
            heard = [ws.recv(timeout=PATIENCE) for _ in (wanted if pace == 0 else first[:1])]
            if pace:
                assert len(first) < len(wanted)
                clock.turn(0.1)
                heard += [ws.recv(timeout=PATIENCE) for _ in first[1:]]
                with pytest.raises(TimeoutError):
                    ws.recv(timeout=0.1)
                clock.turn(60)
                heard += [ws.recv(timeout=PATIENCE) for _ in wanted[len(first) :]]
        assert heard == wanted
        told = box.streams.ledger.connections()[0].topics["btcusdt@depth@100ms"]
        events = [json.loads(line)["data"] for line in at(lines, "depth@100ms")]
        assert told.runs == [[events[0]["U"], events[-1]["u"]]]


def test_a_capture_of_bybit_goes_by_the_times_in_it(clock, recorded_path):
    file = recorded_path / "bybit/streams/linear_2023-04-05.jsonl"
    with Sandbox(coins=10, clock=clock, captures=load([file])) as box:
        with connect(f"{box.stream_url('bybit')}/v5/public/linear", compression=None) as ws:
            ws.send('{"op":"subscribe","args":["orderbook.1.BTCUSDT"]}')
            heard = [json.loads(ws.recv(timeout=PATIENCE)), json.loads(ws.recv(timeout=PATIENCE))]
            clock.turn(0.5)
            heard.append(json.loads(ws.recv(timeout=PATIENCE)))
        assert {frame.get("type") for frame in heard} == {"snapshot", "delta", None}


@pytest.mark.parametrize(("text", "error"), [("{", "a.jsonl:1"), ('{"result":null,"id":1}', "no frames")])
def test_what_is_no_capture_is_refused(tmp_path, text, error):
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(ValueError, match=error):
        load([tmp_path / "a.jsonl"])


def test_one_port_speaks_with_and_without_tls(clock, tmp_path: Path):
    authority = trustme.CA()
    server, client = (ssl.SSLContext(kind) for kind in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT))
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with Sandbox(coins=10, clock=clock, tls=server) as box:
        for address, context in ((box.stream_url("binance"), None), (box.stream_url("binance", tls=True), client)):
            # By this clock, which stands still, the sandbox answers no close.
            with connect(f"{address}/ws/btcusdt@aggTrade", ssl=context, compression=None, close_timeout=0.1) as ws:
                ws.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
                assert json.loads(ws.recv(timeout=PATIENCE))["result"] == ["btcusdt@aggTrade"]
                clock.turn(2)
                assert json.loads(ws.recv(timeout=PATIENCE))["e"] == "aggTrade"
        path = box.base_url("binance").removeprefix("http:") + "/api/v3/ping"
        assert requests.get(f"http:{path}", timeout=PATIENCE).json() == {}
        assert requests.get(f"https:{path}", timeout=PATIENCE, verify=str(tmp_path / "ca.pem")).json() == {}
