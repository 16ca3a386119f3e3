from __future__ import annotations

import json
from pathlib import Path

import pytest

from cryptoproxy.sandbox import Rule, Sandbox
from cryptoproxy.sandbox.replay import by_upstream


def replaying(clock, **more) -> Sandbox:
    return Sandbox(coins=5, clock=clock, **more)


def markets(http, box):
    return http.get(box.base_url("coingecko") + "/coins/markets", params={"vs_currency": "usd"})


def test_bodies_come_as_they_are_one_after_the_other_and_the_last_stays(http, clock, recorded_path, recorded):
    names = ["markets_2022-01-29.json", "markets_past_end.json", "error_429_rate_limit.json"]
    paths = [recorded_path / "coingecko" / name for name in names]
    with replaying(clock, replay={"coingecko": paths}) as box:
        answers = [markets(http, box) for _ in range(4)]
        assert [a.content for a in answers[:3]] == [recorded(f"coingecko/{name}") for name in names]
        assert answers[3].content == answers[2].content
        assert [a.status_code for a in answers] == [200, 200, 429, 429]
        assert answers[2].headers["retry-after"] == "119"
        assert [entry.body for entry in box.ledger.entries()] == [a.content for a in answers]


def test_they_start_again_where_that_is_wanted(http, clock, tmp_path):
    for n in (1, 2):
        (tmp_path / f"{n}.json").write_bytes(b"[%d]" % n)
    with replaying(clock, replay={"coingecko": [tmp_path]}, cycle=True) as box:
        assert [markets(http, box).json() for _ in range(5)] == [[1], [2], [1], [2], [1]]


def test_recorded_headers_come_but_the_date_is_todays(http, clock, recorded_path, recorded_json):
    path = recorded_path / "coingecko" / "markets_2022-01-29.json"
    known = recorded_json("coingecko/markets_2022-01-29.headers.json")["response_headers"]
    with replaying(clock, replay={"coingecko": [path]}) as box:
        headers = markets(http, box).headers
    assert headers["Date"] == "Sat, 21 Nov 2026 09:30:00 GMT"
    for name in ("ETag", "CF-RAY", "X-Runtime", "Cache-Control", "CF-Cache-Status"):
        assert headers[name] == known[name][0]


def test_files_answer_where_they_belong_and_the_rest_is_live(http, clock, recorded_path, recorded):
    with replaying(clock, replay={"binance": [recorded_path / "binance"]}) as box:
        base = box.base_url("binance")
        info = [http.get(base + "/api/v3/exchangeInfo").content for _ in range(2)]
        assert info == [recorded(f"binance/exchangeInfo_{day}.json") for day in ("2020-10", "2025-08-07")]
        statuses = [http.get(base + "/api/v3/ticker/24hr").status_code for _ in range(5)]
        assert statuses == [200, 418, 429, 200, 200]
        assert http.get(base + "/api/v3/time").json() == {"serverTime": clock.now_ms()}
        assert http.get(box.base_url("bybit") + "/v5/market/time").status_code == 200


def test_bybits_categories_do_not_mix(http, clock, recorded_path, recorded):
    with replaying(clock, replay={"bybit": [recorded_path / "bybit"]}) as box:
        tickers = box.base_url("bybit") + "/v5/market/tickers"
        for category, name in (("spot", "v5_tickers_spot_2023-09-07"), ("linear", "v5_tickers_linear_2023-02-27")):
            answer = http.get(tickers, params={"category": category})
            assert answer.content == recorded(f"bybit/{name}.json")
        answer = http.get(tickers, params={"category": "inverse"})
        assert answer.json()["retCode"] == 10001
        old = http.get(box.base_url("bybit") + "/v2/public/tickers")
        assert old.content == recorded("bybit/v2_tickers_2019-09-05.json")
        symbols = http.get(box.base_url("bybit") + "/v2/public/symbols")
        assert symbols.content == recorded("bybit/v2_symbols_2019-09-05.json")


def test_faults_work_on_replayed_bodies_too(http, clock, tmp_path):
    (tmp_path / "a.json").write_text("[1]")
    with replaying(clock, replay={"coingecko": [tmp_path]}) as box:
        box.script.add(Rule(replace=("1", "2")))
        assert markets(http, box).json() == [2]


def test_nothing_to_replay_is_told(clock, tmp_path):
    with pytest.raises(ValueError, match="nothing to replay"):
        replaying(clock, replay={"coingecko": [tmp_path]})
    with pytest.raises(FileNotFoundError):
        replaying(clock, replay={"coingecko": [tmp_path / "nonesuch.json"]})
    with pytest.raises(ValueError, match="no upstream 'kraken'"):
        replaying(clock, replay={"kraken": [tmp_path]})


def test_a_path_tells_whose_it_is(recorded_path, tmp_path):
    names = ("coingecko", "coingecko-pro", "binance", "bybit")
    assert by_upstream(recorded_path, names) == {n: [recorded_path / n] for n in ("coingecko", "binance", "bybit")}
    file = recorded_path / "binance" / "ticker_24hr_2024-01-05.json"
    assert by_upstream(file, names) == {"binance": [file]}
    assert by_upstream(file.parent, names) == {"binance": [file.parent]}
    assert by_upstream(tmp_path, names, "bybit") == {"bybit": [tmp_path]}
    with pytest.raises(ValueError, match="whose recordings"):
        by_upstream(tmp_path, names)


def test_every_fixture_is_what_its_name_says(recorded_path: Path):
    for file in recorded_path.rglob("*.json"):
        json.loads(file.read_bytes())
