from __future__ import annotations

import io

import pytest

from cryptoproxy.sandbox.wire import BadRequestError, Request, Response, frame, read_request


def read(*chunks: bytes) -> tuple[Request | None, list[str]]:
    said: list[str] = []
    return read_request(io.BufferedReader(io.BytesIO(b"".join(chunks))), lambda: said.append("100")), said


def test_a_request_with_a_length():
    request, said = read(b"POST /a?x=1&y=&x=2 HTTP/1.1\r\nHost: h\r\nContent-length: 3\r\n\r\nabcdef")
    assert request == Request(
        "POST", "/a?x=1&y=&x=2", (("Host", "h"), ("Content-length", "3")), b"abc", keep_alive=True
    )
    assert (request.path, request.params, request.header("HOST"), said) == ("/a", {"x": "2", "y": ""}, "h", [])


def test_a_chunked_request_with_trailers():
    head = b"PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    request, _ = read(head, b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nx-amz-checksum: q\r\n\r\n")
    assert request is not None
    assert request.body == b"abc0123456789"


def test_a_client_that_waits_is_told_to_go_on():
    request, said = read(b"PUT /k HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx")
    assert (request and request.body, said) == (b"x", ["100"])


@pytest.mark.parametrize(
    ("head", "alive"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", True),
    ],
)
def test_keep_alive(head, alive):
    request, _ = read(head)
    assert request is not None
    assert request.keep_alive is alive


@pytest.mark.parametrize(
    "text",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HT",
    ],
)
def test_what_is_not_http_is_refused(text):
    with pytest.raises(BadRequestError):
        read(text)


def test_a_closed_connection_is_no_request():
    assert read(b"") == (None, [])


def test_frames():
    answer = Response(200, (("A", "b"), ("Connection", "close"), ("Content-Length", "99")), b"xyz")
    assert frame(answer, Request("GET", "/"), close=False).whole == (
        b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nxyz"
    )
    chunked = frame(Response(200, (), b"xyz", chunked=True), Request("GET", "/"), close=True)
    assert (chunked.body, chunked.tail) == (b"xyz", b"\r\n0\r\n\r\n")
    assert chunked.head.endswith(b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\n")
    assert frame(answer, Request("HEAD", "/"), close=False).whole.endswith(
        b"Content-Length: 99\r\nConnection: keep-alive\r\n\r\n"
    )
    assert frame(Response(204), Request("GET", "/"), close=False).whole == (
        b"HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n"
    )


def test_headers_are_changed_in_their_place():
    answer = Response(200, (("A", "1"), ("B", "2"), ("C", "3"))).with_headers({"b": "9", "c": None, "D": "4"})
    assert answer.headers == (("A", "1"), ("b", "9"), ("D", "4"))
