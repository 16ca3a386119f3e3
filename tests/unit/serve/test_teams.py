"""Who may ask the door: tokens, limits, what is counted; with a door over the sandbox that asks the gate."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
import trustme
from click.testing import CliRunner
from prometheus_client import CollectorRegistry
from urllib3.exceptions import HTTPError
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from cryptoproxy.cli.main import cli
from cryptoproxy.common.metrics import ServeMetrics
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import USAGE, from_iso
from cryptoproxy.errors import OperatorError, SettingsError
from cryptoproxy.serve import door as door_module
from cryptoproxy.serve.door import Door
from cryptoproxy.serve.request import ARROW
from cryptoproxy.serve.server import Server
from cryptoproxy.serve.teams import tokens
from cryptoproxy.serve.teams.gate import Gate, NotAdmittedError
from cryptoproxy.serve.teams.limits import Bucket
from cryptoproxy.serve.teams.meter import Meter, PathNames
from cryptoproxy.serve.teams.usage import HELD_MS, STEP_MS, Told
from tests.unit.serve.conftest import NOW_MS, Road, StandingClock

Make = Callable[..., Road]
NOW = "2026-11-20T10:00:00.000Z"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "teams.json"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal waits for nothing here."""
    monkeypatch.setattr(door_module, "REFUSED_SECONDS", 0)


def token_of(file: Path, name: str, requests: int | None = None, streams: int | None = None) -> str:
    with tokens.changed(file) as found:
        return tokens.add(found, name, now=NOW, requests=requests, streams=streams)


@pytest.fixture
def command(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    monkeypatch.setenv("TEAMS_FILE", str(file))

    def run(*words: str, fails: bool = False) -> str:
        done = CliRunner().invoke(cli, ["--env-file", "/dev/null", "teams", *words])
        assert (done.exit_code != 0) == fails, done.output
        return done.stdout if not fails else str(done.exception or "") + done.output

    return run


def test_a_token_is_told_once_listed_by_its_id_and_revoked(command: Callable[..., str], file: Path):
    token = command("add", "research", "--requests", "600").strip()
    second = command("add", "research").strip()
    assert token != second
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o007 == 0
    listed = command("list")
    first, other = (tokens.digest(each)[:8] for each in (token, second))
    assert "research: 600 questions a minute, 50 streams" in listed
    assert first in listed
    assert "no token 'nothing'" in command("revoke", "research", "--token", "nothing", fails=True)
    assert command("revoke", "research", "--token", first).startswith("1 tokens")
    assert Gate(file).admit(second) == "research"
    with pytest.raises(NotAdmittedError):
        Gate(file).admit(token)
    assert other in command("list")
    command("revoke", "research")
    assert "there is no team" in command("revoke", "research", fails=True)
    assert "1 to 32" in command("add", "No Team", fails=True)


@pytest.mark.parametrize(
    ("path", "query", "headers", "token", "left"),
    [
        (b"/t/TOK/coingecko/api/v3/ping", b"", {}, "TOK", b"/coingecko/api/v3/ping"),
        (b"/t/TOK", b"", {}, "TOK", b""),
        (b"/v1/latest", b"", {b"authorization": b"Bearer TOK"}, "TOK", b"/v1/latest"),
        (b"/v1/latest", b"", {b"authorization": b"Basic TOK"}, "", b"/v1/latest"),
        (b"/v1/latest", b"", {b"x-cg-demo-api-key": b"TOK"}, "TOK", b"/v1/latest"),
        (b"/v1/latest", b"", {b"x-mbx-apikey": b"TOK"}, "TOK", b"/v1/latest"),
        (b"/v1/latest", b"top=3&token=T%4FK", {}, "TOK", b"/v1/latest"),
        (b"/v1/latest", b"x_cg_pro_api_key=TOK", {}, "TOK", b"/v1/latest"),
        (b"/v1/latest", b"top=3", {}, "", b"/v1/latest"),
        (b"/team/x", b"", {}, "", b"/team/x"),
    ],
)
def test_where_a_request_carries_its_token(path: bytes, query: bytes, headers: dict, token: str, left: bytes):
    assert tokens.carried(path, query, headers) == (token, left)


def test_a_bucket_gives_evenly_and_some_at_once():
    bucket = Bucket(600)  # ten a second, a hundred at once
    assert [bucket.take(0.0) for _ in range(100)] == [0.0] * 100
    assert bucket.take(0.0) == pytest.approx(0.1)
    assert bucket.take(0.1) == 0.0
    assert bucket.take(0.1) > 0
    assert [bucket.take(1000.0) for _ in range(100)] == [0.0] * 100, "an idle team has no more than that"
    assert bucket.take(1000.0) > 0


def test_a_file_is_read_again_when_it_changes_and_a_broken_one_changes_nothing(file: Path):
    token = token_of(file, "a", streams=1)
    gate = Gate(file)
    stream = gate.admit_stream(token)
    with pytest.raises(NotAdmittedError, match="Too many streams"):
        gate.admit_stream(token)
    stream.close()
    stream.close()
    again = gate.admit_stream(token)
    assert again.still_admitted()
    ended: list[str] = []
    again.when_revoked(lambda: ended.append("revoked"))
    kept = file.read_bytes()
    file.write_text("{")
    gate.look()
    assert again.still_admitted()
    file.write_bytes(kept)
    with tokens.changed(file) as found:
        tokens.revoke(found, "a", None)
    gate.look()
    gate.look()
    assert ended == ["revoked"]
    assert not again.still_admitted()
    with pytest.raises(NotAdmittedError, match="token of a team"):
        gate.admit(token)
    with pytest.raises(OperatorError, match="cryptoproxy teams add"):
        Gate(file.with_name("nothing"))


def test_what_a_team_has_asked_stays_counted_when_the_file_changes(file: Path):
    token = token_of(file, "a", requests=60)
    gate = Gate(file, monotonic=lambda: 0.0)
    for _ in range(10):
        gate.admit(token)
    token_of(file, "b")
    gate.look()
    with pytest.raises(NotAdmittedError, match="60 times a minute"):
        gate.admit(token)


def test_without_a_file_everybody_is_admitted():
    gate = Gate()
    assert gate.is_open
    assert gate.admit("anything") == "anybody"
    assert gate.admit_stream("").still_admitted()


def test_every_way_to_carry_a_token_opens_the_door_and_each_house_refuses_in_its_words(road: Make, file: Path):
    token = token_of(file, "research")
    mine = road(gate=Gate(file))
    pair = "/binance/api/v3/ticker/price?symbol=BTCUSDT"
    for answer in [
        mine.get(f"/t/{token}{pair}"),
        mine.get(f"{pair}&token={token}"),
        mine.get(pair, headers={"Authorization": f"Bearer {token}"}),
        mine.get(pair, headers={"X-MBX-APIKEY": token}),
    ]:
        assert (answer.status_code, answer.json()["symbol"]) == (200, "BTCUSDT")
        assert token not in str(answer.headers)
    gecko = mine.get("/coingecko/api/v3/ping")
    assert (gecko.status_code, gecko.json()["status"]["error_code"]) == (401, 401)
    assert (mine.get("/t/wrong" + pair).status_code, mine.get(pair).json()["code"]) == (401, -2015)
    assert mine.get("/bybit/v5/market/time").json()["retCode"] == 10003
    assert mine.get("/v1/latest").status_code == 401
    assert "Access-Control-Allow-Origin" in mine.get("/v1/latest").headers
    assert requests.options(f"{mine.url}{pair}", timeout=30).status_code == 204


def test_who_asks_too_much_is_refused_in_its_clients_words_and_the_others_are_not(road: Make, file: Path):
    much, little = token_of(file, "much", requests=60), token_of(file, "little", requests=60)
    mine = road(gate=Gate(file, monotonic=lambda: 0.0))
    for _ in range(10):
        assert mine.get(f"/t/{much}/coingecko/api/v3/ping").status_code == 200
    gecko = mine.get(f"/t/{much}/coingecko/api/v3/ping")
    assert (gecko.status_code, gecko.json()["status"]["error_code"]) == (429, 429)
    binance = mine.get(f"/t/{much}/binance/api/v3/ping")
    assert (binance.status_code, binance.json()["code"]) == (429, -1003)
    bybit = mine.get(f"/t/{much}/bybit/v5/market/time")
    assert (bybit.status_code, bybit.json()["retCode"]) == (200, 10006)
    assert "X-Bapi-Limit-Reset-Timestamp" in bybit.headers
    assert all(int(each.headers["Retry-After"]) >= 1 for each in (gecko, binance, bybit))
    assert mine.get(f"/t/{little}/coingecko/api/v3/ping").status_code == 200
    assert mine.meter is not None
    counted = {each.path: each for each in mine.meter.since_last(NOW_MS, NOW_MS) if each.team == "much"}
    assert (counted["coingecko/ping"].requests, counted["coingecko/ping"].refused) == (10, 1)
    assert (counted["bybit/market/time"].requests, counted["bybit/market/time"].refused) == (0, 1)


def test_what_is_answered_from_the_road_is_saved_and_what_is_read_through_is_made(road: Make):
    mine = road(through=True)
    for _ in range(3):
        assert mine.get("/binance/api/v3/ticker/price?symbol=BTCUSDT").status_code == 200
    assert mine.get("/coingecko/api/v3/coins/bitcoin").status_code == 200
    assert mine.get("/binance/api/v3/nothing/at/all").status_code in (404, 400)
    assert mine.meter is not None
    records = mine.meter.since_last(NOW_MS, NOW_MS)
    counted = {each.path: (each.team, each.requests, each.made, each.saved) for each in records}
    assert counted["binance/ticker/price"] == ("anybody", 3, 0, 3)
    assert counted["coingecko/coins/{}"][1:3] == (1, 1)
    assert "binance/other" in counted
    assert all(USAGE.codec.decode(USAGE.codec.encode(each)) == each for each in records)
    assert mine.meter.since_last(NOW_MS, NOW_MS) == []


def test_a_stream_ends_when_its_token_is_revoked(road: Make, file: Path):
    gone, stays = token_of(file, "gone", streams=2), token_of(file, "stays")
    gate = Gate(file)
    mine = road(gate=gate)
    address = mine.url.replace("http:", "ws:")
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{address}/binance/ws")
    assert refused.value.response.status_code == 401
    with (
        connect(f"{address}/t/{gone}/binance/ws") as ended,
        connect(f"{address}/bybit/v5/public/linear?token={stays}") as left,
        requests.get(f"{mine.url}/t/{gone}/v1/stream?dataset=ticker", stream=True, timeout=60) as events,
    ):
        assert events.status_code == 200
        with pytest.raises(InvalidStatus) as refused:
            connect(f"{address}/t/{gone}/binance/ws")
        assert refused.value.response.status_code == 429
        with tokens.changed(file) as found:
            tokens.revoke(found, "gone", None)
        gate.look()
        with pytest.raises(ConnectionClosedError) as closed:
            ended.recv(timeout=60)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, "revoked" in closed.value.rcvd.reason) == (1008, True)
        with suppress(HTTPError, OSError):  # hung up on, in the middle of an answer
            events.raw.read()
        left.send('{"op":"ping"}')
        assert "pong" in left.recv(timeout=60)
    assert mine.meter is not None
    counted = {(each.team, each.path): each.requests for each in mine.meter.since_last(NOW_MS, NOW_MS)}
    assert counted[("gone", "binance/streams")] == 1
    assert counted[("stays", "bybit/streams")] == 1


def test_paths_are_counted_by_few_names():
    names = PathNames({"coingecko": ["coins/list", "coins/{}", "coins/{}/ohlc"]})
    assert [names.of("coingecko", each) for each in ("coins/list", "coins/x", "coins/x/ohlc", "coins/x/y", "")] == [
        "coingecko/coins/list", "coingecko/coins/{}", "coingecko/coins/{}/ohlc", "coingecko/other", "coingecko/other",
    ]  # fmt: skip


class Sent:
    def __init__(self, value: bytes) -> None:
        self.value = value


def test_usage_of_all_doors_is_added_up_and_what_is_sent_again_counts_once():
    clock = StandingClock()
    held = Told(clock)
    doors = [Meter(ServeMetrics(CollectorRegistry()), door=iter([each]).__next__) for each in ("a", "b")]
    for meter in doors:
        for _ in range(3):
            meter.asked("research", "binance/klines", saved=True)
        meter.asked("other", "binance/klines", made=True)
    lines = [USAGE.codec.encode(each) for meter in doors for each in meter.since_last(NOW_MS, NOW_MS)]
    assert held.take([Sent(each) for each in [*lines, *lines, b"{}"]]) == 1
    row = {"team": "research", "path": "binance/klines", "requests": 6, "refused": 0, "made": 0, "saved": 6}
    assert held.rows(NOW_MS - 60_000)[0] == row
    assert held.rows(NOW_MS - 60_000, "other")[0]["made"] == 2
    assert held.rows(NOW_MS + STEP_MS) == []
    clock.ms += HELD_MS + 2 * STEP_MS
    held.take([])
    assert held.rows(0) == []


def test_a_clock_that_is_set_back_tells_no_id_twice():
    names = iter("abc")
    meter = Meter(ServeMetrics(CollectorRegistry()), door=lambda: next(names))
    held = Told(StandingClock())
    ids = []
    for at_ms in (NOW_MS, NOW_MS + 60_000, NOW_MS, NOW_MS + 60_000):
        meter.asked("research", "binance/klines")
        (usage,) = meter.since_last(at_ms, at_ms)
        ids.append(USAGE.id_of(usage))
        assert held.take([Sent(USAGE.codec.encode(usage))] * 2) == 0
    assert len(set(ids)) == 4
    assert held.rows(NOW_MS - STEP_MS)[0]["requests"] == 4


def test_minutes_that_come_late_and_in_any_order_count_once():
    held = Told(StandingClock())
    meter = Meter(ServeMetrics(CollectorRegistry()), door=lambda: "a")
    lines = []
    for minute in range(-1500, 0):
        meter.asked("research", "binance/klines")
        lines += [USAGE.codec.encode(each) for each in meter.since_last(NOW_MS + minute * 60_000, NOW_MS)]
    held.take([Sent(each) for each in [*lines[::2], *reversed(lines), *lines]])
    assert held.rows(NOW_MS - HELD_MS)[0]["requests"] in range(1440, 1446), "each minute of the day once"
    assert len(held._seen) == 1


OTHER_DOOR = """
import sys
from pathlib import Path
from cryptoproxy.serve.teams.gate import Gate, NotAdmittedError

def count(ask):
    try:
        while True:
            ask()
            yield 1
    except NotAdmittedError:
        pass

file, token = Path(sys.argv[1]), sys.argv[2]
gate = Gate(file, shared=file.with_name("limits"), monotonic=lambda: 1000.0)
streams = []
print(sum(count(lambda: gate.admit(token))), sum(count(lambda: streams.append(gate.admit_stream(token)))), flush=True)
sys.stdin.read()
"""


def test_doors_of_one_machine_share_a_teams_limits(file: Path):
    token = token_of(file, "a", requests=60, streams=3)
    gate = Gate(file, shared=file.with_name("limits"), monotonic=lambda: 1000.0)
    for _ in range(4):
        gate.admit(token)
    stream = gate.admit_stream(token)
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_DOOR, str(file), token], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().split() == ["6", "2"], (
            "ten at once, of which four are gone; three, of which one is"
        )
        with pytest.raises(NotAdmittedError, match="Too many requests"):
            gate.admit(token)
        with pytest.raises(NotAdmittedError, match="Too many streams"):
            gate.admit_stream(token)
        stream.close()
        gate.admit_stream(token)
        other.kill()
    assert len([gate.admit_stream(token) for _ in range(2)]) == 2, "a killed door has no streams"


def test_after_a_restart_of_the_machine_nobody_waits_for_its_old_clock(file: Path):
    token = token_of(file, "a", requests=60)
    for now in (1_000_000.0, 5.0):
        gate = Gate(file, shared=file.with_name("limits"), monotonic=lambda now=now: now)  # type: ignore[misc]
        assert [gate.admit(token) for _ in range(10)] == ["a"] * 10


def test_what_doors_share_needs_teams_and_a_folder(file: Path):
    with pytest.raises(SettingsError, match="TEAMS_FILE"):
        Settings.from_texts({"LIMITS": "shared"})
    assert Settings.from_texts({"LIMITS": "shared", "TEAMS_FILE": "t.json"}).teams.shared == Path("t.json.limits")
    token_of(file, "a")
    with pytest.raises(OperatorError, match="LIMITS=process"):
        Gate(file, shared=file)


def test_no_cache_between_may_keep_what_a_token_was_needed_for(road: Make, file: Path):
    token = token_of(file, "research")
    path = "/coingecko/api/v3/coins/markets?vs_currency=usd&per_page=20"
    own = road(gate=Gate(file)).get(path, headers={"x-team-token": token})
    assert (own.status_code, own.headers["cache-control"].split(",")[0]) == (200, "private")
    assert road().get(path).headers["cache-control"].split(",")[0] == "public"


def test_usage_is_told_by_the_door(road: Make):
    mine = road(polled=False)
    meter = Meter(ServeMetrics(CollectorRegistry()), door=lambda: "a")
    meter.asked("research", "binance/klines", saved=True)
    assert mine.usage.take([Sent(USAGE.codec.encode(each)) for each in meter.since_last(NOW_MS, NOW_MS)]) == 0
    told = mine.get("/v1/usage?since=1h").json()
    assert (told["rows"][0]["saved"], from_iso(told["until"])) == (1, NOW_MS)
    assert mine.get("/v1/usage.csv").text.splitlines()[1] == "research,binance/klines,1,0,0,1"
    assert mine.get("/v1/usage?team=nobody").json()["rows"] == []
    told = mine.get("/v1/usage?since=7d").json()
    assert from_iso(told["since"]) == NOW_MS - HELD_MS, "no more is said than is held"
    for wrong in ("since=soon", "since=0001-01-01T00:00:00%2B05:00", "colour=red", "format=xml"):
        assert mine.get(f"/v1/usage?{wrong}").status_code == 400


def test_a_door_for_others_has_teams_or_is_meant_and_hides_tokens():
    with pytest.raises(SettingsError, match="TEAMS_FILE"):
        Settings.from_texts({"SERVE_HOST": "0.0.0.0"})
    with pytest.raises(SettingsError, match="SERVE_CERTFILE"):
        Settings.from_texts({"SERVE_HOST": "0.0.0.0", "TEAMS_FILE": "teams.json"})
    Settings.from_texts({"SERVE_HOST": "0.0.0.0", "TEAMS_FILE": "t.json", "ALLOW_PLAINTEXT_PASSWORDS": "true"})
    with pytest.raises(SettingsError, match="belong together"):
        Settings.from_texts({"SERVE_CERTFILE": __file__})


# uvloop leaves the socket of a peer that hung up without TLS's last word to the end of its loop.
@pytest.mark.filterwarnings("ignore:unclosed resource:ResourceWarning")
def test_the_door_speaks_tls(road: Make, tmp_path: Path):
    import threading

    from cryptoproxy.common.service import Loop

    mine = road()
    assert isinstance(mine.door, Door)
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    made.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    made.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = Server("127.0.0.1", [(0, mine.door)], cert_file=tmp_path / "cert.pem", key_file=tmp_path / "key.pem")
    stop = threading.Event()
    thread = threading.Thread(target=server.run, args=(Loop("door", stop),))
    thread.start()
    try:
        url = f"https://127.0.0.1:{server.ports[0]}/coingecko/api/v3/coins/markets?vs_currency=usd&per_page=20"
        answer = requests.get(url, verify=str(tmp_path / "ca.pem"), timeout=60)
        assert answer.json() == mine.get("/coingecko/api/v3/coins/markets?vs_currency=usd&per_page=20").json()
    finally:
        stop.set()
        thread.join()


def test_the_file_is_plain_to_read(file: Path):
    token_of(file, "research", requests=600)
    found = json.loads(file.read_text())
    assert found["teams"]["research"]["requests"] == 600
    assert set(found["teams"]["research"]["tokens"][0]) == {"id", "sha256", "made"}


def test_a_limit_of_no_question_is_refused_and_leaves_the_teams_as_they_are(file: Path):
    token = token_of(file, "research", requests=600)
    gate = Gate(file)
    file.write_text(file.read_text().replace("600", "0"))
    gate.look()
    assert gate.admit(token) == "research"
    with pytest.raises(OperatorError, match="limit below 1"):
        Gate(file)


def test_who_accepts_arrow_gets_it_and_nobody_else(road: Make):
    mine = road()
    for accept, kind in [("application/json", "application/json"), (ARROW.decode(), ARROW.decode())] * 2:
        answer = mine.get("/v1/prices?top=3", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (200, kind), answer.text
