"""`cryptoproxy query` as a person or a script runs it."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from cryptoproxy.cli.main import cli
from cryptoproxy.common.clients import elastic
from cryptoproxy.common.settings import Settings
from cryptoproxy.datasets import ALERT, iso
from cryptoproxy.engines.ports import free_ports
from cryptoproxy.engines.stack import Endpoints
from cryptoproxy.queries import Queries
from cryptoproxy.watch.telling.picture import Pictures
from tests.integration.queries.filled import HOUR, SLOTS, Filled, Stopped

DOCS = Path(__file__).parents[3] / "docs" / "queries.md"


def query(env_file: Path, line: str) -> Result:
    """Wide, as a terminal of a person who reads tables."""
    return CliRunner(env={"COLUMNS": "200"}).invoke(cli, ["--env-file", str(env_file), "query", *shlex.split(line)])


def documented(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


def commands() -> list[str]:
    found = [line[2:] for block in documented("console") for line in block.splitlines() if line.startswith("$ ")]
    assert len(found) >= 10
    return found


@pytest.mark.parametrize("command", commands())
def test_each_command_of_the_docs_answers(
    env_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    words = command.split("cryptoproxy query ", 1)
    assert words[0] == ""
    result = query(env_file, words[1])
    assert result.exit_code == 0, result.output + repr(result.exception)
    assert result.stdout or "--plot" in command
    if found := re.search(r"--plot (\S+)", command):
        assert (tmp_path / found[1]).stat().st_size > 5_000


@pytest.mark.parametrize("snippet", documented("python"))
def test_each_python_snippet_of_the_docs_runs(filled: Filled, snippet: str, capsys: pytest.CaptureFixture[str]) -> None:
    address = str(next(iter(filled.client.transport.node_pool.all())).base_url)
    made = snippet.replace("http://localhost:9200", address).replace(
        "Queries(client)", f'Queries(client, index="{filled.alias}")'
    )
    exec(compile(made, "docs/queries.md", "exec"), {})
    assert "BTC" in capsys.readouterr().out


@pytest.mark.parametrize("body", documented("json"))
def test_each_search_body_of_the_docs_is_accepted(filled: Filled, body: str) -> None:
    answer = filled.client.search(index=filled.alias, **json.loads(body))
    assert answer["hits"]["total"]["value"] > 0
    assert answer["aggregations"]


def test_csv_and_json_hold_the_same_rows(env_file: Path) -> None:
    line = "average --interval 1h --since 1d --source bybit-linear"
    rows = list(csv.DictReader(io.StringIO(query(env_file, f"{line} --csv").stdout)))
    told = json.loads(query(env_file, f"{line} --json").stdout)
    assert [{name: str(value) for name, value in row.items()} for row in told["rows"]] == rows
    assert sum(row["count"] for row in told["rows"]) == 3 * SLOTS
    assert told["source"] == "bybit-linear"


def test_csv_has_the_columns_that_the_docs_read_with_pandas(env_file: Path) -> None:
    rows = csv.DictReader(
        io.StringIO(query(env_file, "average --interval 1h --since 7d --symbols BTC,ETH --csv").stdout)
    )
    assert {"begin", "data_from", "data_to", "asset_id", "average"} <= set(rows.fieldnames or ())


def test_of_more_lines_than_can_be_read_the_most_traded_are_drawn(env_file: Path, tmp_path: Path) -> None:
    result = query(env_file, f"average --interval 1h --since 4h --plot {tmp_path / 'x.svg'} --csv")
    assert result.exit_code == 0, result.output
    assert "note: only the 10 most traded are drawn" in result.stderr
    told = {row["asset_id"] for row in csv.DictReader(io.StringIO(result.stdout))}
    assert len(told) == 12 + 2  # what is printed beside the picture is all of it
    texts = {
        "".join(each.itertext()) for each in Xml.parse(tmp_path / "x.svg").iter("{http://www.w3.org/2000/svg}text")
    }
    assert {"BTC", "ETH"} <= texts
    assert "C11" not in texts


def test_a_note_goes_to_standard_error_beside_csv(env_file: Path) -> None:
    result = query(env_file, "latest --symbols USDT --csv")
    assert "USDT is 2 assets" in result.stderr
    assert "note" not in result.stdout
    assert len(result.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    "line",
    [
        "percentiles --symbols BTC,ETH,USDT",
        "average --since 1d",
        "average --interval 1h --symbols BTC,USDT --since 1d",
        "moves --window 1h --since 1d",
        "volatility --since 1d",
        "latest",
        "freshness",
        "candles --symbols BTC --interval 15m --since 3h --source coingecko",
        "indicators --symbols BTC --interval 5m --since 3h --source coingecko",
    ],
)
def test_a_picture_says_source_period_and_unit(env_file: Path, tmp_path: Path, line: str) -> None:
    file = tmp_path / "picture.svg"
    result = query(env_file, f"{line} --plot {file}")
    assert result.exit_code == 0, result.output
    texts = " ".join("".join(each.itertext()) for each in Xml.parse(file).iter("{http://www.w3.org/2000/svg}text"))
    assert "UTC" in texts
    assert "coingecko" in texts
    assert "USD" in texts or line == "freshness"
    assert "percent" in texts or "price, USD" in texts or "share of" in texts


def test_what_explain_prints_is_what_is_asked(env_file: Path, filled: Filled) -> None:
    result = query(env_file, "moves --symbols BTC --since 1d --explain")
    head, _, body = result.stdout.partition("_search\n")
    assert head.splitlines()[-1] == f"GET {filled.alias}/"
    answer = filled.client.search(index=filled.alias, **json.loads(body))
    assert answer["aggregations"]["rows"]["buckets"][0]["doc_count"] == SLOTS


@pytest.mark.parametrize(
    "line", ["volatility", "average --interval 1d", "latest --top 3", "freshness", "percentiles", "sentiment"]
)
def test_every_search_that_explain_prints_is_accepted(env_file: Path, filled: Filled, line: str) -> None:
    result = query(env_file, f"{line} --since 1d --explain")
    bodies = re.findall(r"^GET \S+/_search\n(\{.*?^\})", result.stdout, re.DOTALL | re.MULTILINE)
    assert bodies
    for body in bodies:
        assert not filled.client.search(index=filled.alias, **json.loads(body))["timed_out"]


def test_exit_code_1_where_nothing_was_found(env_file: Path) -> None:
    result = query(env_file, "latest --symbols NOSUCH")
    assert result.stdout == ""
    assert "no symbol NOSUCH" in str(result.exception)  # `main` makes a line and exit code 1 of it


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("average --interval 2mo", "is no interval"),
        ("average --since someday", "neither a span like"),
        ("average --since 2026-11-02 --until 2026-11-01", "ends (2026-11-01) before it begins"),
        ("volatility --window 1mo", "must always be of one length"),
        ("moves --thresholds 1,x", "must be numbers"),
        ("moves --thresholds 1,nan", "each of them finite"),
        ("moves --thresholds inf", "each of them finite"),
        ("moves --thresholds 1e400", "each of them finite"),
        ("percentiles --percents nan", "each of them finite"),
        ("volatility --window 1h --since 2h", "fewer than three whole windows"),
        ("percentiles --field colour", "--field"),
        ("latest --plot picture.pdf", "must end in .png or .svg"),
        ("latest --json --csv", "exclude each other"),
        ("candles --interval 2mo", "is no interval"),
        ("candles --interval 1d --since 2h", "the period has no whole day"),
        ("indicators --with sma:20,foo", "'foo' is no indicator"),
        ("latest --engine lake --explain", "goes with --engine es alone"),
    ],
)
def test_exit_code_2_for_wrong_words(env_file: Path, line: str, words: str) -> None:
    result = query(env_file, line)
    assert result.exit_code == 2
    assert words in result.stderr


def test_exit_code_3_where_elasticsearch_is_absent(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    file = tmp_path / "env"
    file.write_text(f"ES_URL_ENDPOINT=http://127.0.0.1:{port}\n")
    result = query(file, "latest")
    assert result.exit_code == 3
    assert "does not answer: ConnectionError" in result.stderr
    assert f"127.0.0.1:{port}" in result.stderr


def test_exit_code_3_where_the_index_is_absent(env_file: Path, filled: Filled) -> None:
    env_file.write_text(env_file.read_text().replace(filled.alias, "no-such-alias"))
    result = query(env_file, "freshness")
    assert result.exit_code == 3
    assert "there is no index or alias no-such-alias. Run `cryptoproxy setup`" in result.stderr
    assert result.stdout == ""


def test_an_empty_index_is_said(env_file: Path, filled: Filled) -> None:
    empty = f"{filled.alias.removesuffix('-prices')}-empty"
    filled.client.indices.create(index=empty, mappings=filled.client.indices.get_index_template(name=filled.alias)[
        "index_templates"][0]["index_template"]["template"]["mappings"])  # fmt: skip
    try:
        text = env_file.read_text().replace(filled.alias, empty)
        env_file.write_text("".join(line for line in text.splitlines(True) if "ES_INDICES" not in line))
        for line in ("latest", "freshness", "volatility", "percentiles --top 3"):
            assert f"{empty} is empty" in str(query(env_file, line).exception), line
    finally:
        filled.client.indices.delete(index=empty)


def test_an_alert_s_picture_shows_the_price_that_is_in_the_index(filled: Filled, endpoints: Endpoints):
    settings = Settings.from_texts({"ES_URL_ENDPOINT": endpoints.elasticsearch, "ES_INDEX": filled.alias}).elasticsearch
    pictures = Pictures(settings, lambda: elastic.client(settings, timeout=30.0))
    (first, *_) = Queries(filled.client, index=filled.alias, clock=Stopped(filled.end_ms)).latest(symbols="BTC")
    moment = iso(filled.end_ms - HOUR)
    asset = ":".join((first.asset.source, first.asset.asset_id, first.asset.quote))
    alert = replace(ALERT.example, asset=asset, timestamp=moment, since=moment)
    picture = pictures.of(alert)
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
    assert pictures.of(replace(alert, asset="coingecko:nothing:USD")) is None
    assert pictures.of(replace(alert, asset="-")) is None
