from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

from cryptoproxy.sandbox import CallLog, Rule, Sandbox
from cryptoproxy.sandbox.ledger import read
from cryptoproxy.sandbox.wire import Request, Response


def serve(ledger: CallLog, body: bytes | None = b"{}", target: str = "/x", **more) -> None:
    ledger.add(7, "binance", Request("GET", target), None if body is None else Response(200, (), body), **more)


def test_an_entry_tells_what_was_served():
    ledger = CallLog()
    serve(ledger, b"abc", "/x?y=1")
    serve(ledger, None, fault="refuse", whole=False)
    first, second = ledger.entries()
    assert (first.seq, first.at_ms, first.upstream, first.method, first.target) == (1, 7, "binance", "GET", "/x?y=1")
    assert (first.status, first.fault, first.whole, first.size, first.body) == (200, "", True, 3, b"abc")
    assert first.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert (second.status, second.fault, second.whole, second.body) == (0, "refuse", False, b"")


def test_entries_are_read_on_from_a_number():
    ledger = CallLog()
    for _ in range(5):
        serve(ledger)
    assert [entry.seq for entry in ledger.entries(2)] == [3, 4, 5]
    assert [entry.seq for entry in ledger.entries(2, 2)] == [3, 4]


def test_memory_is_bounded_by_entries():
    ledger = CallLog(limit=3)
    for _ in range(5):
        serve(ledger)
    assert [entry.seq for entry in ledger.entries()] == [3, 4, 5]
    assert len(ledger) == 5


def test_memory_is_bounded_by_bytes_of_bodies():
    ledger = CallLog(body_limit=25, limit=4)
    for _ in range(6):
        serve(ledger, b"x" * 10)
    assert [entry.body for entry in ledger.entries()] == [None, None, b"x" * 10, b"x" * 10]
    assert {entry.size for entry in ledger.entries()} == {10}


def test_bodies_are_not_kept_when_told_so(tmp_path):
    ledger = CallLog(tmp_path / "l.jsonl", keep_bodies=False)
    serve(ledger, b"abc")
    ledger.close()
    for entry in (*ledger.entries(), *read(tmp_path / "l.jsonl")):
        assert (entry.body, entry.size, entry.sha256) == (None, 3, hashlib.sha256(b"abc").hexdigest())


def test_the_file_holds_the_same_and_is_appended_to(tmp_path):
    file = tmp_path / "l.jsonl"
    first, second = CallLog(file), CallLog(file)
    serve(first, "naïve €\r\n\u2028".encode())
    serve(first, b"\xff\x00 garbage")
    serve(second, None)
    first.close()
    second.close()
    first.close()
    assert read(file) == first.entries() + second.entries()


def test_a_line_that_was_not_finished_is_left_out(tmp_path):
    file = tmp_path / "l.jsonl"
    ledger = CallLog(file)
    serve(ledger)
    ledger.close()
    file.write_bytes(file.read_bytes() + b'{"seq":2,"at')
    assert len(read(file)) == 1


def test_numbers_are_without_gaps_under_many_threads():
    ledger = CallLog()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: serve(ledger), range(500)))
    assert [entry.seq for entry in ledger.entries()] == list(range(1, 501))


def test_waiting_ends_when_enough_was_served():
    ledger = CallLog()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ledger.wait, 2, timeout=180)
        serve(ledger)
        serve(ledger)
        assert waiting.result()
    assert not ledger.wait(3, timeout=0.01)


def test_the_sandbox_keeps_it(http, clock, tmp_path):
    file = tmp_path / "served.jsonl"
    with Sandbox(coins=20, clock=clock, ledger_file=file) as box:
        answer = http.get(box.base_url("coingecko") + "/coins/markets?vs_currency=usd")
        box.script.add(Rule(cut_after=3, name="short"))
        http.get(box.base_url("bybit") + "/v5/market/time", stream=True).close()
        http.get(box.url + "/_sandbox/health")
    first, second = box.ledger.entries()
    assert first.body == answer.content
    assert (first.upstream, first.target, first.at_ms) == (
        "coingecko",
        "/coingecko/api/v3/coins/markets?vs_currency=usd",
        clock.now_ms(),
    )
    assert (second.upstream, second.status, second.fault, second.whole) == ("bybit", 200, "short", False)
    assert second.body is not None
    assert second.body.endswith(b"}")
    assert read(file) == box.ledger.entries()
