"""An exchange that only talks: numbered aggregate trades of a few pairs by WebSocket, as fast as they are taken, or so
many a second. A process of its own: `python -m benchmarks.exchange PORT TRADES [RATE]`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator

SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT")
CHUNK = 200
"""Frames that are sent at once."""
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_key = re.compile(rb"sec-websocket-key:\s*(\S+)", re.IGNORECASE)


def frames(count: int) -> Iterator[bytes]:
    """So many trades, each a whole frame."""
    for number in range(count):
        symbol = SYMBOLS[number % len(SYMBOLS)]
        at_ms = time.time_ns() // 1_000_000
        text = (
            f'{{"stream":"{symbol.lower()}@aggTrade","data":{{"e":"aggTrade","E":{at_ms},"s":"{symbol}",'
            f'"a":{3_000_000_000 + number // len(SYMBOLS)},"p":"{60_000 + number % 1000}.{number % 100:02d}000000",'
            f'"q":"0.{number % 997 + 1:05d}000","f":{4_000_000_000 + number},"l":{4_000_000_000 + number},"T":{at_ms},'
            f'"m":{"true" if number % 3 else "false"},"M":true}}}}'
        ).encode()
        yield b"\x81\x7e" + len(text).to_bytes(2) + text


def serve(port: int, count: int, rate: float) -> None:
    """Until it is killed."""
    server = socket.create_server(("127.0.0.1", port))
    print("listens", flush=True)
    while True:
        threading.Thread(target=_answer, args=(server.accept()[0], count, rate), daemon=True).start()


def _answer(client: socket.socket, count: int, rate: float) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        more = client.recv(65_536)
        if not more:
            return
        head += more
    key = _key.search(head)
    if key is None:
        _rest(client, head)
        return
    accept = base64.b64encode(hashlib.sha1(key[1] + _GUID).digest())
    client.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    client.recv(65_536)  # the subscription
    ack = b'{"result":null,"id":1}'
    client.sendall(bytes((0x81, len(ack))) + ack)
    began, sent, waiting = time.monotonic(), 0, list[bytes]()
    for frame in frames(count):
        waiting.append(frame)
        if len(waiting) == CHUNK:
            client.sendall(b"".join(waiting))
            sent += CHUNK
            waiting.clear()
            if rate and (ahead := sent / rate - (time.monotonic() - began)) > 0:
                time.sleep(ahead)
    client.sendall(b"".join(waiting))
    time.sleep(3600)


def _rest(client: socket.socket, head: bytes) -> None:
    while head:
        what = head.split(b" ", 2)[1]
        if b"/time" in what:
            body: object = {"serverTime": time.time_ns() // 1_000_000}
        elif b"exchangeInfo" in what:
            body = {"symbols": [{"symbol": symbol, "quoteAsset": "USDT"} for symbol in SYMBOLS]}
        else:
            body = []
        text = json.dumps(body).encode()
        client.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text) + text
        )
        head = client.recv(65_536)


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 0.0)
