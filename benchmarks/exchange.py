"""An exchange that only talks: numbered aggregate trades of a few pairs by WebSocket, as fast as they are taken, or so
many a second. A process of its own: `python -m benchmarks.exchange PORT TRADES [--rate N] [--hole N] [--tls FILE]`.

At `/stream` frames are wrapped with their topic's name, elsewhere they are not. What lacks is told by
`aggTrades?fromId`.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator

SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT")
CHUNK = 200
"""Frames that are sent at once."""
FIRST = 3_000_000_000
"""The first aggregate id of each symbol."""
PAGE = 1000
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_key = re.compile(rb"sec-websocket-key:\s*(\S+)", re.IGNORECASE)
_page = re.compile(rb"symbol=(\w+)&fromId=(\d+)")
_id = re.compile(rb'"id"\s*:\s*(\d+)')


def row(number: int, at_ms: int) -> str:
    """The fields of a trade that frame and page have in common."""
    return (
        f'"a":{FIRST + number // len(SYMBOLS)},"p":"{60_000 + number % 1000}.{number % 100:02d}000000",'
        f'"q":"0.{number % 997 + 1:05d}000","f":{4_000_000_000 + number},"l":{4_000_000_000 + number},"T":{at_ms},'
        f'"m":{"true" if number % 3 else "false"},"M":true'
    )


def frames(count: int, *, wrapped: bool = True, hole: int = 0) -> Iterator[bytes]:
    """So many trades, each a whole frame. With a ``hole`` only those before and behind it are told."""
    for number in range(count) if not hole else (0, 1, 2, *range(hole, count)):
        symbol = SYMBOLS[number % len(SYMBOLS)]
        at_ms = time.time_ns() // 1_000_000
        text = f'{{"e":"aggTrade","E":{at_ms},"s":"{symbol}",{row(number, at_ms)}}}'
        if wrapped:
            text = f'{{"stream":"{symbol.lower()}@aggTrade","data":{text}}}'
        yield b"\x81\x7e" + len(text).to_bytes(2) + text.encode()


def page(query: bytes, count: int) -> bytes:
    """The rows that are asked for."""
    found = _page.search(query)
    if found is None:
        return b"[]"
    which, first = SYMBOLS.index(found[1].decode()), int(found[2]) - FIRST
    numbers = range(first * len(SYMBOLS) + which, count, len(SYMBOLS))[:PAGE]
    at_ms = time.time_ns() // 1_000_000
    return ("[" + ",".join(f"{{{row(number, at_ms)}}}" for number in numbers) + "]").encode()


def serve(arguments: argparse.Namespace) -> None:
    """Until it is killed."""
    server = socket.create_server(("127.0.0.1", arguments.port))
    tls = None
    if arguments.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(arguments.tls)
    print("listens", flush=True)
    while True:
        client = server.accept()[0]
        threading.Thread(target=_answer, args=(client, tls, arguments), daemon=True).start()


def _answer(client: socket.socket, tls: ssl.SSLContext | None, arguments: argparse.Namespace) -> None:
    if tls is not None:
        client = tls.wrap_socket(client, server_side=True)
    head = b""
    while b"\r\n\r\n" not in head:
        more = client.recv(65_536)
        if not more:
            return
        head += more
    key = _key.search(head)
    if key is None:
        _rest(client, head, arguments.count)
        return
    accept = base64.b64encode(hashlib.sha1(key[1] + _GUID).digest())
    client.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    target = head.split(b" ", 2)[1]
    if b"streams=" not in target:
        number = _id.search(_unmasked(client.recv(65_536)))
        ack = b'{"result":null,"id":%s}' % (number[1] if number else b"1")
        client.sendall(bytes((0x81, len(ack))) + ack)
    rate: float = arguments.rate
    chunk = CHUNK if not rate else max(1, min(CHUNK, round(rate / 100)))
    began, sent, waiting = time.monotonic(), 0, list[bytes]()
    for frame in frames(arguments.count, wrapped=b"/stream" in target, hole=arguments.hole):
        waiting.append(frame)
        if len(waiting) == chunk:
            client.sendall(b"".join(waiting))
            sent += chunk
            waiting.clear()
            if rate and (ahead := sent / rate - (time.monotonic() - began)) > 0:
                time.sleep(ahead)
    client.sendall(b"".join(waiting))
    time.sleep(3600)


def _unmasked(frame: bytes) -> bytes:
    """The text of a client's frame."""
    at = {126: 4, 127: 10}.get(frame[1] & 127, 2)
    mask, text = frame[at : at + 4], frame[at + 4 :]
    return bytes(each ^ mask[n % 4] for n, each in enumerate(text))


def _rest(client: socket.socket, head: bytes, count: int) -> None:
    while head:
        what = head.split(b" ", 2)[1]
        if b"aggTrades" in what:
            text = page(what, count)
        elif b"/time" in what:
            text = json.dumps({"serverTime": time.time_ns() // 1_000_000}).encode()
        elif b"exchangeInfo" in what:
            text = json.dumps({"symbols": [{"symbol": symbol, "quoteAsset": "USDT"} for symbol in SYMBOLS]}).encode()
        else:
            text = b"[]"
        client.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text) + text
        )
        head = client.recv(65_536)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--rate", type=float, default=0.0, help="trades a second; as fast as they are taken without")
    parser.add_argument("--hole", type=int, default=0, help="trades that frames pass over")
    parser.add_argument("--tls", default="", help="certificate and key, PEM")
    serve(parser.parse_args())
