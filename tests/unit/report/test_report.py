"""Positions, risk and the pages: values in, values out; no engine is asked."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from cryptoproxy.cli.reading.report import report
from cryptoproxy.common.retry import Patience
from cryptoproxy.datasets import ALERT
from cryptoproxy.datasets.times import DAY_MS, HOUR_MS, Span
from cryptoproxy.errors import OperatorError
from cryptoproxy.models.judging import Judged
from cryptoproxy.quality.day import Quality
from cryptoproxy.quality.measure import Indexed
from cryptoproxy.quality.report import as_json
from cryptoproxy.queries.questions.candles import Bar, CandlesRow
from cryptoproxy.queries.scope import AssetRef
from cryptoproxy.report import html, pdf
from cryptoproxy.report.gather import FeedLine, Gathered, QualityFile, _quality, statistics
from cryptoproxy.report.holdings import portfolio
from cryptoproxy.report.positions import Position, parse
from cryptoproxy.report.risk import correlation, drawdown, returns_of, risk
from cryptoproxy.report.sections import Rows, Section, drawn, title

DAY = 1_788_220_800_000
BTC, ETH = AssetRef("coingecko", "bitcoin", "USD", "BTC"), AssetRef("coingecko", "ethereum", "USD", "ETH")


def walk(days: int, seed: int, start: float) -> dict[int, float]:
    steps = np.random.default_rng(seed).normal(0, 0.03, days)
    prices = start * np.exp(np.cumsum(steps))
    return {DAY - (days - 1 - at) * DAY_MS: float(price) for at, price in enumerate(prices)}


def test_positions_are_read_with_and_without_what_was_paid():
    assert parse("positions:\n  coingecko:bitcoin: 0.5\n  binance:ETHUSDT:USDT: {amount: 10, paid: 2150}\n") == [
        Position("coingecko", "bitcoin", "", 0.5),
        Position("binance", "ETHUSDT", "USDT", 10.0, 2150.0),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there must be `positions:`"),
        ("positions: [a]", "there must be `positions:`"),
        ("positions: {bitcoin: 1}", "SOURCE:ASSET"),
        ("positions: {a:b: -1}", "amount must be a number above 0, not -1"),
        ("positions: {a:b: yes}", "amount must be a number above 0"),
        ("positions: {a:b: .inf}", "amount must be a number above 0"),
        ("positions: {a:b: {amount: 1, price: 3}}", "there is no price"),
        ("positions: {a:b: {paid: 3}}", "amount must be a number above 0, not None"),
        ("positions: {", "this is not YAML"),
        ("[" * 3000, "this is not YAML"),
        (f"positions: {{a:b: 1{'0' * 400}}}", "amount must be a number above 0"),
        ("positions: {a:b: 1.0e+400}", "amount must be a number above 0"),
    ],
)
def test_what_is_no_position_is_told_in_words(text: str, said: str):
    with pytest.raises(ValueError, match=re.escape(said)):
        parse(text)


def test_risk_of_values_that_anybody_can_check():
    values = np.array([100.0, 110.0, 99.0, 99.0, 120.0, 60.0, 90.0])
    found = risk(values)
    assert (found.peak, found.trough) == (4, 5)
    assert found.drawdown == pytest.approx(0.5)
    assert found.volatility == pytest.approx(np.std(values[1:] / values[:-1] - 1, ddof=1) * math.sqrt(365))
    assert found.at_risk == {0.95: None, 0.99: None}, "six returns say nothing of one day in twenty"


def test_value_at_risk_is_the_loss_that_so_many_days_do_not_exceed():
    returns = np.linspace(-0.05, 0.049, 100)
    values = np.concatenate([[1.0], np.cumprod(1 + returns)])
    found = risk(values)
    assert found.at_risk[0.95] == pytest.approx(-np.quantile(returns, 0.05))
    assert found.at_risk[0.99] == pytest.approx(-np.quantile(returns, 0.01))
    assert found.shortfall == pytest.approx(0.048), "the mean of the five worst"


def test_where_no_day_lost_anything_the_loss_is_nothing_and_not_unknown():
    found = risk(np.cumprod(np.full(40, 1.01)))
    assert (found.at_risk[0.95], found.shortfall) == (0.0, 0.0)


def test_a_day_that_is_not_known_makes_no_return_and_no_fall():
    values = np.array([100.0, np.nan, 50.0, 55.0])
    assert np.isfinite(returns_of(values)).tolist() == [False, False, True]
    assert drawdown(values) == (0, 2, 0.5)
    assert risk(values).returns == 1


def test_correlation_is_of_the_days_that_both_have():
    one = np.array([1.0, 2.0, 1.5, 1.8, 2.5, 2.0])
    found = correlation(np.column_stack([one, one * 7, np.full(6, 3.0)]))
    assert found[0, 1] == pytest.approx(1.0)
    assert np.isnan(found[0, 2]), "what never moves goes with nothing"


def test_a_portfolio_is_what_is_held_as_if_it_had_been_held_on_all_days():
    closes = {BTC: walk(60, 1, 60_000), ETH: walk(60, 2, 2_000)}
    del closes[ETH][DAY - 3 * DAY_MS]
    held = [Position("coingecko", "bitcoin", "", 0.5, 50_000.0), Position("coingecko", "ethereum", "USD", 10)]
    found = portfolio([*held, Position("coingecko", "gone", "", 1)], closes, DAY)
    assert found is not None
    assert found.value == pytest.approx(0.5 * closes[BTC][DAY] + 10 * closes[ETH][DAY])
    assert found.missing == ["coingecko:gone"]
    assert np.isnan(found.values[-4])
    assert sum(each.weight for each in found.held) == pytest.approx(1)
    assert {each.asset: each.gain for each in found.held} == {
        BTC: pytest.approx(closes[BTC][DAY] / 50_000 - 1), ETH: None
    }  # fmt: skip


def test_what_cannot_be_added_up_is_refused():
    tether = AssetRef("binance", "BTCUSDT", "USDT", "BTCUSDT")
    closes = {BTC: {DAY: 1.0}, tether: {DAY: 1.0}, AssetRef("coingecko", "bitcoin", "EUR", "BTC"): {DAY: 0.9}}
    with pytest.raises(OperatorError, match="USD and USDT, which cannot be added up"):
        portfolio([Position("coingecko", "bitcoin", "USD", 1), Position("binance", "BTCUSDT", "", 1)], closes, DAY)
    with pytest.raises(OperatorError, match="coingecko:bitcoin is quoted in EUR, USD"):
        portfolio([Position("coingecko", "bitcoin", "", 1)], closes, DAY)
    assert portfolio([Position("coingecko", "solana", "", 1)], closes, DAY) is None


def gathered() -> Gathered:
    closes = {BTC: walk(200, 1, 60_000), ETH: walk(200, 2, 2_000)}
    hours = [
        CandlesRow(asset, Bar(DAY + hour * HOUR_MS, price, price * 1.01, price * 0.99, price * 1.002, 1.0, price), "1h")
        for asset, price in ((BTC, 60_000.0), (ETH._replace(symbol="<b>$E_{x}"), 2_000.0))
        for hour in range(24)
    ]
    held = [Position("coingecko", "bitcoin", "", 0.5, 50_000.0), Position("coingecko", "ethereum", "USD", 10)]
    feed = FeedLine(
        feed="coingecko", records=1440, missing=3, expected=1443, missing_share=3 / 1443, duplicates=0,
        violations={"contract": 2}, unreadable=0,
    )  # fmt: skip
    quality = QualityFile(feeds=[feed], index=[], date="2026-09-01 00:00")
    judged = Judged(
        model="direction-1h", version="20261115T030412Z-0123456789ab", said=48, judged=46, right=20, lost=32
    )
    return Gathered(
        Span(DAY, DAY + DAY_MS), statistics(hours), ["a note"], portfolio(held, closes, DAY), quality,
        [ALERT.example] * 60, [judged],
    )  # fmt: skip


def test_the_page_tells_everything_and_runs_nothing():
    found = gathered()
    sections = drawn(found)
    assert [each.title for each in sections] == [
        "The day", "Portfolio", "Risk", "Alerts", "Predictions", "Quality", "Notes"
    ]  # fmt: skip
    page = html.page(title(found), sections).decode()
    assert "Report of 2026-09-01 (UTC)" in page
    assert "&lt;b&gt;$E_{x}" in page, "a symbol is no markup"
    assert page.count("<img ") == 4
    assert not re.search(r"<script|https?://|src=\"(?!data:)", page)
    assert "The first 40 of 60 are shown." in page
    assert "no better than knowing nothing" in page


def test_the_pdf_has_the_same_on_pages_and_is_the_same_when_it_is_made_again():
    found = gathered()
    made = pdf.pages(title(found), drawn(found))
    assert made.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", made)) >= 3
    assert made == pdf.pages(title(found), drawn(found))


def test_a_table_that_goes_on_has_its_head_on_each_page():
    paper = pdf._Paper("t")
    pdf._table(paper, Rows(("asset", "price"), [(f"coin-{number}", "1.5") for number in range(200)]))
    pages = [[text.get_text().split()[0] for text in page.texts[1:]] for page in paper.pages]
    assert len(pages) > 2
    assert {page[0] for page in pages} == {"asset"}
    assert [row for page in pages for row in page[1:]] == [f"coin-{number}" for number in range(200)]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"{}", b"NaN", b"\xff", b"[" * 3000, b'{"feeds": [], "index": "x"}', b'{"feeds": [{}], "index": []}',
        b'{"feeds": [], "index": [], "date": "\\ud83d"}', b'{"feeds": [], "index": [{"dataset": 1}]}',
    ],
)  # fmt: skip
def test_a_report_without_its_quality_is_better_than_none(tmp_path: Path, content: bytes):
    notes: list[str] = []
    file = tmp_path / "quality.json"
    file.write_bytes(content)
    assert _quality(file, notes) is None
    assert "is not what `cryptoproxy quality --json` prints" in notes[0]


def test_what_quality_prints_is_read(tmp_path: Path):
    row = Quality(
        feed="gap", source="binance", dataset="gap", records=1, assets=1, expected=None, missing=None, gaps=None, longest_gap_ms=None, duplicates=0,
        violations={}, unreadable=0, newest_ms=None, age_ms=None,
    )  # fmt: skip
    (tmp_path / "q").write_text(json.dumps(as_json([row], [Indexed("gap", "binance", 1, 1)], Span(DAY, DAY + 1))))
    found = _quality(tmp_path / "q", [])
    assert found is not None
    assert (found.feeds[0].feed, found.index[0].documents) == ("gap", 1)


@pytest.mark.parametrize("words", ["$x_{$", "=A$1 \\frac{ $$", "日本 😀"])
def test_no_words_of_others_end_a_page(words: str):
    sections = [Section("Alerts", [words], Rows(("what",), [(words,)]))]
    assert html.page("Report", sections)
    assert pdf.pages("Report", sections)


def test_an_s3_that_is_away_for_a_moment_ends_no_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stores: list[Any] = []

    def gather(_: Any, store: Any, *args: Any, **named: Any) -> Gathered:
        stores.append(store)
        return gathered()

    monkeypatch.setattr("cryptoproxy.report.gather.gather", gather)
    (tmp_path / ".env").write_text("AWS_S3_BUCKET=a-lake\n")
    done = CliRunner().invoke(report, ["--date", "2026-01-01", "--to", str(tmp_path)], obj=tmp_path / ".env")
    assert done.exit_code == 0, done.output
    assert isinstance(stores[0].patiently, Patience)
