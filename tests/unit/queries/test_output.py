"""How an answer looks: text, table and picture, for whatever names and numbers there are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from rich.console import Console

from cryptoproxy.datasets import TICKER
from cryptoproxy.datasets.times import Span
from cryptoproxy.queries.answer import Answer, Covers, NothingFound, TooMany
from cryptoproxy.queries.output import text
from cryptoproxy.queries.output.plot import TooManyLines, plot
from cryptoproxy.queries.periods import interval
from cryptoproxy.queries.questions import (
    average,
    freshness,
    indicators,
    latest,
    moves,
    percentiles,
    sentiment,
    volatility,
)  # fmt: skip
from cryptoproxy.queries.questions.average import Average, AverageRow
from cryptoproxy.queries.questions.candles import Bar, Candles
from cryptoproxy.queries.questions.freshness import Freshness, FreshnessRow
from cryptoproxy.queries.questions.indicators import Indicators, IndicatorsRow, indicator
from cryptoproxy.queries.questions.latest import Latest, LatestRow
from cryptoproxy.queries.questions.moves import Beyond, Moves, MovesRow
from cryptoproxy.queries.questions.percentiles import Percentiles, PercentilesRow
from cryptoproxy.queries.questions.sentiment import Sentiment, SentimentRow
from cryptoproxy.queries.questions.volatility import Volatility, VolatilityRow
from cryptoproxy.queries.scope import AssetRef, Scope, Seen
from cryptoproxy.queries.series import Series

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
YEAR = Span(0, 365 * 24 * HOUR)
SCOPE = Scope(YEAR)
MONTH = Seen(330 * 24 * HOUR, YEAR.end_ms - MINUTE, 35 * 24 * HOUR, MINUTE, MINUTE)
ODD = (
    "$WIF", "$A$B", "$$", r"$\FRAC{$", "[/RED]", "币安人生", '=HYPERLINK("x")', "\x1b[31mRED", "A\nB", "100%", "A\tB",
    "\u202eCBA", " ", "_X", "a^b_c", "{x}", "\\", "\x00", "🚀",
)  # fmt: skip
HUGE = 1.7e308


def asset(symbol: str, number: int = 0) -> AssetRef:
    return AssetRef("coingecko", f"coin-{number}", "USD", symbol)


def answered(question: str, module: Any, request: Any, rows: Sequence[Any]) -> Answer[Any]:
    covers = Covers(YEAR)
    for row in rows:
        covers.see(row.seen)
    return Answer(
        question, module.title(request), "coingecko", module.columns(request), iter(rows), covers=covers, asked=request
    )


def of_percentiles(assets: Sequence[AssetRef], scale: float = 1.0) -> Answer[Any]:
    rows = [
        PercentilesRow(each, 9, -2 * scale, 2 * scale, {5.0: -scale, 50.0: 0.0, 95.0: scale}, MONTH) for each in assets
    ]
    return answered("percentiles", percentiles, Percentiles(SCOPE, "price", (5.0, 50.0, 95.0)), rows)


def of_average(assets: Sequence[AssetRef], scale: float = 1.0, mean: float | None = 1.0) -> Answer[Any]:
    rows = [AverageRow(each, 0, 9, mean, scale, 2 * scale if scale < 1e300 else scale, True, MONTH) for each in assets]
    return answered("average", average, Average(SCOPE), rows)


def of_steps(assets: Sequence[AssetRef]) -> Answer[Any]:
    rows = [
        AverageRow(each, number * 24 * HOUR, 9, 2.0, 1.0, 3.0, True, MONTH) for each in assets for number in range(3)
    ]
    return answered("average", average, Average(SCOPE, every=interval("1d")), rows)


def of_moves(assets: Sequence[AssetRef]) -> Answer[Any]:
    rows = [MovesRow(each, 9, {1.1: Beyond(4, 2)}, MONTH) for each in assets]
    return answered("moves", moves, Moves(SCOPE, thresholds=(1.1,)), rows)


def of_volatility(assets: Sequence[AssetRef], deviation: float | None = 1.0) -> Answer[Any]:
    rows = [VolatilityRow(each, 9, deviation, -3.0, 3.0, 3.0, HOUR, 0, MONTH) for each in assets]
    return answered("volatility", volatility, Volatility(SCOPE), rows)


def of_latest(assets: Sequence[AssetRef], change: float | None = 1.0) -> Answer[Any]:
    rows = [LatestRow(each, each.symbol, 1.0, change, None, 1.0, HOUR, MINUTE) for each in assets]
    return answered("latest", latest, Latest(SCOPE), rows)


ANSWERS: dict[str, Callable[[Sequence[AssetRef]], Answer[Any]]] = {
    "percentiles": of_percentiles,
    "average": of_average,
    "steps": of_steps,
    "moves": of_moves,
    "volatility": of_volatility,
    "latest": of_latest,
}


def texts(file: Path) -> list[str]:
    """All text of an SVG."""
    return ["".join(each.itertext()) for each in Xml.parse(file).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_symbols_are_drawn_as_they_are(tmp_path: Path, name: str, suffix: str) -> None:
    for begin in range(0, len(ODD), 10):
        assets = [asset(symbol, number) for number, symbol in enumerate(ODD[begin : begin + 10])]
        file = tmp_path / f"{begin}{suffix}"
        plot(ANSWERS[name](assets), file)
        if suffix == ".svg":
            drawn = " ".join(texts(file))
            for symbol in ("$WIF", "$A$B", "$$", "[/RED]", "100%", "_X", "a^b_c", "{x}"):
                assert symbol not in ODD[begin : begin + 10] or symbol in drawn, symbol


@pytest.mark.parametrize("name", ANSWERS)
def test_a_picture_says_the_time_of_its_data_beside_the_one_asked_for(tmp_path: Path, name: str) -> None:
    plot(ANSWERS[name]([asset("BTC")]), tmp_path / "x.svg")
    words = " ".join(texts(tmp_path / "x.svg"))
    assert "asked for 1970-01-01 to 1971-01-01" in words
    assert ("data of 1970-01-01 01:00 UTC" if name == "latest" else "data of 1970-11-27 to") in words
    assert name != "steps" or "time, UTC: 1970-01-01 to 1970-01-03" in words  # an axis of time has its years


@pytest.mark.parametrize(
    ("name", "most"), [("percentiles", 40), ("average", 40), ("moves", 40), ("latest", 40), ("steps", 10)]
)
def test_more_than_can_be_read_is_not_drawn(tmp_path: Path, name: str, most: int) -> None:
    many = [asset(f"C{number}", number) for number in range(most + 1)]
    plot(ANSWERS[name](many[:-1]), tmp_path / "x.png")
    with pytest.raises(TooManyLines) as caught:
        plot(ANSWERS[name](many), tmp_path / "y.png")
    assert caught.value.most == most


def test_what_no_axis_can_hold_is_left_out_of_a_picture(tmp_path: Path) -> None:
    both = [asset("WHALE", 1), asset("BTC", 2)]
    huge, fine = of_average(both[:1], HUGE, None).held(), of_average(both[1:]).held()
    plot(answered("average", average, Average(SCOPE), huge + fine), tmp_path / "x.svg")
    words = texts(tmp_path / "x.svg")
    assert "BTC" in words
    assert "WHALE" not in words
    for answer in (
        of_average(both, HUGE),
        of_percentiles(both, HUGE / 3),
        of_volatility(both, None),
        of_latest(both, HUGE),
    ):
        with pytest.raises(NothingFound, match="small enough"):
            plot(answer, tmp_path / "y.png")


def of_indicators(assets: Sequence[AssetRef], bars: int = 40, scale: float = 1.0) -> Answer[Any]:
    which = tuple(map(indicator, ("sma:3", "ema:4", "macd", "rsi:5", "bollinger:6")))
    request = Indicators(Candles(SCOPE, interval("1h")), which)
    names = [name for each in which for name in each.columns]
    rows = []
    for each in assets:
        for at in range(bars):
            price = (100 + at % 7) * scale
            bar = Bar(at * HOUR, price, price * 1.02, price * 0.99, price * 1.01, 5.0, 500.0)
            values = dict.fromkeys(names, None if at < 20 else price)
            rows.append(IndicatorsRow(each, bar, "1h candles", values))
    answer = Answer("indicators", indicators.title(request), "coingecko", indicators.columns(request), iter(rows),
                    covers=Covers(YEAR), asked=request)  # fmt: skip
    answer.covers.see(MONTH)
    return answer


@pytest.mark.parametrize(("bars", "symbols"), [(40, ("BTC", *ODD)), (300, ("BTC", "$WIF"))], ids=["candles", "a line"])
def test_candles_are_drawn_with_their_indicators_below(tmp_path: Path, bars: int, symbols: tuple[str, ...]) -> None:
    for symbol in symbols:
        plot(of_indicators([asset(symbol)], bars), tmp_path / "x.svg")
        words = " ".join(texts(tmp_path / "x.svg"))
        assert {"price,", "volume,", "RSI", "MACD", "Bollinger", "UTC:", "coingecko,"} <= set(words.split())
        if symbol in ("BTC", "$WIF", "$A$B", "100%"):
            assert f"{symbol}: 1h candles and indicators" in words


def test_of_several_assets_the_first_is_drawn_and_the_rest_said(tmp_path: Path) -> None:
    plot(of_indicators([asset("BTC"), asset("ETH", 1)]), tmp_path / "x.svg")
    assert any("1 more assets are not drawn: --assets chooses" in each for each in texts(tmp_path / "x.svg"))
    with pytest.raises(NothingFound, match="small enough"):
        plot(of_indicators([asset("BTC")], scale=HUGE / 110), tmp_path / "y.svg")


def test_sentiment_is_drawn_over_time(tmp_path: Path) -> None:
    request = Sentiment(SCOPE, interval("1d"))
    rows = [SentimentRow("coingecko", at * DAY, at * DAY + HOUR, 50, 30 - at, 10 + at, 1.5, None if at == 3 else 0.5)
            for at in range(9)]  # fmt: skip
    answer = answered("sentiment", sentiment, request, rows)
    plot(answer, tmp_path / "x.svg")
    words = " ".join(texts(tmp_path / "x.svg"))
    assert "rose less fell" in words
    assert "24 h change, percent" in words
    assert rows[0].balance == 0.4
    assert rows[0].unchanged == 10


def test_a_table_of_indicators_leaves_to_csv_what_it_has_no_room_for() -> None:
    lines = shown(of_indicators([asset("BTC")]))
    assert "made of 1h candles" in lines
    assert "signal" in lines
    assert "volume" not in lines
    out = io.StringIO()
    text.write_csv(of_indicators([asset("BTC")]), out.write)
    first = next(csv.DictReader(io.StringIO(out.getvalue())))
    assert first["sma_3"] == ""  # it warms up
    assert {"open", "quote_volume", "macd_12_26_9_histogram", "bollinger_6_upper"} <= first.keys()


def test_an_axis_of_shares_ends_at_a_hundred_percent(tmp_path: Path) -> None:
    row = FreshnessRow(Series(TICKER, "coingecko"), HOUR, MINUTE, MINUTE, "recorded", 50, 50, 100, 97, 0, MONTH)
    plot(answered("freshness", freshness, Freshness(YEAR), [row]), tmp_path / "x.svg")
    shares = [float(each.removesuffix(" %")) for each in texts(tmp_path / "x.svg") if each.endswith(" %")]
    assert shares
    assert max(shares) <= 100


# ---- text


def test_what_is_too_much_to_be_held_can_still_be_read() -> None:
    answer = of_average([asset(f"C{number}", number) for number in range(5)])
    with pytest.raises(TooMany):
        answer.held(3)
    assert [row.asset.symbol for row in answer] == ["C0", "C1", "C2", "C3", "C4"]


def written_json(answer: Answer[Any]) -> dict[str, Any]:
    out = io.StringIO()
    text.write_json(answer, out.write)
    return json.loads(out.getvalue())  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ANSWERS)
def test_json_and_csv_say_which_time_is_covered(name: str) -> None:
    told = written_json(ANSWERS[name]([asset("BTC")]))
    assert told["period"] == {"from": "1970-01-01T00:00:00.000Z", "to": "1971-01-01T00:00:00.000Z"}
    out = io.StringIO()
    text.write_csv(ANSWERS[name]([asset("BTC")]), out.write)
    row = next(csv.DictReader(io.StringIO(out.getvalue())))
    if name == "latest":  # its own time is the slot
        assert told["data"]["from"] == row["timestamp"] == "1970-01-01T01:00:00.000Z"
        return
    assert told["data"] == {"from": "1970-11-27T00:00:00.000Z", "to": "1970-12-31T23:59:00.000Z"}
    assert (row["data_from"], row["data_to"]) == tuple(told["data"].values())
    assert row.get("covered", "") == (str(35 / 365) if name in ("percentiles", "average", "moves") else "")


def test_no_cell_of_a_csv_is_a_formula() -> None:
    out = io.StringIO()
    text.write_csv(ANSWERS["latest"]([asset("=IMPORTDATA(A1)")]), out.write)
    assert "'=IMPORTDATA(A1)" in next(csv.DictReader(io.StringIO(out.getvalue()))).values()


def test_without_rows_json_covers_nothing() -> None:
    assert written_json(of_average([]))["data"] == {"from": None, "to": None}


def shown(answer: Answer[Any]) -> str:
    console = Console(width=250, file=io.StringIO(), record=True)
    console.print(text.table(answer, answer.held()))
    return console.export_text()


def test_a_table_says_the_time_of_its_data_in_its_title() -> None:
    lines = shown(of_average([asset("BTC")]))
    assert "data of 1970-11-27 to 1970-12-31 23:59 UTC; asked for 1970-01-01 to 1971-01-01" in lines
    assert "mean over time" in lines
    assert "data from" not in lines


def test_a_table_tells_the_time_of_each_row_where_they_differ() -> None:
    rows = of_average([asset("BTC"), asset("ETH", 1)]).held()
    rows[1] = AverageRow(rows[1].asset, 0, 1, 1.0, 1.0, 1.0, False, Seen(YEAR.end_ms - HOUR, YEAR.end_ms - MINUTE))
    lines = shown(answered("average", average, Average(SCOPE), rows))
    assert "data from (UTC)" in lines
    assert "1970-12-31 23:00" in lines
    assert "mean over" in lines
    assert "samples" in lines


def test_names_cannot_draw_on_the_terminal() -> None:
    lines = shown(of_latest([asset(symbol, number) for number, symbol in enumerate(ODD)]))
    assert "\x1b[31m" not in lines
    assert "$WIF" in lines
    assert "[/RED]" in lines
    assert len(lines.splitlines()) == 2 + 4 + len(ODD)
