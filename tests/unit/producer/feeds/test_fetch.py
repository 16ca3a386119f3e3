"""One GET within its deadline, against a server that does what servers do wrong."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session
from elastic_transport import NodeConfig, Urllib3HttpNode

from cryptoproxy.common.clients import outside
from cryptoproxy.common.clients.outside import Address, in_turn
from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.producer.feeds import fetch
from cryptoproxy.producer.feeds.fetch import Fetcher, check_clock
from cryptoproxy.upstreams.base import Call, CutError, Response
from tests.conftest import wait_until
from tests.unit.common.clients.servers import hole, resolves_to  # noqa: F401 - a fixture

BODY = json.dumps([{"id": "bitcoin", "n": number} for number in range(200)]).encode()
SHORT = 0.4
"""Seconds that a test gives to what never comes."""
Serve = Callable[[socket.socket], object]


class Server:
    """Speaks raw bytes: each connection is handed to ``serve`` after each request's head."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.serve: Serve = lambda connection: connection.sendall(answer(BODY))
        self.requests: list[str] = []
        self.connections = 0
        self.over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def address(self) -> Address:
        host, port = self._listener.getsockname()
        return host, port

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.address[1]}"

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                thread = threading.Thread(target=self._talk, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _talk(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            with connection:
                while head := self._head(connection):
                    self.requests.append(head)
                    if self.serve(connection) == "close":
                        return

    def _head(self, connection: socket.socket) -> str:
        head = b""
        while b"\r\n\r\n" not in head:
            received = connection.recv(65_536)
            if not received:
                return ""
            head += received
        return head.decode("latin-1")

    def close(self) -> None:
        if self.over.is_set():
            return
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(180)  # first: what it accepts in this moment is among the open ones
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(180)


def answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(*chunks: bytes, headers: str = "", end: bytes = b"0\r\n\r\n") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{headers}\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def free_address() -> Address:
    """One that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return "127.0.0.1", taken.getsockname()[1]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def fetcher(server: Server) -> Iterator[Fetcher]:
    fetcher = Fetcher()
    yield fetcher
    server.close()
    fetcher.close()
    wait([line.task for line in fetcher._lines], 10)


def sends(data: bytes) -> Serve:
    """Answers with these bytes and hangs up."""

    def serve(connection: socket.socket) -> str:
        connection.sendall(data)
        return "close"

    return serve


def drips(server: Server, data: bytes) -> Serve:
    """These bytes, then one more each moment, for as long as the test lasts."""

    def serve(connection: socket.socket) -> str:
        connection.sendall(data)
        while not server.over.wait(0.02):
            connection.sendall(b"x")
        return "close"

    return serve


def silent(server: Server, data: bytes = b"") -> Serve:
    """These bytes, then nothing."""

    def serve(connection: socket.socket) -> str:
        connection.sendall(data)
        server.over.wait(180)
        return "close"

    return serve


def refused(fetcher: Fetcher, server: Server, said: str, timeout: float = 10) -> None:
    with pytest.raises(TransientError, match=said):
        fetcher.get(Call(server.url), timeout=timeout)


def too_late(fetcher: Fetcher, server: Server) -> None:
    refused(fetcher, server, "did not answer within|in time", timeout=SHORT)


def test_an_answer_is_whole_with_status_and_headers_in_lower_case(fetcher: Fetcher, server: Server) -> None:
    server.serve = lambda connection: connection.sendall(answer(BODY, "X-Used-Weight: 7", status="418 I'm a teapot"))
    found = fetcher.get(Call(f"{server.url}/coins", {"ids": "a,b"}, {"x-key": "k"}), timeout=180)
    assert (found.status, found.body, found.headers["x-used-weight"]) == (418, BODY, "7")
    assert "GET /coins?ids=a%2Cb HTTP/1.1" in server.requests[0]
    assert "x-key: k" in server.requests[0]
    assert "User-Agent: cryptoproxy" in server.requests[0]


def test_a_connection_is_kept_for_the_next_call(fetcher: Fetcher, server: Server) -> None:
    for _ in range(5):
        assert fetcher.get(Call(server.url), timeout=180).body == BODY
    assert (server.connections, len(server.requests)) == (1, 5)


def test_a_connection_that_the_server_has_closed_is_made_anew(fetcher: Fetcher, server: Server) -> None:
    server.serve = sends(answer(BODY, "Connection: close"))
    for _ in range(3):
        assert fetcher.get(Call(server.url), timeout=180).body == BODY
    assert server.connections == 3


def test_a_redirect_is_not_followed_with_the_key(fetcher: Fetcher, server: Server) -> None:
    head = answer(b"", f"Location: {server.url}/elsewhere", status="302 Found")
    server.serve = lambda connection: connection.sendall(head)
    assert fetcher.get(Call(server.url, headers={"x-key": "k"}), timeout=180).status == 302
    assert len(server.requests) == 1


def test_a_redirect_s_body_is_read_as_any_other(fetcher: Fetcher, server: Server) -> None:
    packed = gzip.compress(b"moved")
    head = answer(packed, f"Location: {server.url}/elsewhere", "Content-Encoding: gzip", status="302 Found")
    server.serve = lambda connection: connection.sendall(head)
    for _ in range(2):
        found = fetcher.get(Call(server.url), timeout=180)
        assert (found.status, found.body, found.headers["location"]) == (302, b"moved", f"{server.url}/elsewhere")
    assert server.connections == 1


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_chunks_are_put_together(fetcher: Fetcher, server: Server, pieces: int) -> None:
    size = -(-len(BODY) // pieces)
    server.serve = sends(chunked(*(BODY[at : at + size] for at in range(0, len(BODY), size))))
    assert fetcher.get(Call(server.url), timeout=180).body == BODY


def test_an_answer_without_a_length_ends_with_its_connection(fetcher: Fetcher, server: Server) -> None:
    server.serve = sends(b"HTTP/1.0 200 OK\r\n\r\n" + BODY)
    assert fetcher.get(Call(server.url), timeout=180).body == BODY


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_gzip_is_asked_for_and_unpacked(fetcher: Fetcher, server: Server, encoding: str) -> None:
    server.serve = sends(answer(gzip.compress(BODY), f"Content-Encoding: {encoding}"))
    assert fetcher.get(Call(server.url), timeout=180).body == BODY
    assert "Accept-Encoding: gzip\r\n" in server.requests[0]


def test_gzip_in_chunks_and_in_several_members_is_unpacked(fetcher: Fetcher, server: Server) -> None:
    packed = gzip.compress(BODY[:100]) + gzip.compress(BODY[100:])
    chunks = [packed[at : at + 5] for at in range(0, len(packed), 5)]
    server.serve = sends(chunked(*chunks, headers="Content-Encoding: gzip\r\n"))
    assert fetcher.get(Call(server.url), timeout=180).body == BODY


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body_is_an_answer(fetcher: Fetcher, server: Server, status: str) -> None:
    server.serve = sends(f"HTTP/1.1 {status}\r\nContent-Encoding: gzip\r\n\r\n".encode())
    found = fetcher.get(Call(server.url), timeout=180)
    assert (str(found.status), found.body) == (status[:3], b"")


# --- cut


@pytest.mark.parametrize("kept", [0, 1, len(BODY) // 2, len(BODY) - 1])
def test_an_answer_cut_in_the_middle_is_none(fetcher: Fetcher, server: Server, kept: int) -> None:
    server.serve = sends(answer(BODY[:kept], length=len(BODY)))
    refused(fetcher, server, "127.0.0.1")


@pytest.mark.parametrize(
    "data",
    [
        chunked(BODY, end=b""),
        chunked(BODY[:100], end=b"64\r\n" + BODY[100:150]),
        chunked(BODY[:100], end=b"6"),
        chunked(BODY[:100], end=b"zz\r\n"),
        chunked(end=b""),
    ],
)
def test_chunks_cut_anywhere_are_no_answer(fetcher: Fetcher, server: Server, data: bytes) -> None:
    server.serve = sends(data)
    refused(fetcher, server, "127.0.0.1")


@pytest.mark.parametrize("kept", [1, 10, 60, -9, -1])
@pytest.mark.parametrize("form", ["length", "chunks", "close"])
def test_gzip_that_was_cut_before_it_was_sent_is_no_answer(
    fetcher: Fetcher, server: Server, form: str, kept: int
) -> None:
    """Whole for HTTP: a proxy between has given the cut body a length of its own."""
    packed = gzip.compress(BODY)[:kept]
    server.serve = sends(
        {
            "length": answer(packed, "Content-Encoding: gzip"),
            "chunks": chunked(packed, headers="Content-Encoding: gzip\r\n"),
            "close": b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + packed,
        }[form]
    )
    refused(fetcher, server, "within gzip")


@pytest.mark.parametrize(
    "body",
    [BODY, gzip.compress(BODY)[:40] + b"\xff" * 40, gzip.compress(BODY) + b"more"],
    ids=["not-packed", "damaged", "more-behind"],  # by its bytes a case had the time of its making in its name
)
def test_damaged_gzip_is_no_answer(fetcher: Fetcher, server: Server, body: bytes) -> None:
    server.serve = sends(answer(body, "Content-Encoding: gzip"))
    refused(fetcher, server, "gzip")


def test_what_was_not_asked_for_cannot_be_unpacked(fetcher: Fetcher, server: Server) -> None:
    server.serve = sends(answer(BODY, "Content-Encoding: br"))
    refused(fetcher, server, "'br', which it was not asked for")


@pytest.mark.parametrize("data", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Length: 5"])
def test_a_head_that_is_none_or_cut_is_no_answer(fetcher: Fetcher, server: Server, data: bytes) -> None:
    server.serve = sends(data)
    refused(fetcher, server, "127.0.0.1")


@pytest.mark.parametrize("data", [b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Len"])
def test_a_head_cut_before_its_length_gives_at_most_nothing(fetcher: Fetcher, server: Server, data: bytes) -> None:
    """It looks like an answer that ends with its connection; no source takes an empty body."""
    server.serve = sends(data)
    assert fetcher.get(Call(server.url), timeout=180).body == b""


@pytest.mark.parametrize(
    "data",
    [
        answer(b'{"msg":"banned unt', "Retry-After: 437", status="418 Gone", length=999),
        answer(b"\x1f\x8b\x08 damaged", "Retry-After: 437", "Content-Encoding: gzip", status="418 Gone"),
        answer(gzip.compress(BODY)[:-9], "Retry-After: 437", "Content-Encoding: gzip", status="418 Gone"),
        answer(b"\x0b\x02 no gzip", "Retry-After: 437", "Content-Encoding: br", status="418 Gone"),
        b"HTTP/1.1 418 Gone\r\nRetry-After: 437\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["cut", "damaged gzip", "cut gzip", "brotli", "broken chunk"],
)
def test_a_refusal_is_an_answer_however_its_words_are_cut_or_packed(
    fetcher: Fetcher, server: Server, data: bytes
) -> None:
    server.serve = sends(data)
    found = fetcher.get(Call(server.url), timeout=180)
    assert (found.status, found.headers["retry-after"]) == (418, "437")


SAID = b'{"msg":"IP banned until 1660090423228. Please'


@pytest.mark.parametrize(
    "data",
    [
        answer(SAID, status="503 Away", length=999),
        answer(gzip.compress(SAID), "Content-Encoding: deflate", status="503 Away"),
        answer(SAID, "Content-Encoding: gzip", status="503 Away"),
        answer(gzip.compress(SAID), status="503 Away"),
        answer(gzip.compress(SAID), "Content-Encoding: identity", status="503 Away"),
        answer(gzip.compress(SAID)[:-8] + bytes(8), "Content-Encoding: gzip", status="503 Away"),
        answer(gzip.compress(SAID[:9]) + gzip.compress(SAID[9:]), "Content-Encoding: gzip", status="503 Away"),
        answer(gzip.compress(gzip.compress(SAID)), "Content-Encoding: gzip, gzip", status="503 Away"),
        answer(zlib.compress(SAID), "Content-Encoding: deflate", status="503 Away"),
        answer(zlib.compress(SAID)[2:-4], "Content-Encoding: deflate", status="503 Away"),
        answer(zlib.compress(SAID)[:-1] + b"!", status="503 Away"),
    ],
)
def test_of_a_refusal_s_words_what_came_is_kept(fetcher: Fetcher, server: Server, data: bytes) -> None:
    server.serve = sends(data)
    assert fetcher.get(Call(server.url), timeout=180).body == SAID


@pytest.mark.parametrize(
    "data",
    [
        answer(SAID, length=999),
        chunked(SAID[:9], SAID[9:], end=b""),
        answer(gzip.compress(SAID)[:-8], "Content-Encoding: gzip"),
        answer(zlib.compress(SAID), "Content-Encoding: deflate"),
    ],
)
def test_what_came_of_a_200_that_is_cut_is_kept_since_it_may_be_a_refusal(
    fetcher: Fetcher, server: Server, data: bytes
) -> None:
    server.serve = sends(data)
    with pytest.raises(CutError) as caught:
        fetcher.get(Call(server.url), timeout=180)
    assert (caught.value.had.status, caught.value.had.body) == (200, SAID)


def test_a_refusal_whose_words_never_end_is_known_by_its_head(fetcher: Fetcher, server: Server) -> None:
    head = answer(b"", "Retry-After: 437", status="418 Gone", length=10**6)
    for serve in (silent(server, head), drips(server, head)):
        server.serve = serve
        found = fetcher.get(Call(server.url), timeout=SHORT)
        assert (found.status, found.headers["retry-after"]) == (418, "437")


def test_after_a_cut_the_next_call_is_answered(fetcher: Fetcher, server: Server) -> None:
    server.serve = sends(answer(BODY[:10], length=len(BODY)))
    refused(fetcher, server, "127.0.0.1")
    server.serve = sends(answer(BODY))
    assert fetcher.get(Call(server.url), timeout=180).body == BODY


# --- late


def test_a_head_and_then_silence_ends_with_the_deadline(fetcher: Fetcher, server: Server) -> None:
    server.serve = silent(server, answer(b"", length=100))
    too_late(fetcher, server)


def test_no_word_at_all_ends_with_the_deadline(fetcher: Fetcher, server: Server) -> None:
    server.serve = silent(server)
    too_late(fetcher, server)


@pytest.mark.parametrize(
    "begin",
    [answer(b"", length=10**6), b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1."],
    ids=["body", "body without length", "head", "status"],
)
def test_a_slow_drip_ends_with_the_deadline_and_not_with_each_read(
    fetcher: Fetcher, server: Server, begin: bytes
) -> None:
    server.serve = drips(server, begin)
    too_late(fetcher, server)


def test_a_name_that_is_not_resolved_ends_with_the_deadline(
    fetcher: Fetcher, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: server.over.wait(180) or [])
    too_late(fetcher, server)


def test_after_a_request_that_was_given_up_the_next_is_answered(fetcher: Fetcher, server: Server) -> None:
    server.serve = silent(server)
    too_late(fetcher, server)
    server.serve = sends(answer(BODY))
    assert fetcher.get(Call(server.url), timeout=180).body == BODY


def test_requests_that_hang_do_not_pile_up(fetcher: Fetcher, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MAX_HANGING", 2)
    monkeypatch.setattr(fetch, "PATIENCE_SECONDS", 0.0)
    server.serve = drips(server, b"HTTP/1.1 200 OK\r\nX-Long: ")
    while sum(line.asked for line in fetcher._lines) < 2:
        refused(fetcher, server, "did not answer within", timeout=0.05)
    refused(fetcher, server, "2 requests that were given up still hang", timeout=180)
    assert server.connections == 2


def test_an_answer_that_comes_in_time_is_taken_however_slow_it_is(fetcher: Fetcher, server: Server) -> None:
    def serve(connection: socket.socket) -> str:
        for at in range(0, len(data := answer(BODY[:20])), 5):
            connection.sendall(data[at : at + 5])
            server.over.wait(0.02)
        return "close"

    server.serve = serve
    assert fetcher.get(Call(server.url), timeout=180).body == BODY[:20]


def test_a_port_that_nobody_listens_on_is_said_in_few_words(fetcher: Fetcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TransientError, match=rf"^127\.0\.0\.1:{port}: .*Connection refused") as caught:
        fetcher.get(Call(f"http://127.0.0.1:{port}/x", headers={"x-key": "open-sesame"}), timeout=180)
    assert "open-sesame" not in str(caught.value)
    assert "object at 0x" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("url", ["http://name.invalid/x", "http:///x", "nonsense://x/y", f"http://{'x' * 70}.y/"])
def test_an_address_that_leads_nowhere_is_no_answer(fetcher: Fetcher, url: str) -> None:
    with pytest.raises(TransientError):
        fetcher.get(Call(url), timeout=180)


# --- connecting and asking are two things


def gated(server: Server, gate: threading.Event) -> set[socket.socket]:
    """What a far upstream does: each connection takes long for its first answer. Those that were asked over."""
    asked: set[socket.socket] = set()

    def serve(connection: socket.socket) -> None:
        if connection not in asked:
            asked.add(connection)
            gate.wait(180)
        connection.sendall(answer(BODY))

    server.serve = serve
    return asked


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on how fast this machine is."""
    monkeypatch.setattr(fetch, "PATIENCE_SECONDS", 120.0)
    monkeypatch.setattr(fetch, "CONNECT_PATIENCE_SECONDS", 120.0)


@pytest.mark.usefixtures("patient")
def test_a_connection_that_is_too_slow_for_its_slot_is_there_for_the_next(fetcher: Fetcher, server: Server) -> None:
    gate = threading.Event()
    asked = gated(server, gate)
    refused(fetcher, server, "did not answer within", timeout=SHORT)
    gate.set()
    for _ in range(3):
        assert fetcher.get(Call(server.url), timeout=180).body == BODY
    assert len(asked) == 1


@pytest.mark.usefixtures("patient")
def test_a_name_that_is_resolved_too_late_for_its_slot_is_so_in_time_for_the_next(
    fetcher: Fetcher, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, resolve, asked = threading.Event(), socket.getaddrinfo, []

    def slow(*args: Any, **kwargs: Any) -> Any:
        asked.append(args)
        gate.wait(180)
        return resolve(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    refused(fetcher, server, "no connection was made yet", timeout=SHORT)
    gate.set()
    assert fetcher.get(Call(server.url), timeout=180).body == BODY
    assert len(asked) == server.connections == len(server.requests) == 1


@pytest.mark.usefixtures("patient")
def test_after_one_slow_answer_the_warm_connection_is_asked_again(fetcher: Fetcher, server: Server) -> None:
    """Although from then on no new connection would ever be quick enough."""
    gate, requests = threading.Event(), []

    def serve(connection: socket.socket) -> None:
        requests.append(connection)
        if len(requests) == 2:
            gate.wait(180)
        elif connection is not requests[0]:
            server.over.wait(180)
        connection.sendall(answer(BODY))

    server.serve = serve
    assert fetcher.get(Call(server.url), timeout=180).body == BODY
    refused(fetcher, server, "did not answer within", timeout=SHORT)
    gate.set()
    for _ in range(3):
        assert fetcher.get(Call(server.url), timeout=180).body == BODY
    assert set(requests) == {requests[0]}


def test_an_answer_that_never_comes_does_not_hold_up_the_next(fetcher: Fetcher, server: Server) -> None:
    asked = gated(server, server.over)
    refused(fetcher, server, "did not answer within", timeout=SHORT)
    server.serve = lambda connection: connection.sendall(answer(BODY))
    assert fetcher.get(Call(server.url), timeout=180).body == BODY
    assert (len(asked), server.connections) == (1, 2)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("kept", [True, False])
def test_a_refusal_that_comes_too_late_is_told_by_the_next_call_which_is_not_sent(
    fetcher: Fetcher, server: Server, kept: bool
) -> None:
    """Else a ban that takes longer than a slot to be said would never be heard."""
    gate = threading.Event()

    def serve(connection: socket.socket) -> str:
        gate.wait(180)
        connection.sendall(answer(b"banned", "Retry-After: 60", status="418 I'm a teapot"))
        return "" if kept else "close"

    server.serve = serve
    refused(fetcher, server, "did not answer within", timeout=SHORT)
    gate.set()
    found = fetcher.get(Call(server.url), timeout=180)
    assert (found.status, found.headers["retry-after"], len(server.requests)) == (418, "60", 1)
    server.serve = lambda connection: connection.sendall(answer(BODY))
    assert fetcher.get(Call(server.url), timeout=180).body == BODY


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("status", ["200 OK", "503 Busy"])
def test_no_other_answer_that_comes_too_late_is_told(fetcher: Fetcher, server: Server, status: str) -> None:
    gate = threading.Event()

    def serve(connection: socket.socket) -> None:
        gate.wait(180)
        connection.sendall(answer(b"old" if len(server.requests) == 1 else BODY, status=status))

    server.serve = serve
    refused(fetcher, server, "did not answer within", timeout=SHORT)
    gate.set()
    assert fetcher.get(Call(server.url), timeout=180).body == BODY


def test_a_connection_is_made_before_it_is_asked_over(fetcher: Fetcher, server: Server) -> None:
    for _ in range(2):
        fetcher.connect(server.url)
    wait([line.task for line in fetcher._lines], 120)
    assert fetcher.get(Call(server.url), timeout=180).body == BODY
    assert server.connections == 1


def test_a_prepared_connection_that_was_closed_meanwhile_is_made_anew(fetcher: Fetcher, server: Server) -> None:
    fetcher.connect(server.url)
    wait_until(lambda: server.connections == 1)
    for connection in server._open:
        connection.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: not fetcher._lines[0].is_idle())
    assert fetcher.get(Call(server.url), timeout=180).body == BODY


def made_so_far(server: Server, connections: int) -> bool:
    return server.connections == connections


def test_what_takes_long_to_make_is_made_ahead(
    fetcher: Fetcher, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upstream far away that hangs up after each answer."""
    monkeypatch.setattr(fetch, "AHEAD_SECONDS", 0.0)
    server.serve = sends(answer(BODY, "Connection: close"))
    for made in range(2, 5):
        assert fetcher.get(Call(server.url), timeout=180).body == BODY
        wait_until(partial(made_so_far, server, made))


def test_each_host_has_connections_of_its_own(fetcher: Fetcher, server: Server) -> None:
    other = Server()
    other.serve = lambda connection: connection.sendall(answer(b"other"))
    for _ in range(2):
        assert fetcher.get(Call(server.url), timeout=180).body == BODY
        assert fetcher.get(Call(other.url), timeout=180).body == b"other"
    other.close()
    assert (server.connections, other.connections) == (1, 1)


# --- several addresses


def test_an_address_that_swallows_everything_is_passed_by(
    fetcher: Fetcher,
    server: Server,
    hole: Address,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolves_to(monkeypatch, hole, hole, server.address)
    for _ in range(2):
        assert fetcher.get(Call("http://dual.example"), timeout=180).body == BODY
    assert server.connections == 1


def test_the_other_clients_that_speak_http_pass_it_by_too(
    server: Server,
    hole: Address,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolves_to(monkeypatch, hole, server.address)
    url = "http://dual.example:9"
    assert requests.get(url, timeout=180, proxies={"http": ""}).content == BODY  # Kibana, the engines' downloads
    request = AWSRequest("GET", url).prepare()
    assert URLLib3Session(timeout=120, proxies={}).send(request).content == BODY  # S3
    node = Urllib3HttpNode(NodeConfig("http", "dual.example", 9))
    assert node.perform_request("GET", "/", request_timeout=120).body == BODY  # Elasticsearch
    node.close()


def test_an_address_that_refuses_is_passed_by(
    fetcher: Fetcher, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolves_to(monkeypatch, free_address(), server.address)
    assert fetcher.get(Call("http://dual.example"), timeout=180).body == BODY


def test_where_all_addresses_refuse_it_is_said(fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    resolves_to(monkeypatch, free_address(), free_address())
    with pytest.raises(TransientError, match=r"^dual\.example: .*Connection refused"):
        fetcher.get(Call("http://dual.example"), timeout=180)


def test_an_address_that_takes_connections_and_says_nothing_comes_last(
    fetcher: Fetcher, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    mute = Server()
    mute.serve = silent(mute)
    resolves_to(monkeypatch, mute.address, server.address)
    with pytest.raises(TransientError):
        fetcher.get(Call("http://dual.example"), timeout=SHORT)
    assert fetcher.get(Call("http://dual.example"), timeout=180).body == BODY
    mute.close()


def test_families_take_turns_and_what_is_doubtful_comes_last() -> None:
    six = [(socket.AF_INET6, 1, 6, "", (f"::{n}", 443, 0, 0)) for n in range(3)]
    four = [(socket.AF_INET, 1, 6, "", (f"10.0.0.{n}", 443)) for n in range(2)]
    assert in_turn([*six, *four]) == [six[0], four[0], six[1], four[1], six[2]]
    assert in_turn([*six, *four], {("::0", 443)}) == [four[0], six[1], four[1], six[2], six[0]]
    assert in_turn([]) == []


# --- before the answer


@pytest.mark.parametrize("interim", ["100 Continue", "102 Processing", "103 Early Hints", "199 Whatever"])
@pytest.mark.parametrize("times", [1, 3])
def test_an_interim_answer_is_passed_over(fetcher: Fetcher, server: Server, interim: str, times: int) -> None:
    early = f"HTTP/1.1 {interim}\r\nLink: </x>; rel=preload\r\n\r\n".encode() * times
    server.serve = lambda connection: connection.sendall(early + answer(BODY, "X-Mine: 1"))
    for _ in range(2):
        found = fetcher.get(Call(server.url), timeout=180)
        assert (found.status, found.body, "link" in found.headers) == (200, BODY, False)
    assert server.connections == 1


def test_interim_answers_without_an_end_are_none(fetcher: Fetcher, server: Server) -> None:
    server.serve = sends(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 200)
    refused(fetcher, server, "interim answers")


def test_a_change_of_protocol_is_no_interim_answer(fetcher: Fetcher, server: Server) -> None:
    server.serve = sends(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
    assert fetcher.get(Call(server.url), timeout=180).status == 101


# --- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def tls_of(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


@pytest.fixture
def tls_server(authority: trustme.CA) -> Iterator[Server]:
    server = Server(tls_of(authority))
    yield server
    server.close()


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_prepared_connection_is_asked_over_with_tls_too(
    fetcher: Fetcher, tls_server: Server, ca_file: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS 1.3 sends tickets after the handshake: what can be read of an idle connection is not always its end."""
    for each in outside.BUNDLES:
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, str(ca_file))
    fetcher.connect(tls_server.url)
    wait_until(lambda: tls_server.connections == 1)
    wait([line.task for line in fetcher._lines], 120)
    for _ in range(3):
        assert fetcher.get(Call(tls_server.url), timeout=180).body == BODY
    assert tls_server.connections == 1


def test_a_certificate_that_nobody_vouches_for_is_refused_with_the_word_that_helps(
    fetcher: Fetcher, tls_server: Server
) -> None:
    with pytest.raises(TransientError, match=r"certificate is refused: .*REQUESTS_CA_BUNDLE"):
        fetcher.get(Call(tls_server.url), timeout=180)


@pytest.mark.parametrize("secure", [False, True])
def test_a_tunnel_carries_tls_to_the_upstream_and_the_login_to_the_proxy_alone(
    fetcher: Fetcher,
    tls_server: Server,
    authority: trustme.CA,
    ca_file: Path,
    secure: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = Server(tls_of(authority) if secure else None)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca_file))
    monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//alice:s3cr3t@"))

    def tunnel(connection: socket.socket) -> str:
        connection.sendall(b"HTTP/1.1 200 Go on\r\n\r\n")
        with socket.create_connection(tls_server.address) as onward:
            back = threading.Thread(target=_copy, args=(onward, connection), daemon=True)
            back.start()
            _copy(connection, onward)
        return "close"

    proxy.serve = tunnel
    for _ in range(2):
        assert fetcher.get(Call(f"{tls_server.url}/x"), timeout=180).body == BODY
    fetcher.close()
    proxy.close()
    assert len(proxy.requests) == 1
    assert f"CONNECT 127.0.0.1:{tls_server.address[1]}" in proxy.requests[0]
    assert "Proxy-Authorization: Basic" in proxy.requests[0]
    assert [head.splitlines()[0] for head in tls_server.requests] == ["GET /x HTTP/1.1"] * 2
    assert "uthorization" not in tls_server.requests[0]


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)


# --- what is told, and to whom


def test_logins_of_other_programs_are_not_sent(
    fetcher: Fetcher, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("default login someone password s3cr3t\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    fetcher.get(Call(server.url), timeout=180)
    monkeypatch.setenv("http_proxy", server.url)
    fetcher.get(Call("http://upstream.example/x"), timeout=180)
    assert len(server.requests) == 2
    assert "uthorization" not in "".join(server.requests)


def test_a_proxy_gets_the_whole_address_and_its_own_login(
    fetcher: Fetcher, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url.replace("//", "//alice:s3%2Fcr3t@"))
    assert fetcher.get(Call("http://upstream.example/x", {"a": "1"}), timeout=180).body == BODY
    login = base64.b64encode(b"alice:s3/cr3t").decode()
    assert "GET http://upstream.example/x?a=1 HTTP/1.1" in server.requests[0]
    assert f"Proxy-Authorization: Basic {login}\r\n" in server.requests[0]


def test_no_proxy_is_obeyed(fetcher: Fetcher, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://alice:s3cr3t[@proxy.example")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert fetcher.get(Call(server.url), timeout=180).body == BODY


def test_a_tunnel_that_is_refused_is_said_without_the_password(
    fetcher: Fetcher, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", server.url.replace("//", "//alice:s3cr3t@"))
    server.serve = sends(answer(b"", status="407 Who are you"))
    with pytest.raises(TransientError, match=r"^upstream\.example \(through the proxy http://127.*407") as caught:
        fetcher.get(Call("https://upstream.example/x"), timeout=180)
    assert "s3cr3t" not in str(caught.value)
    assert "CONNECT upstream.example:443" in server.requests[0]


def test_a_key_that_no_header_may_hold_is_not_told(fetcher: Fetcher, server: Server) -> None:
    for key in ("s3cr3t\nX: y", "s3cr3t\u20ac"):
        with pytest.raises(OperatorError, match="that none may hold") as caught:
            fetcher.get(Call(server.url, headers={"x-key": key}), timeout=180)
        assert "s3cr3t" not in str(caught.value)


# --- large


def test_a_huge_body_is_refused_before_it_fills_the_memory(
    fetcher: Fetcher, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "MAX_BODY_BYTES", 1_000_000)
    server.serve = sends(answer(b"x" * 1_000_000, "Connection: close"))
    assert len(fetcher.get(Call(server.url), timeout=180).body) == 1_000_000
    server.serve = sends(answer(b"x" * 1_000_001, "Connection: close"))
    refused(fetcher, server, "more than 1000000 bytes")

    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65_536)

    server.serve = endless
    refused(fetcher, server, "more than 1000000 bytes")


def test_a_small_body_that_unpacks_to_a_huge_one_is_refused_before_it_fills_the_memory(
    fetcher: Fetcher, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "MAX_BODY_BYTES", 1_000_000)
    server.serve = sends(answer(gzip.compress(bytes(200_000_000), compresslevel=1), "Content-Encoding: gzip"))
    tracemalloc.start()
    try:
        refused(fetcher, server, "more than 1000000 bytes", timeout=180)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


# --- the clock

NOW_MS = 1_795_168_800_000  # Fri, 20 Nov 2026 10:00:00 GMT


def dated(date: str | None, *, seconds: float = 0.2, **headers: str) -> Response:
    return Response(200, headers if date is None else {"date": date, **headers}, b"", seconds)


@pytest.mark.parametrize("offset_ms", [0, 29_000, -29_000, 400])
def test_a_clock_that_is_near_the_upstream_s_is_right(offset_ms: int) -> None:
    check_clock(dated("Fri, 20 Nov 2026 10:00:00 GMT"), now_ms=NOW_MS + offset_ms)


@pytest.mark.parametrize(
    ("offset_ms", "said"),
    [(3_600_000, "3600 s ahead of"), (-3_600_000, "3600 s behind"), (31_500, "ahead"), (-31_500, "behind")],
)
def test_a_clock_that_is_off_is_a_person_s_matter(offset_ms: int, said: str) -> None:
    with pytest.raises(OperatorError, match=said) as caught:
        check_clock(dated("Fri, 20 Nov 2026 10:00:00 GMT"), now_ms=NOW_MS + offset_ms)
    assert "NTP" in caught.value.remedy


def test_the_age_of_a_cached_answer_is_no_fault_of_the_clock() -> None:
    check_clock(dated("Fri, 20 Nov 2026 09:58:00 GMT", age="120"), now_ms=NOW_MS)
    check_clock(dated("Fri, 20 Nov 2026 10:00:00 GMT", age="120"), now_ms=NOW_MS)  # Date kept fresh beside it
    with pytest.raises(OperatorError):
        check_clock(dated("Fri, 20 Nov 2026 09:00:00 GMT", age="120"), now_ms=NOW_MS)
    with pytest.raises(OperatorError):
        check_clock(dated("Fri, 20 Nov 2026 11:00:00 GMT", age="3600"), now_ms=NOW_MS)


@pytest.mark.parametrize("date", ["Fri, 20 Nov 2026 09:59:00 GMT", "Fri, 20 Nov 2026 10:00:00 GMT"])
def test_an_answer_that_took_a_minute_is_no_clock_that_is_off(date: str) -> None:
    """Its Date is of the minute's begin, or, where the head dripped too, of its end."""
    check_clock(dated(date, seconds=60.0), now_ms=NOW_MS)


@pytest.mark.parametrize(
    ("date", "said"),
    [("Fri, 20 Nov 2026 09:58:25 GMT", "35 s ahead of"), ("Fri, 20 Nov 2026 10:00:35 GMT", "35 s behind")],
)
def test_a_clock_that_is_off_is_so_beside_an_answer_that_took_a_minute(date: str, said: str) -> None:
    with pytest.raises(OperatorError, match=said):
        check_clock(dated(date, seconds=60.0), now_ms=NOW_MS)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Fri, 99 Nov 2026 10:00:00 GMT"])
def test_without_a_date_that_can_be_read_nothing_is_said(date: str | None) -> None:
    check_clock(dated(date), now_ms=NOW_MS)


@pytest.mark.parametrize("age", ["", "x", "-5", "1.5", "\xb2"])
def test_an_age_that_is_no_number_is_none(age: str) -> None:
    check_clock(dated("Fri, 20 Nov 2026 10:00:00 GMT", age=age), now_ms=NOW_MS)


@pytest.mark.parametrize(
    "date", ["Fri, 20 Nov 2026 10:00:00", "Fri Nov 20 10:00:00 2026", "Fri, 20 Nov 2026 10:00:00 -0000"]
)
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_a_date_without_a_zone_is_utc_wherever_this_machine_stands(
    date: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        check_clock(dated(date), now_ms=NOW_MS)
    finally:
        monkeypatch.undo()
        time.tzset()
