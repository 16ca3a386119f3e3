"""What a stream leaves behind where it is interrupted at the worst moment: between two entries of a batch, between two
holders, on a connection that says nothing any more."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from time import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cryptoproxy.common.settings.catalogue import Kafka
from cryptoproxy.datasets import GAP
from cryptoproxy.errors import TransientError
from cryptoproxy.producer.feeds.poll import PollOnce
from cryptoproxy.producer.feeds.stream import carrier, left, mending, websocket
from cryptoproxy.producer.feeds.stream.keeping import Keeper
from cryptoproxy.producer.feeds.stream.marks import Marks, StreamNote, told_in
from cryptoproxy.producer.feeds.stream.mending import Mender
from cryptoproxy.producer.feeds.stream.websocket import RefusedHandshakeError
from cryptoproxy.producer.outbox import Entry, Outbox, Piece
from cryptoproxy.producer.outbox.waiting import KAFKA
from cryptoproxy.upstreams.base import Call, Response
from cryptoproxy.upstreams.binance.candles import whole_list
from cryptoproxy.upstreams.binance.streams.trades import BinanceTrades
from cryptoproxy.upstreams.binance.streams.venue import BinanceVenue
from cryptoproxy.upstreams.streaming.stream import Batch, Left
from tests.conftest import wait_until
from tests.exchange import Exchange
from tests.unit.producer.budget.hand_clock import HandClock
from tests.unit.producer.fakes import Metrics
from tests.unit.producer.feeds.test_stream import Streaming, exchange, start  # noqa: F401 - fixtures

URL = "http://exchange.example"


def trades(*symbols: str) -> BinanceTrades:
    made = BinanceTrades(
        venue=BinanceVenue(base_url=URL), base_url=URL, symbols=symbols or ("BTCUSDT",), symbol_list=whole_list(URL)
    )
    made.begin(Left(), now_ms=TRADE_MS)
    return made


TRADE_MS = 1_800_000_000_000


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"a": n, "p": "2.5", "q": "0.1", "f": n * 10, "l": n * 10, "T": TRADE_MS + n, "m": False} for n in numbers]


def tell(stream: BinanceTrades, symbol: str, *numbers: int) -> None:
    bodies = [json.dumps(row).encode() for row in rows(*numbers)]
    stream.take({f"{symbol.lower()}@aggTrade": bodies}, now_ms=TRADE_MS + 1_000)


def answer(body: object) -> Response:
    return Response(200, {}, json.dumps(body).encode())


def keeper_of(stream: BinanceTrades, outbox: Outbox) -> Keeper:
    return Keeper(
        stream, outbox=outbox, marks=Marks(lambda: TRADE_MS), metrics=Metrics(), monotonic=time,
        kept=lambda entry, arrived, size: None,
    )  # fmt: skip


def mended_batches(stream: BinanceTrades) -> Sequence[Batch]:
    """One with an open gap, and one that mends it."""
    tell(stream, "BTCUSDT", 1, 4)
    first = stream.collect(now_ms=TRADE_MS)
    (ask,) = stream.asks(now_ms=TRADE_MS + 60_000)
    stream.answered(ask, answer(rows(2, 3)), now_ms=TRADE_MS + 60_000)
    return first, stream.collect(now_ms=TRADE_MS + 60_000)


def test_a_gap_is_not_said_to_be_mended_before_what_mends_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, outbox = trades(), Outbox(tmp_path, max_bytes=1 << 24)
    keeper = keeper_of(stream, outbox)
    kept: list[list[tuple[str, list[str]]]] = []
    keep_all = outbox.keep_all

    def noting(pieces: Sequence[Piece], **options: Any) -> list[Entry]:
        kept.append(
            [
                (each.feed.dataset, [GAP.codec.decode(line).state for line in each.content.splitlines()])
                if each.feed.dataset == "gap"
                else (each.feed.dataset, [])
                for each in pieces
            ]
        )
        return keep_all(pieces, **options)

    monkeypatch.setattr(outbox, "keep_all", noting)
    for batch in mended_batches(stream):
        assert keeper.keep(batch, slot_ms=TRADE_MS)
    assert kept == [[("gap", ["open"]), ("trade", [])], [("trade", []), ("gap", ["mended"])]]
    outbox.close()


def test_an_entry_that_is_taken_back_holds_no_mark_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, outbox = trades(), Outbox(tmp_path, max_bytes=1 << 24)
    keeper = keeper_of(stream, outbox)
    tell(stream, "BTCUSDT", 1, 2)
    publish, refusals = outbox._publish, [OSError(5, "Input/output error")]

    def refusing(*args: Any, **options: Any) -> None:
        if refusals:
            raise refusals.pop()
        publish(*args, **options)

    monkeypatch.setattr(outbox, "_publish", refusing)
    batch = stream.collect(now_ms=TRADE_MS)
    assert not keeper.keep(batch, slot_ms=TRADE_MS)
    assert keeper.keep(batch, slot_ms=TRADE_MS)
    for entry in outbox.oldest(KAFKA):
        keeper.marks.published(entry)
    assert told_in(keeper.marks.state()).marks["BTCUSDT"].id == "2-20"
    outbox.close()


def test_gaps_that_wait_in_our_own_outbox_are_open_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, outbox = trades(), Outbox(tmp_path, max_bytes=1 << 24)
    keeper = keeper_of(stream, outbox)
    opened, mended = mended_batches(stream)

    def found() -> list[str]:
        return [gap.state for gap in left_of(stream, outbox, monkeypatch, lambda: None).gaps]

    assert keeper.keep(opened, slot_ms=TRADE_MS)
    assert found() == ["open"]
    assert keeper.keep(mended, slot_ms=TRADE_MS)
    assert found() == []
    outbox.close()


def test_what_leaves_the_outbox_while_the_topics_are_read_is_known_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drain delivers what a killed process has left while its successor looks how far that one was."""
    stream, outbox = trades(), Outbox(tmp_path, max_bytes=1 << 24)
    keeper = keeper_of(stream, outbox)
    for batch in mended_batches(stream):
        assert keeper.keep(batch, slot_ms=TRADE_MS)
    kept = {record.trade_id for record in left_of(stream, outbox, monkeypatch, lambda: None).records}

    def delivered() -> None:
        for entry in outbox.oldest(KAFKA):
            outbox.done(KAFKA, entry)

    found = left_of(stream, outbox, monkeypatch, delivered)
    assert kept
    assert {record.trade_id for record in found.records} == kept
    assert not outbox.oldest(KAFKA)
    outbox.close()


def left_of(
    stream: BinanceTrades, outbox: Outbox, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], None]
) -> Any:
    """With topics of which nothing is found, and what happens while they are read."""

    def read(kafka: Kafka, topic: str, begin_ms: int) -> Any:
        meanwhile()
        return iter(())

    topics = cast("Kafka", SimpleNamespace(topic_of=lambda dataset, part="": dataset.topic))
    monkeypatch.setattr(left, "_read", read)
    return left.left_of(stream.feed, StreamNote(), topics, outbox, now_ms=TRADE_MS)


def test_the_keeper_alone_notices_that_the_lease_was_away(exchange: Exchange, start: Callable[..., Streaming]) -> None:  # noqa: F811
    streaming = start()
    exchange.trade("BTCUSDT", 5)
    wait_until(lambda: len(streaming.trades) == 5)
    room, may_poll = streaming.room, streaming.room.may_poll
    room.may_poll = lambda: False
    room.keep_now()
    room.may_poll = may_poll

    def goes_on() -> bool:
        exchange.trade("BTCUSDT")
        return len(streaming.trades) > 5

    wait_until(goes_on)


def test_nobody_waits_for_a_keeper_that_has_given_up(exchange: Exchange, start: Callable[..., Streaming]) -> None:  # noqa: F811
    streaming = start()
    streaming.active = False
    wait_until(lambda: exchange.connections == 0)
    wait_until(lambda: not streaming.room._begun)
    stream = cast("BinanceTrades", streaming.room.streams[0])
    stream._records = [cast("Any", None)] * 5_000
    waits = threading.Thread(target=streaming.room._hold_back, daemon=True)
    waits.start()
    wait_until(lambda: not waits.is_alive())


def test_behind_a_connection_that_has_gone_quiet_it_is_looked_for_what_lacks(
    exchange: Exchange,  # noqa: F811
    start: Callable[..., Streaming],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(carrier, "QUIET_FACTOR", 0)
    streaming = start()
    exchange.trade("BTCUSDT", 5)
    wait_until(lambda: len(streaming.trades) == 5)
    exchange.trade("BTCUSDT", 5, silently=True)
    monkeypatch.setattr(carrier, "QUIET_SECONDS", 0.3)
    wait_until(lambda: streaming.metrics.value("stream_cuts_total", venue="binance", why="quiet") > 0)
    monkeypatch.setattr(carrier, "QUIET_SECONDS", 30.0)

    wait_until(lambda: len(streaming.trades) == 10)  # no frame has told of them


@pytest.mark.parametrize(
    ("refused", "least", "most"),
    [
        (lambda now: ({"x-bapi-limit-reset-timestamp": str(round(now * 1000))}, b"access too frequent"), 0, 0),
        (lambda now: ({"retry-after": formatdate(now + 600, usegmt=True)}, b""), 500, 601),
        (lambda now: ({"retry-after": "300"}, b""), 300, 300),
        (lambda now: ({}, b'{"code":-1003,"msg":"IP banned until %d."}' % round((now + 600) * 1000)), 500, 601),
    ],
    ids=["when a limit is reset", "a date", "seconds", "words"],
)
def test_a_refused_handshake_is_waited_for_as_long_as_it_says(
    refused: Callable[[float], tuple[dict[str, str], bytes]], least: float, most: float
) -> None:
    headers, body = refused(time())
    seconds, _ = carrier.wait_told("binance", Response(400, headers, body))
    assert least <= seconds <= most


ODD_REFUSALS: Mapping[str, tuple[bytes, float]] = {
    "packed in chunks": (b"HTTP/1.1 418 I\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", 120),
    "cut in its words": (b"HTTP/1.1 429 Too\r\nRetry-After: 700\r\nContent-Length: 100\r\n\r\nhel", 700),
    "long": (b"HTTP/1.1 418 I\r\nRetry-After: 900\r\n\r\n" + b"x" * 3_000_000, 900),
    "of HTTP/1.0": (b"HTTP/1.0 418 I\r\nRetry-After: 300\r\n\r\n", 300),
    "without a word": (b"HTTP/1.1 429\r\nRetry-After: 300\r\nContent-Length: 0\r\n\r\n", 300),
    "with bare line ends": (b"HTTP/1.1 418 I\nRetry-After: 300\n\n", 300),
    "with two waits": (b"HTTP/1.1 429 I\r\nRetry-After: 3\r\nRetry-After: 300\r\nContent-Length: 0\r\n\r\n", 300),
    "behind hints": (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 429 I\r\nRetry-After: 300\r\n\r\n", 300),
    "a ban by another status": (b"HTTP/1.1 400 Bad\r\n\r\nIP banned until 4000000000000", 3 * 24 * 3600),
    "a firewall's challenge": (b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", 60),
    "a firewall's page": (b"HTTP/1.1 403 No\r\nContent-Type: text/html\r\n\r\n<html><title>Gate</title></html>", 60),
}


def answering(server: socket.socket, answer: bytes) -> None:
    peer, _ = server.accept()
    with peer, suppress(OSError):
        peer.recv(64 * 1024)
        peer.sendall(answer)


@pytest.mark.parametrize("name", ODD_REFUSALS)
def test_a_refusal_is_one_however_it_is_told(name: str) -> None:
    answer, seconds = ODD_REFUSALS[name]
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answering, args=(server, answer))
        thread.start()
        with pytest.raises(RefusedHandshakeError) as refused:
            websocket.WebSocket(f"ws://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()
    assert carrier.wait_told("binance", refused.value.answer) == (seconds, True)


def test_what_speaks_no_http_is_no_refusal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answering, args=(server, b"SSH-2.0-OpenSSH_9.2\r\n\r\n"))
        thread.start()
        with pytest.raises(TransientError, match="does not speak HTTP"):
            websocket.WebSocket(f"ws://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()


def test_who_bans_one_connection_is_left_alone_by_all_and_longer_each_time() -> None:
    clock, asked = HandClock(wall_ms=TRADE_MS), list[float]()

    def refuse(url: str) -> websocket.WebSocket:
        asked.append(clock.monotonic())
        raise RefusedHandshakeError("no", Response(429, {}, b""))

    venue = SimpleNamespace(name="binance", url="ws://none", most_topics=1, attempts=(300, 300.0))
    made = carrier.Carrier(
        cast("Any", venue), ["a", "b"], active=lambda: True, begin=lambda loop: None, paused=lambda: False,
        heard=lambda heard: None, cut=lambda topics, why: None, joined=lambda topics: None,
        refused=lambda topic, why: None, state=lambda why: None, monotonic=clock.monotonic, connect=refuse,
    )  # fmt: skip
    begin = clock.monotonic()
    while clock.monotonic() < begin + 900:
        made.turn()
        wait_until(lambda: all(each.making is None or each.making.done() for each in made.strands))
        made.turn()
        clock.turn(10)
    assert sorted({round(each - begin) for each in asked}) == [0, 120, 360, 840]


def test_an_address_that_takes_connections_and_says_nothing_is_tried_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "HANDSHAKE_SECONDS", 0.3)
    doubtful: set[tuple[str, int]] = set()
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(TransientError):
            websocket.WebSocket(f"ws://127.0.0.1:{server.getsockname()[1]}/", doubtful=doubtful)
        assert doubtful == {server.getsockname()}


def test_a_handshake_that_drips_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "HANDSHAKE_SECONDS", 0.5)
    over = threading.Event()

    def drip(server: socket.socket) -> None:
        peer, _ = server.accept()
        with peer, suppress(OSError):
            peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\nX: ")
            while not over.wait(0.02):
                peer.sendall(b"H")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,))
        thread.start()
        try:
            with pytest.raises(TransientError, match=r"took longer|timed out"):
                websocket.WebSocket(f"ws://127.0.0.1:{server.getsockname()[1]}/")
        finally:
            over.set()
            thread.join()


class Asked:
    """What :class:`PollOnce` is to the mender."""

    def __init__(self, told: Callable[[Call], Response]) -> None:
        self.ask = lambda call, end_ms, wait: told(call)


def mender_of(stream: BinanceTrades, told: Callable[[Call], Response], clock: HandClock) -> Mender:
    ask = {stream.feed.name: cast("PollOnce", Asked(told))}
    return Mender(stream.venue, [stream], ask=ask, lock=threading.Lock(), active=lambda: True, clock=clock)


def test_an_answer_that_cannot_be_read_holds_up_no_other_symbol() -> None:
    stream, clock = trades("BTCUSDT", "ETHUSDT"), HandClock(wall_ms=TRADE_MS + 60_000)
    for symbol in stream.symbols:
        tell(stream, symbol, 1, 3)

    def told(call: Call) -> Response:
        if call.url.endswith("/time"):
            return answer({"serverTime": clock.now_ms()})
        return answer({"code": 0} if call.params["symbol"] == "BTCUSDT" else rows(2))

    mender = mender_of(stream, told, clock)
    with pytest.raises(TransientError, match="not what binance speaks"):
        mender.step(lambda seconds: False)
    found = stream.collect(now_ms=clock.now_ms()).records
    assert [(each.asset_id, cast("Any", each).trade_id) for each in found][-1] == ("ETHUSDT", "2-20")


def test_a_time_that_was_not_to_be_had_is_asked_for_again_soon() -> None:
    stream, clock = trades(), HandClock(wall_ms=TRADE_MS)
    answers = [TransientError("away"), answer({"serverTime": TRADE_MS + 30_000})]

    def told(call: Call) -> Response:
        found = answers.pop(0)
        if isinstance(found, TransientError):
            raise found
        return found

    mender = mender_of(stream, told, clock)
    with pytest.raises(TransientError):
        mender.step(lambda seconds: False)
    assert mender.offset_ms is None
    clock.turn(mending.CLOCK_AGAIN_SECONDS + 1)
    mender.step(lambda seconds: False)
    assert mender.offset_ms is not None
    assert not answers
