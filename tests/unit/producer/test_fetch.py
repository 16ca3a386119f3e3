"""One GET within its deadline, against a server that does what servers do wrong."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from cryptoproxy.common.errors import OperatorError, TransientError
from cryptoproxy.producer import fetch
from cryptoproxy.producer.fetch import Fetcher, check_clock
from cryptoproxy.producer.sources.base import Answer, Call

BODY = json.dumps([{"id": "bitcoin", "n": number} for number in range(200)]).encode()
SHORT = 0.4
"""Seconds that a test gives to what never comes."""
IN_TIME = 3.0
"""What a deadline of :data:`SHORT` may take on a busy machine."""
Serve = Callable[[socket.socket], object]


class Server:
    """Speaks raw bytes: each connection is handed to ``serve`` after each request's head."""

    def __init__(self) -> None:
        self.serve: Serve = lambda connection: connection.sendall(answer(BODY))
        self.requests: list[str] = []
        self.connections = 0
        self.over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

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
        with suppress(OSError), connection:
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
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)


def answer(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(*chunks: bytes, headers: str = "", end: bytes = b"0\r\n\r\n") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{headers}\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


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
    for thread in fetcher._hanging:
        thread.join(10)


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
        server.over.wait(60)
        return "close"

    return serve


def refused(fetcher: Fetcher, server: Server, said: str, timeout: float = 10) -> None:
    with pytest.raises(TransientError, match=said):
        fetcher.get(Call(server.url), timeout=timeout)


def too_late(fetcher: Fetcher, server: Server) -> None:
    begun = time.monotonic()
    refused(fetcher, server, "did not answer within|in time", timeout=SHORT)
    assert time.monotonic() - begun < IN_TIME


def test_an_answer_is_whole_with_status_and_headers_in_lower_case(fetcher: Fetcher, server: Server) -> None:
    server.serve = lambda connection: connection.sendall(answer(BODY, "X-Used-Weight: 7", status="418 I'm a teapot"))
    found = fetcher.get(Call(f"{server.url}/coins", {"ids": "a,b"}, {"x-key": "k"}), timeout=10)
    assert (found.status, found.body, found.headers["x-used-weight"]) == (418, BODY, "7")
    assert "GET /coins?ids=a%2Cb HTTP/1.1" in server.requests[0]
    assert "x-key: k" in server.requests[0]
    assert "User-Agent: cryptoproxy" in server.requests[0]


def test_a_connection_is_kept_for_the_next_call(fetcher: Fetcher, server: Server) -> None:
    for _ in range(5):
        assert fetcher.get(Call(server.url), timeout=10).body == BODY
    assert (server.connections, len(server.requests)) == (1, 5)


def test_a_connection_that_the_server_has_closed_is_made_anew(fetcher: Fetcher, server: Server) -> None:
    server.serve = sends(answer(BODY, "Connection: close"))
    for _ in range(3):
        assert fetcher.get(Call(server.url), timeout=10).body == BODY
    assert server.connections == 3


def test_a_redirect_is_not_followed_with_the_key(fetcher: Fetcher, server: Server) -> None:
    head = answer(b"", f"Location: {server.url}/elsewhere", status="302 Found")
    server.serve = lambda connection: connection.sendall(head)
    assert fetcher.get(Call(server.url, headers={"x-key": "k"}), timeout=10).status == 302
    assert len(server.requests) == 1


def test_a_redirect_s_body_is_read_as_any_other(fetcher: Fetcher, server: Server) -> None:
    packed = gzip.compress(b"moved")
    head = answer(packed, f"Location: {server.url}/elsewhere", "Content-Encoding: gzip", status="302 Found")
    server.serve = lambda connection: connection.sendall(head)
    for _ in range(2):
        found = fetcher.get(Call(server.url), timeout=10)
        assert (found.status, found.body, found.headers["location"]) == (302, b"moved", f"{server.url}/elsewhere")
    assert server.connections == 1


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_chunks_are_put_together(fetcher: Fetcher, server: Server, pieces: int) -> None:
    size = -(-len(BODY) // pieces)
    server.serve = sends(chunked(*(BODY[at : at + size] for at in range(0, len(BODY), size))))
    assert fetcher.get(Call(server.url), timeout=10).body == BODY


def test_an_answer_without_a_length_ends_with_its_connection(fetcher: Fetcher, server: Server) -> None:
    server.serve = sends(b"HTTP/1.0 200 OK\r\n\r\n" + BODY)
    assert fetcher.get(Call(server.url), timeout=10).body == BODY


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_gzip_is_asked_for_and_unpacked(fetcher: Fetcher, server: Server, encoding: str) -> None:
    server.serve = sends(answer(gzip.compress(BODY), f"Content-Encoding: {encoding}"))
    assert fetcher.get(Call(server.url), timeout=10).body == BODY
    assert "Accept-Encoding: gzip\r\n" in server.requests[0]


def test_gzip_in_chunks_and_in_several_members_is_unpacked(fetcher: Fetcher, server: Server) -> None:
    packed = gzip.compress(BODY[:100]) + gzip.compress(BODY[100:])
    chunks = [packed[at : at + 5] for at in range(0, len(packed), 5)]
    server.serve = sends(chunked(*chunks, headers="Content-Encoding: gzip\r\n"))
    assert fetcher.get(Call(server.url), timeout=10).body == BODY


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body_is_an_answer(fetcher: Fetcher, server: Server, status: str) -> None:
    server.serve = sends(f"HTTP/1.1 {status}\r\nContent-Encoding: gzip\r\n\r\n".encode())
    found = fetcher.get(Call(server.url), timeout=10)
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
    assert fetcher.get(Call(server.url), timeout=10).body == b""


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
    found = fetcher.get(Call(server.url), timeout=10)
    assert (found.status, found.headers["retry-after"]) == (418, "437")


def test_of_a_refusal_s_words_what_came_is_kept(fetcher: Fetcher, server: Server) -> None:
    said = b'{"msg":"IP banned until 1660090423228. Please'
    for data in (
        answer(said, status="503 Away", length=999),
        answer(gzip.compress(said), "Content-Encoding: deflate", status="503 Away"),
    ):
        server.serve = sends(data)
        assert fetcher.get(Call(server.url), timeout=10).body == said


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
    assert fetcher.get(Call(server.url), timeout=10).body == BODY


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
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: server.over.wait(60) or [])
    too_late(fetcher, server)


def test_after_a_request_that_was_given_up_the_next_is_answered(fetcher: Fetcher, server: Server) -> None:
    server.serve = silent(server)
    too_late(fetcher, server)
    server.serve = sends(answer(BODY))
    assert fetcher.get(Call(server.url), timeout=10).body == BODY


def test_requests_that_hang_do_not_pile_up(fetcher: Fetcher, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MAX_HANGING", 2)
    server.serve = drips(server, b"HTTP/1.1 200 OK\r\nX-Long: ")
    for _ in range(2):
        refused(fetcher, server, "did not answer within", timeout=0.05)
    begun = time.monotonic()
    refused(fetcher, server, "2 requests that were given up still hang", timeout=60)
    assert time.monotonic() - begun < IN_TIME
    assert server.connections == 2


def test_an_answer_that_comes_in_time_is_taken_however_slow_it_is(fetcher: Fetcher, server: Server) -> None:
    def serve(connection: socket.socket) -> str:
        for at in range(0, len(data := answer(BODY[:20])), 5):
            connection.sendall(data[at : at + 5])
            server.over.wait(0.02)
        return "close"

    server.serve = serve
    assert fetcher.get(Call(server.url), timeout=30).body == BODY[:20]


def test_a_port_that_nobody_listens_on_is_said_in_few_words(fetcher: Fetcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TransientError, match=rf"^127\.0\.0\.1:{port}: .*Connection refused") as caught:
        fetcher.get(Call(f"http://127.0.0.1:{port}/x", headers={"x-key": "open-sesame"}), timeout=10)
    assert "open-sesame" not in str(caught.value)
    assert "object at 0x" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("url", ["http://name.invalid/x", "http:///x", "nonsense://x/y"])
def test_an_address_that_leads_nowhere_is_no_answer(fetcher: Fetcher, url: str) -> None:
    with pytest.raises(TransientError):
        fetcher.get(Call(url), timeout=10)


# --- large


def test_a_huge_body_is_refused_before_it_fills_the_memory(
    fetcher: Fetcher, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "MAX_BODY_BYTES", 1_000_000)
    server.serve = sends(answer(b"x" * 1_000_000, "Connection: close"))
    assert len(fetcher.get(Call(server.url), timeout=10).body) == 1_000_000
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
        refused(fetcher, server, "more than 1000000 bytes", timeout=30)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


# --- the clock

NOW_MS = 1_795_168_800_000  # Fri, 20 Nov 2026 10:00:00 GMT


def dated(date: str | None, *, seconds: float = 0.2, **headers: str) -> Answer:
    return Answer(200, headers if date is None else {"date": date, **headers}, b"", seconds)


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
