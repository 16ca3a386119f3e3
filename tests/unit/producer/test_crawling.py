"""`cryptoproxy crawl`: files of what the sandbox tells, whole or said to be not."""

from __future__ import annotations

import csv
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from cryptoproxy.cli.main import cli
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import CANDLE, TICKER
from cryptoproxy.errors import OperatorError, SettingsError
from cryptoproxy.producer.alone.crawling import Crawl
from cryptoproxy.producer.outbox.files import OutboxInUseError, lock
from cryptoproxy.sandbox import Rule, Sandbox

COINS = 5
HISTORY = "binance.candle-1h=2d"
Make = Callable[..., Crawl]


@pytest.fixture
def texts(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return {
        "COINGECKO_BASE_URL": sandbox.base_url("coingecko"),
        "BINANCE_BASE_URL": sandbox.base_url("binance"),
        "COINGECKO_CALLS_PER_MINUTE": "0",
        "COINGECKO_TOP_N": str(COINS),
        "OUTBOX_DIR": str(tmp_path / "outbox"),
    }


@pytest.fixture
def make(texts: dict[str, str]) -> Make:
    def made(*feeds: str, pasts: tuple[str, ...] = (), symbols: tuple[str, ...] = (), form: str = "csv") -> Crawl:
        return Crawl(Settings.from_texts(texts), feeds, pasts, symbols, form=form)

    return made


def rows_of(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()  # type: ignore[no-any-return]
    if path.suffix == ".json":
        return json.loads(path.read_bytes())  # type: ignore[no-any-return]
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_run_is_a_folder_with_a_file_for_each_feed_and_each_past(make: Make, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "out" / "run"
    found = make("coingecko", pasts=(HISTORY,), symbols=("btcusdt", "ETHUSDT"), form=form).run(folder)
    assert found.whole
    assert sorted(each.name for each in folder.parent.iterdir()) == ["run"]
    tickers, bars = rows_of(folder / f"coingecko.{form}"), rows_of(folder / f"binance.candle-1h-history.{form}")
    assert sorted(each.name for each in folder.iterdir()) == [
        f"binance.candle-1h-history.{form}",
        f"coingecko.{form}",
    ]
    assert len(tickers) == COINS
    assert tickers[0]["asset_id"] == "bitcoin"
    assert float(tickers[0]["price"]) > 0
    assert {each["asset_id"] for each in bars} == {"BTCUSDT", "ETHUSDT"}
    assert len({(each["asset_id"], each["timestamp"]) for each in bars}) == len(bars) >= 2 * 48
    if form != "json":  # where absent fields are left out
        assert list(tickers[0]) == [column.name for column in TICKER.columns]
        assert list(bars[0]) == [column.name for column in CANDLE.columns]


def test_without_a_feed_it_is_what_the_sources_tell_but_their_candles(
    make: Make, texts: dict[str, str], tmp_path: Path
) -> None:
    texts |= {"SOURCES": "coingecko,binance.candle-1d", "BINANCE_CANDLE_SYMBOLS": "BTCUSDT"}
    assert make().run(tmp_path / "run").whole
    names = {each.stem for each in (tmp_path / "run").iterdir()}
    assert names >= {"coingecko", "coingecko.market", "binance.candle-1d"}
    assert not any(name.startswith("coingecko.candle") for name in names)


def test_what_takes_a_call_for_each_coin_is_named_and_then_asked_for_all_at_once(make: Make, tmp_path: Path) -> None:
    found = make("coingecko.asset", form="json").run(tmp_path / "run")
    assert found.whole
    rows = rows_of(tmp_path / "run" / "coingecko.asset.json")
    assert len(rows) == COINS
    assert (rows[0]["asset_id"], rows[0]["symbol"]) == ("bitcoin", "BTC")
    assert all(each["circulating_supply"] > 0 for each in rows)


def test_what_one_feed_lacks_costs_no_other_and_is_said(
    make: Make, sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.script.add(Rule(path="/coingecko/", status=401))
    found = make("coingecko", pasts=(HISTORY,), symbols=("BTCUSDT", "NOPE")).run(tmp_path / "run")
    assert not found.whole
    assert "coingecko: not had" in caplog.text
    assert any(line.startswith("NOPE: 0 records") for line in found.lines)
    assert [each.name for each in (tmp_path / "run").iterdir()] == ["binance.candle-1h-history.csv"]


def test_where_nothing_could_be_had_nothing_is_left(make: Make, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.script.add(Rule(status=401))
    with pytest.raises(OperatorError, match="nothing could be had"):
        make("coingecko").run(tmp_path / "out" / "run")
    assert list((tmp_path / "out").iterdir()) == []


def test_beside_a_poller_of_the_folder_nothing_is_asked(
    make: Make, texts: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    Path(texts["OUTBOX_DIR"]).mkdir()
    with lock(Path(texts["OUTBOX_DIR"]), remedy=""), pytest.raises(OutboxInUseError, match="OUTBOX_DIR"):
        make("coingecko").run(tmp_path / "run")
    assert len(sandbox.ledger) == 0
    assert not (tmp_path / "run").exists()


def test_wrong_words_are_refused_before_anything_is_asked(make: Make) -> None:
    with pytest.raises(SettingsError, match=r"crawl knows no nope; there are .*coingecko"):
        make("nope")
    with pytest.raises(SettingsError, match=r"crawl --history knows no binance\.ticker; there are binance"):
        make("binance", pasts=("binance.ticker=1d",))
    with pytest.raises(SettingsError, match="365d"):
        make(pasts=("binance.candle-1h",))
    with pytest.raises(OperatorError, match="--symbols"):
        make(pasts=("coingecko=2d",))
    with pytest.raises(SettingsError, match=r"binance\.trade comes by stream alone"):
        make("coingecko", "binance.trade")


def test_a_run_that_is_terminated_leaves_nothing(
    texts: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (texts | {"CRYPTOPROXY_HOME": str(tmp_path)}).items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr(Crawl, "_poll", lambda *_: signal.raise_signal(signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    done = CliRunner().invoke(cli, ["crawl", "coingecko", "--out", str(tmp_path / "out")])
    assert signal.getsignal(signal.SIGTERM) == before
    assert done.exit_code == 128 + signal.SIGTERM
    assert not list((tmp_path / "out").iterdir())


def test_the_command_names_the_folder_by_its_time(
    texts: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (texts | {"CRYPTOPROXY_HOME": str(tmp_path)}).items():
        monkeypatch.setenv(name, text)
    done = CliRunner().invoke(cli, ["crawl", "coingecko", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    (folder,) = (tmp_path / "out").iterdir()
    assert [each.name for each in folder.iterdir()] == ["coingecko.csv"]
    assert str(folder) in done.output
    wrong = CliRunner().invoke(cli, ["crawl", "--every", "5"])
    assert wrong.exit_code == 2
    assert "not a time span" in wrong.output
