"""Every kind of fault, seen from a real client."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from email.utils import parsedate_to_datetime

import pytest
import requests

from cryptoproxy.sandbox import Rule, Sandbox

PING = "/coingecko/api/v3/ping"
MARKETS = "/coingecko/api/v3/coins/markets?vs_currency=usd&per_page=50"
TICKER = "/binance/api/v3/ticker/24hr"


def talk(box: Sandbox, path: str = PING, *, headers: str = "") -> bytes:
    """Everything the server sends to one request, until it closes."""
    with socket.create_connection(("127.0.0.1", box.port), timeout=180) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n".encode())
        return b"".join(iter(lambda: sock.recv(65536), b""))


def split(reply: bytes) -> tuple[bytes, bytes]:
    head, _, body = reply.partition(b"\r\n\r\n")
    return head, body


def test_a_status_comes_with_the_body_that_upstream_is_known_for(http, sandbox, recorded):
    sandbox.script.add(Rule(path="/coingecko/", nth=2, status=429, retry_after=119))
    assert http.get(sandbox.url + PING).status_code == 200
    limited = http.get(sandbox.url + PING)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "119")
    assert limited.content == recorded("coingecko/error_429_rate_limit.json")
    assert http.get(sandbox.url + PING).status_code == 200


def test_a_recorded_500(http, sandbox, recorded):
    sandbox.script.add(Rule(status=500, times=1))
    assert http.get(sandbox.url + PING).content == recorded("coingecko/error_500.json")


def test_gateway_errors_are_html(http, sandbox):
    sandbox.script.add(Rule(status=502))
    for path in (PING, TICKER, "/bybit/v5/market/time"):
        answer = http.get(sandbox.url + path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html")


@pytest.mark.parametrize(("status", "action", "size"), [(202, "challenge", False), (405, "captcha", True)])
def test_a_firewall_stands_before_each_upstream(http, sandbox, status, action, size):
    sandbox.script.add(Rule(status=status))
    for path in (PING, TICKER, "/bybit/v5/market/time"):
        answer = http.get(sandbox.url + path)
        assert (answer.status_code, answer.headers["x-amzn-waf-action"]) == (status, action)
        assert answer.headers["Content-Type"] == "text/html"
        assert bool(answer.content) is size


def test_a_scripted_ban_has_the_recorded_words(http, sandbox, clock):
    sandbox.script.add(Rule(path="^/binance/", status=418, times=1))
    answer = http.get(sandbox.url + TICKER)
    assert answer.status_code == 418
    assert answer.json()["msg"].startswith(
        f"Way too much request weight used; IP banned until {clock.now_ms() + 120_000}."
    )
    assert answer.headers["Retry-After"] == "120"


def test_a_scripted_ban_tells_the_same_end_in_header_and_words(http, sandbox, clock):
    sandbox.script.add(Rule(path="^/binance/", status=418, retry_after=3))
    answer = http.get(sandbox.url + TICKER)
    assert answer.headers["Retry-After"] == "3"
    assert f"banned until {clock.now_ms() + 3_000}." in answer.json()["msg"]


def test_retry_after_may_be_a_date(http, sandbox, clock):
    sandbox.script.add(Rule(status=429, retry_after=90, retry_after_date=True))
    answer = http.get(sandbox.url + PING)
    assert parsedate_to_datetime(answer.headers["Retry-After"]).timestamp() == clock.now_ms() // 1000 + 90


@pytest.mark.parametrize("shift", [3600, -3600])
def test_the_date_can_be_wrong(http, sandbox, clock, shift):
    sandbox.script.add(Rule(date_shift=shift))
    answer = http.get(sandbox.url + PING)
    assert parsedate_to_datetime(answer.headers["Date"]).timestamp() == clock.now_ms() // 1000 + shift
    assert answer.status_code == 200


def test_headers_are_set_and_removed(http, sandbox):
    sandbox.script.add(Rule(headers={"X-More": "1", "date": None}))
    answer = http.get(sandbox.url + PING)
    assert answer.headers["X-More"] == "1"
    assert "Date" not in answer.headers


def test_a_body_of_ones_own(http, sandbox):
    sandbox.script.add(Rule(nth=1, body="nötig"), Rule(nth=2, status=400, body=b"\x00\xff"))
    first, second = http.get(sandbox.url + PING), http.get(sandbox.url + PING)
    assert (first.status_code, first.content.decode()) == (200, "nötig")
    assert (second.status_code, second.content) == (400, b"\x00\xff")


def test_bodies_are_rewritten(http, sandbox):
    sandbox.script.add(
        Rule(nth=1, replace=("Moon", "Mars")),
        Rule(nth=2, rewrite=lambda body: body.upper()),
        Rule(nth=3, rewrite="half"),
        Rule(nth=4, rewrite="empty"),
        Rule(nth=5, rewrite="html"),
        Rule(nth=6, rewrite="garbage"),
    )
    bodies = [http.get(sandbox.url + PING) for _ in range(6)]
    assert bodies[0].json() == {"gecko_says": "(V3) To the Mars!"}
    assert bodies[1].content == b'{"GECKO_SAYS":"(V3) TO THE MOON!"}'
    assert bodies[2].content == b'{"gecko_says":"(V'
    assert bodies[3].content == b""
    assert bodies[4].headers["Content-Type"] == "text/html"
    assert b"<html>" in bodies[4].content
    with pytest.raises(UnicodeDecodeError):
        bodies[5].content.decode()
    assert all(answer.status_code == 200 for answer in bodies)


def test_a_body_is_cut_after_so_many_bytes(sandbox):
    whole = split(talk(sandbox))[1]
    sandbox.script.add(Rule(nth=1, cut_after=5), Rule(nth=2, cut_after=0), Rule(nth=3, cut_after=10_000))
    assert split(talk(sandbox))[1] == whole[: whole.index(b"{") + 5]
    head, body = split(talk(sandbox))
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert body == whole[: whole.index(b"{")]
    assert split(talk(sandbox))[1] == whole[: whole.index(b"}")]


@pytest.mark.parametrize("compressed", ["gzip", "identity"])
def test_a_client_notices_a_cut(http, sandbox, compressed):
    sandbox.script.add(Rule(cut_after=100))
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)):
        http.get(sandbox.url + MARKETS, headers={"Accept-Encoding": compressed})


def test_a_body_drips(http, sandbox):
    sandbox.script.add(Rule(nth=2, drip=400))
    quick = http.get(sandbox.url + PING, headers={"Accept-Encoding": "identity"})
    start = time.monotonic()
    with http.get(sandbox.url + PING, headers={"Accept-Encoding": "identity"}, stream=True) as answer:
        pieces = list(answer.iter_content(None))
    assert b"".join(pieces) == quick.content
    assert time.monotonic() - start >= len(quick.content) / 400 * 0.9


def test_an_answer_is_delayed(http, sandbox):
    sandbox.script.add(Rule(nth=2, delay=0.2))
    http.get(sandbox.url + PING)
    start = time.monotonic()
    http.get(sandbox.url + PING)
    assert time.monotonic() - start >= 0.2


def test_a_slow_answer_runs_into_the_clients_timeout(http, sandbox):
    sandbox.script.add(Rule(hold=True))
    with pytest.raises(requests.exceptions.ReadTimeout):
        http.get(sandbox.url + PING, timeout=0.1)


def test_an_answer_is_held_until_the_rule_goes(http, sandbox):
    sandbox.script.add(Rule(name="held", hold=True))
    got: list[int] = []
    asking = threading.Thread(target=lambda: got.append(http.get(sandbox.url + PING).status_code))
    asking.start()
    assert sandbox.script.wait_fired(1, "held")
    assert not got
    sandbox.script.clear("held")
    asking.join(180)
    assert got == [200]


def test_a_refused_request_gets_no_byte(http, sandbox):
    sandbox.script.add(Rule(refuse=True))
    assert talk(sandbox) == b""
    with pytest.raises(requests.exceptions.ConnectionError):
        http.get(sandbox.url + PING)
    assert [(e.status, e.fault, e.whole) for e in sandbox.ledger.entries()] == [(0, "refuse", False)] * 2


def test_a_connection_is_reset(sandbox):
    sandbox.script.add(Rule(refuse=True, reset=True))
    with pytest.raises(ConnectionResetError):
        talk(sandbox)


def test_a_cut_can_be_a_reset(sandbox):
    sandbox.script.add(Rule(cut_after=5, reset=True))
    with pytest.raises(ConnectionResetError):
        talk(sandbox)


def test_probability_with_a_seed_hits_some(http, sandbox):
    sandbox.script.add(Rule(probability=0.5, status=500))
    statuses = [http.get(sandbox.url + PING).status_code for _ in range(40)]
    assert {200, 500} == set(statuses)


def test_answers_are_compressed_for_those_who_take_it(clock):
    with Sandbox(coins=20, clock=clock) as box, Sandbox(coins=20, clock=clock, compress=False) as plain:
        head, packed = split(talk(box, headers="Accept-Encoding: gzip, deflate\r\n"))
        assert b"Content-Encoding: gzip" in head
        length, _, rest = packed.partition(b"\r\n")
        unpacked = gzip.decompress(rest[: int(length, 16)])
        assert json.loads(unpacked)["gecko_says"]
        for reply in (talk(box), talk(plain, headers="Accept-Encoding: gzip\r\n")):
            assert b"Content-Encoding" not in split(reply)[0]
            assert unpacked in reply
        assert {entry.body for entry in box.ledger.entries()} == {unpacked}


def test_a_connection_is_kept_for_many_requests(sandbox):
    request = f"GET {PING} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=180) as sock:
        for _ in range(3):
            sock.sendall(request)
            reply = b""
            while not reply.endswith(b"0\r\n\r\n"):
                reply += sock.recv(65536)
            assert reply.startswith(b"HTTP/1.1 200 OK")
    assert len(sandbox.ledger) == 3


def test_what_is_not_http_is_told_so(sandbox):
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=180) as sock:
        sock.sendall(b"\x16\x03\x01\x00\xff nonsense\r\n\r\n")
        assert b"HTTP/1.1 400 Bad Request" in b"".join(iter(lambda: sock.recv(65536), b""))


def test_paused_it_refuses_connections_and_resumes_on_the_same_port(http, sandbox):
    url = sandbox.url + PING
    assert http.get(url).status_code == 200
    sandbox.pause()
    with pytest.raises(requests.exceptions.ConnectionError):
        http.get(url)
    with pytest.raises(ConnectionRefusedError):
        talk(sandbox)
    sandbox.resume()
    assert http.get(url).status_code == 200


def test_stopping_breaks_off_what_is_held(clock):
    with Sandbox(coins=5, clock=clock) as box:
        box.script.add(Rule(hold=True), Rule(delay=1000))
        got: list[bytes] = []
        asking = threading.Thread(target=lambda: got.append(talk(box)))
        asking.start()
        assert box.script.wait_fired()
    asking.join(180)
    assert got == [b""]


def test_unknown_places_are_told(http, sandbox):
    answer = http.get(sandbox.url + "/kraken/0/public/Ticker")
    assert answer.status_code == 404
    assert "/coingecko" in answer.json()["error"]
    assert "/coingecko" in http.get(sandbox.url).json()["error"]
    assert [entry.target for entry in sandbox.ledger.entries()] == ["/kraken/0/public/Ticker", "/"]
    assert http.get(sandbox.base_url("binance") + "/api/v1/nonesuch").status_code == 404
    assert http.post(sandbox.url + PING).status_code == 404
