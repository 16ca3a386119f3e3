"""What somebody may send who means no good: paths, bytes, heads, keys."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from urllib.parse import unquote, urlsplit

import pytest
from websockets.exceptions import InvalidStatus

from cryptoproxy.serve import server
from cryptoproxy.serve.upstream.seam import Fetched
from tests.conftest import wait_until
from tests.unit.serve.conftest import Road
from tests.unit.serve.streaming import Client

Make = Callable[..., Road]


def said(road: Road, sent: bytes, *, more: bool = False) -> bytes:
    """The raw answer to raw bytes; with ``more`` the client is still there, for an answer that is waited for."""
    where = urlsplit(road.url)
    with socket.create_connection((where.hostname, where.port), timeout=60) as wire:
        try:
            wire.sendall(sent)
            if not more:
                wire.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has hung up already, with or without a word
        received = b""
        try:
            while piece := wire.recv(65536):
                received += piece
        except OSError:
            pass
    return received


@pytest.mark.parametrize(
    "path",
    [
        "/binance/api/v3/../../../etc/passwd",
        "/binance/api/v3/%2e%2e/%2e%2e/v1/latest",
        "/coingecko/api/v3/coins/..%2f..%2fping",
        "/coingecko/api/v3/coins/%00",
        "/coingecko/api/v3/coins/%0d%0aSet-Cookie:%20a=b",
        "/coingecko/api/v3/coins/%ff%fe",
        "/bybit/v5/market\\..\\tickers",
        "/binance/api/v3/ticker/price?symbol=BTC%0d%0aX-Evil:%201",
        "/binance/api/v3/ticker/price?symbol=BTC%00USDT",
        "/coingecko/api/v3/simple/price?ids=%ff",
        "/coingecko/api/v3/simple/price?" + "&".join(f"p{n}=1" for n in range(60)),
        "/coingecko/api/v3/ping?max_age=soon",
    ],
)
def test_tricks_are_refused_in_the_upstreams_shape(road: Make, path: str):
    answer = said(road(through=True), f"GET {path} HTTP/1.1\r\nHost: door\r\nConnection: close\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    bybits = path.startswith("/bybit/")  # which refuses with a word in the body
    assert head.split(b" ", 2)[1] == (b"200" if bybits else b"400")
    assert not bybits or b'"retCode":10001' in body
    assert b"evil" not in head.lower()
    assert b"set-cookie" not in head.lower()
    assert b"access-control-allow-origin: *" in head.lower()
    assert body.startswith(b"{")


LINES = {
    "crlf": "%0d%0aSet-Cookie:%20a=b",
    "lf": "%0aSet-Cookie:%20a=b",
    "crlf that is left over of wider letters": "%E5%98%8D%E5%98%8ASet-Cookie:%20a=b",
    "lines of unicode": "%C2%85Set-Cookie:%20a=b%E2%80%A8Set-Cookie:%20a=b",
    "a header's own": "%22%3B%20Set-Cookie:%20a=b%3E,%20%3C",
}


ANYWHERE = [
    "/coingecko/api/v3/exchanges?per_page=1&page=",
    "/coingecko/api/v3/coins/markets?vs_currency=usd&ids=",
    "/coingecko/api/v3/coins/list?x=",
    "/binance/api/v3/ticker/price?symbol=",
    "/bybit/v5/market/tickers?category=",
    "/v1/prices?limit=1&page=1&quote=USD&search=",
    "/v1/prices?search=",
    "/coingecko/api/v3/ping?max_age=",
    "/binance/api/v3/ping?token=",
    "/t/",
]


@pytest.mark.parametrize("value", LINES.values(), ids=list(LINES))
def test_no_parameter_becomes_a_header(road: Make, value: str):
    """What is asked comes back in ``Link``, and in the words of a refusal; an upstream may give it back as well."""
    found = road(through=True)
    echo = unquote(value)
    link = f"<https://up/?page={echo}>; rel=next"
    found.through.get = lambda *_: Fetched(200, {"link": link, "total": echo}, b"[]", 0.0)
    for path in ANYWHERE:
        asked = f"GET {path}{value} HTTP/1.1\r\nHost: door\r\nConnection: close\r\n\r\n"
        head = said(found, asked.encode(), more=True).partition(b"\r\n\r\n")[0]
        names = [line.partition(b":")[0].lower() for line in re.split(rb"[\r\n\x85]+", head)[1:]]
        assert b"date" in names
        assert b"set-cookie" not in names, path


@pytest.mark.parametrize(
    "path", ["/binance/api/v3/ticker/price?symbol=BTC/USDT", "/binance/api/v3/klines?symbol=A%2FB&interval=1h"]
)
def test_a_symbol_with_a_slash_is_none(road: Make, path: str):
    assert road().get(path).json()["code"] == -1100


@pytest.mark.parametrize(
    "head",
    [
        b"GET /coingecko/api/v3/ping HTTP/1.1\r\nHost: door\r\nX-Long: " + b"a" * 1_000_000 + b"\r\n\r\n",
        b"GET /coingecko/api/v3/ping HTTP/1.1\r\nHost: door\r\n" + b"X-Many: 1\r\n" * 90_000 + b"\r\n",
        b"GET /coingecko/api/v3/ping?x=" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: door\r\n\r\n",
    ],
)
def test_a_megabyte_of_head_is_cut_off(road: Make, head: bytes):
    found = road(polled=False)
    answer = said(found, head)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert found.get("/coingecko/api/v3/ping").status_code == 200


def test_a_line_of_sixteen_kilobytes_is_answered(road: Make):
    ids = ",".join(f"coin-{n}" for n in range(2_000))
    assert road().get(f"/coingecko/api/v3/simple/price?ids=bitcoin,{ids[:16_000]}&vs_currencies=usd").status_code == 404


@pytest.mark.parametrize(
    "smuggled",
    [
        b"POST /binance/api/v3/ping HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/x HTTP/1.1\r\nHost: d\r\n\r\n",
        b"GET /binance/api/v3/ping HTTP/1.1\r\nHost: d\r\nContent-Length: 1\r\nContent-Length: 30\r\n\r\nGET /v1/x HTTP/1.1\r\nHost: d\r\n\r\n",
    ],
)
def test_a_request_of_two_lengths_is_no_request(road: Make, smuggled: bytes):
    answer = said(road(polled=False), smuggled)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_only_questions_are_answered(road: Make, method: str):
    answer = said(
        road(polled=False),
        f"{method} /binance/api/v3/ping HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode(),
    )
    assert answer.split(b" ", 2)[1] == b"405"


def test_a_websocket_is_refused_and_no_log_is_flooded(road: Make, caplog: pytest.LogCaptureFixture):
    found = road(polled=False)
    upgrade = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n"
    )
    answer = said(found, b"GET /binance/ws/btcusdt@trade HTTP/1.1\r\nHost: d\r\n" + upgrade)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b'"code":-1020' in answer
    no_key = upgrade.replace(b"Key: dGhlIHNhbXBsZSBub25jZQ==", b"Key: eA==")
    assert said(found, b"GET /binance/ws HTTP/1.1\r\nHost: d\r\n" + no_key).startswith(b"HTTP/1.1 400 ")
    said(found, b"\x16\x03\x01 no words\r\n\r\n")
    assert not [each for each in caplog.records if each.name.startswith("uvicorn")]


def test_a_browser_may_ask_first(road: Make):
    answer = said(
        road(polled=False),
        b"OPTIONS /coingecko/api/v3/ping HTTP/1.1\r\nHost: d\r\nOrigin: http://x\r\nConnection: close\r\n\r\n",
    )
    head = answer.lower()
    assert b" 204 " in head
    assert b"access-control-allow-methods: get, head, options" in head


def test_a_head_has_no_body(road: Make):
    answer = said(road(), b"HEAD /binance/api/v3/ticker/24hr HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert b"etag" in answer.lower()


def test_keys_go_nowhere(road: Make, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    found = road(through=True, polled=False)
    seen: list[dict[str, str]] = []
    get = found.through.get
    found.through.get = lambda upstream, path, params: (seen.append(dict(params)), get(upstream, path, params))[1]
    found.get(
        "/coingecko/api/v3/coins/list?x_cg_demo_api_key=CG-secret&x_cg_pro_api_key=CG-other",
        headers={"x-cg-demo-api-key": "CG-third", "Authorization": "Bearer CG-fourth"},
    )
    assert seen == [{}]
    assert not [each for each in caplog.records if "CG-" in each.getMessage() and each.name != "urllib3.connectionpool"]


def test_one_connection_more_than_there_may_be_is_told_so(road: Make):
    found = road(polled=False, most=2)
    where = urlsplit(found.url)
    with ExitStack() as stack:
        for _ in range(2):
            held = stack.enter_context(socket.create_connection((where.hostname, where.port), timeout=60))
            held.sendall(b"GET /binance/api/v3/ping HTTP/1.1\r\nHost: d\r\n\r\n")
            assert held.recv(12) == b"HTTP/1.1 200"
        assert said(found, b"").startswith(b"HTTP/1.1 503 ")
    wait_until(lambda: found.get("/binance/api/v3/ping").status_code == 200, what="a place that is free again")


def test_who_connects_and_asks_nothing_is_hung_up_on(road: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.01)
    where = urlsplit(road(polled=False).url)
    for begin in (b"", b"GET /binance/api/v3/ping HTTP/1.1\r\nHost:"):
        with socket.create_connection((where.hostname, where.port), timeout=60) as wire:
            wire.sendall(begin)
            with suppress(ConnectionResetError):
                assert wire.recv(1) == b""


def test_a_symbol_of_a_stream_may_be_anything_and_is_none(road: Make):
    found = road(polled=False)
    for name in (
        "btc%2Fusdt@aggTrade",
        "btc%0d%0aX: 1@aggTrade",
        "..@aggTrade",
        "%00@aggTrade",
        "x" * 5_000 + "@ticker",
    ):
        with pytest.raises(InvalidStatus) as refused, Client(found, f"/binance/ws/{name}"):
            pass
        assert refused.value.response.status_code in (400, 404)
        assert "X" not in refused.value.response.headers
    with Client(found, "/binance/ws") as client:
        for name in ("a/b@aggTrade", "a\r\nb@aggTrade", "\0@aggTrade", "\ud800@aggTrade", "@", "@@", "a@kline_"):
            assert client.ask(method="SUBSCRIBE", params=[name], id=1)["error"]["code"] in (2, 3)
