"""The proxy in front of another server: the standard library's, so that both sides are not ours."""

from __future__ import annotations

import gzip
import http.server
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import boto3
import botocore.config
import pytest
import requests
import trustme

from cryptoproxy.sandbox import CallLog, FaultProxy, Rule, Script

KEYS = {
    "aws_access_key_id": "key",
    "aws_secret_access_key": "secret",
    "region_name": "us-east-1",
}  # pragma: allowlist secret


class Target(http.server.ThreadingHTTPServer):
    """Stores what is PUT, echoes what is POSTed, and remembers who asked what over which connection."""

    daemon_threads = True

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.seen: list[Handler.Seen] = []
        self.stored: dict[str, bytes] = {}
        self.hang_up_after = 0
        self.connections: list[socket.socket] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Target

    class Seen:
        def __init__(self, handler: Handler, body: bytes) -> None:
            self.line = f"{handler.command} {handler.path}"
            self.headers = handler.headers
            self.body = body
            self.client = handler.client_address

    def setup(self) -> None:
        super().setup()
        self.server.connections.append(self.connection)

    def log_message(self, *args: object) -> None: ...

    def read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "ETag": '"e"', **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        self.server.seen.append(Handler.Seen(self, b""))
        body = self.server.stored.get(self.path.partition("?")[0], b"")
        if self.path == "/packed":
            self.answer(200, gzip.compress(b'{"errors":false}'), Content_Encoding="gzip")
        elif self.path == "/close":
            self.answer(200, b"bye", Connection="close")
            self.close_connection = True
        else:
            self.answer(200 if body else 404, body)

    do_HEAD = do_GET  # noqa: N815

    def do_PUT(self) -> None:
        body = self.read()
        self.server.seen.append(Handler.Seen(self, body))
        self.server.stored[self.path.partition("?")[0]] = body
        self.answer(200, b"")

    def do_POST(self) -> None:
        body = self.read()
        self.server.seen.append(Handler.Seen(self, body))
        self.answer(200, body)


@pytest.fixture
def target() -> Iterator[Target]:
    server = Target()
    yield server
    server.end()


@pytest.fixture
def proxy(target) -> Iterator[FaultProxy]:
    with FaultProxy(target.url, ledger=CallLog(keep_bodies=False)) as running:
        yield running


def test_it_hands_on_as_it_came_and_keeps_connections_on_both_sides(http, target, proxy):
    for n in range(5):
        answer = http.post(proxy.url + "/_bulk?x=%20y", data=b"body %d" % n, headers={"X-Odd": "é".encode()})
        assert (answer.status_code, answer.content) == (200, b"body %d" % n)
    assert len({seen.client for seen in target.seen}) == 1
    seen = target.seen[0]
    assert seen.line == "POST /_bulk?x=%20y"
    assert seen.headers["Host"] == f"127.0.0.1:{proxy.port}"
    assert seen.headers["X-Odd"].encode("latin-1").decode() == "é"
    assert seen.headers["Accept-Encoding"] == "gzip, deflate"
    assert [(e.status, e.target) for e in proxy.ledger.entries()] == [(200, "/_bulk?x=%20y")] * 5


def test_every_client_connection_has_its_own_to_the_target(target, proxy):
    for _ in range(2):
        with requests.Session() as session:
            session.get(proxy.url + "/a")
            session.get(proxy.url + "/b")
    assert len({seen.client for seen in target.seen}) == 2


def test_a_head_keeps_its_length(http, target, proxy):
    target.stored["/k"] = b"12345"
    answer = http.head(proxy.url + "/k")
    assert (answer.status_code, answer.headers["Content-Length"], answer.content) == (200, "5", b"")
    assert http.get(proxy.url + "/k").content == b"12345"


def test_chunked_bodies_pass(http, target, proxy):
    answer = http.post(proxy.url + "/c", data=iter([b"one", b"two"]))
    assert answer.content == b"onetwo"
    assert target.seen[0].headers["Transfer-Encoding"] == "chunked"


def test_one_who_waits_before_the_body_is_told_to_go_on(target, proxy):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=180) as sock:
        sock.sendall(b"POST /e HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"body")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 OK")
    assert target.seen[0].headers["Expect"] is None
    assert target.seen[0].headers["Host"] == "h"


def test_a_body_too_large_is_413_and_the_connection_lives(http, target, proxy):
    proxy.script.add(Rule(path="/_bulk", body_over=10, status=413))
    assert http.post(proxy.url + "/_bulk", data=b"x" * 11).status_code == 413
    assert (
        http.post(proxy.url + "/_bulk", data=gzip.compress(b"x" * 11), headers={"Content-Encoding": "gzip"}).status_code
        == 413
    )
    assert http.post(proxy.url + "/_bulk", data=b"x" * 10).status_code == 200
    assert len(target.seen) == 1


def test_an_answer_is_lost_though_the_request_was_done(http, target, proxy):
    proxy.script.add(Rule(method="PUT", times=1, lose_answer=True))
    with pytest.raises(requests.exceptions.ConnectionError):
        http.put(proxy.url + "/k", data=b"v")
    assert target.stored["/k"] == b"v"
    assert http.put(proxy.url + "/k", data=b"w").status_code == 200
    assert [(e.status, e.fault, e.whole) for e in proxy.ledger.entries()] == [
        (0, "lose_answer", False),
        (200, "", True),
    ]


def test_a_refused_request_was_not_done(http, target, proxy):
    proxy.script.add(Rule(refuse=True, times=1))
    with pytest.raises(requests.exceptions.ConnectionError):
        http.put(proxy.url + "/k", data=b"v")
    assert target.stored == {}


def test_another_status_with_and_without_doing_the_request(http, target, proxy):
    proxy.script.add(Rule(nth=1, status=503, body='{"error":"x"}'), Rule(nth=2, status=500, forward=True))
    first = http.put(proxy.url + "/a", data=b"v")
    second = http.put(proxy.url + "/b", data=b"v")
    assert (first.status_code, first.json(), second.status_code) == (503, {"error": "x"}, 500)
    assert set(target.stored) == {"/b"}


def test_a_compressed_answer_is_rewritten(http, proxy):
    proxy.script.add(Rule(path="/packed", replace=("false", "true")))
    answer = http.get(proxy.url + "/packed")
    assert answer.json() == {"errors": True}
    assert "Content-Encoding" not in answer.headers


def test_an_answer_is_cut(http, target, proxy):
    target.stored["/k"] = b"0123456789"
    proxy.script.add(Rule(cut_after=4))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        http.get(proxy.url + "/k")


def test_a_delay_holds_for_many_connections_at_once(target):
    with FaultProxy(target.url, delay=0.1) as proxy:

        def ask(_: int) -> tuple[float, float]:
            with requests.Session() as session:
                start = time.monotonic()
                for _ in range(5):
                    session.post(proxy.url + "/_bulk", data=b"x" * 10_000)
                return start, time.monotonic()

        with ThreadPoolExecutor(8) as pool:
            times = list(pool.map(ask, range(8)))
        assert min(end - start for start, end in times) >= 0.5
        assert max(start for start, _ in times) < min(end for _, end in times), "one after the other"


def test_a_target_that_is_down_closes_the_connection(http, target, proxy):
    assert http.post(proxy.url + "/x", data=b"1").status_code == 200
    port = target.server_address[1]
    target.end()
    for _ in range(2):
        with pytest.raises(requests.exceptions.ConnectionError):
            http.post(proxy.url + "/x", data=b"2")
    again = Target(port)
    try:
        assert http.post(proxy.url + "/x", data=b"3").content == b"3"
        assert len(again.seen) == 1
    finally:
        again.end()


def test_a_target_that_closed_while_idle_is_connected_to_anew(http, target, proxy):
    assert http.get(proxy.url + "/close").content == b"bye"
    assert http.post(proxy.url + "/x", data=b"1").content == b"1"


def test_paused_it_refuses_connections(http, target, proxy):
    url = proxy.url
    http.post(url, data=b"1")
    proxy.pause()
    with pytest.raises(requests.exceptions.ConnectionError):
        http.post(url, data=b"2")
    proxy.resume()
    assert proxy.url == url
    assert http.post(url, data=b"3").content == b"3"
    assert [seen.body for seen in target.seen] == [b"1", b"3"]


def test_stopping_breaks_off_a_target_that_hangs():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with FaultProxy(f"http://127.0.0.1:{silent.getsockname()[1]}") as proxy:
            with ThreadPoolExecutor(1) as pool:
                asked = pool.submit(requests.get, proxy.url, timeout=3600)
                connection, _ = silent.accept()
                with connection:
                    assert connection.recv(10)
                    proxy.stop()
                assert isinstance(asked.exception(), requests.exceptions.ConnectionError)


def test_a_target_that_is_too_slow_closes_the_connection(http):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with FaultProxy(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.05) as proxy:
            with pytest.raises(requests.exceptions.ConnectionError):
                http.get(proxy.url)


def test_a_target_with_tls_is_verified(http):
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    secure = Target(tls=server)
    try:
        url = f"https://localhost:{secure.server_address[1]}"
        with FaultProxy(url, tls=client) as proxy:
            assert [http.post(proxy.url, data=b"%d" % n).content for n in range(3)] == [b"0", b"1", b"2"]
        with FaultProxy(url) as stranger, pytest.raises(requests.exceptions.ConnectionError):
            http.post(stranger.url, data=b"x")
        assert len({seen.client for seen in secure.seen}) == 1
    finally:
        secure.end()


def test_boto3_stores_and_reads_through_it(target, proxy):
    proxy.script.add(Rule(method="PUT", nth=1, status=503), Rule(method="PUT", nth=2, lose_answer=True))
    settings = botocore.config.Config(
        retries={"total_max_attempts": 4, "mode": "standard"}, s3={"addressing_style": "path"}
    )
    s3 = boto3.client("s3", endpoint_url=proxy.url, config=settings, **KEYS)
    try:
        s3.put_object(Bucket="lake", Key="v1/a=b/x.gz", Body=b"\x1f\x8b" + b"z" * 100_000)
        assert s3.head_object(Bucket="lake", Key="v1/a=b/x.gz")["ContentLength"] > 100_000
    finally:
        s3.close()
    assert proxy.script.fired() == 2
    puts = [seen for seen in target.seen if seen.line.startswith("PUT")]
    assert len(puts) == 2
    assert puts[0].body == puts[1].body
    assert all(seen.headers["Host"] == f"127.0.0.1:{proxy.port}" for seen in target.seen)
    assert "host" in target.seen[0].headers["Authorization"]


def test_a_script_may_be_shared_and_an_address_must_be_one(target):
    script = Script()
    with FaultProxy(target.url, script) as proxy:
        assert proxy.script is script
    with pytest.raises(ValueError, match="not an address"):
        FaultProxy("localhost:9200")
