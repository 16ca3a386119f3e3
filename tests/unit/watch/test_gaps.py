"""Rules over what lacks: found, mended, walked again, in any order; and what a restart leaves of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cryptoproxy.datasets import GAP, iso, key
from cryptoproxy.errors import SettingsError
from cryptoproxy.watch.judge import Judge
from cryptoproxy.watch.rulebook.reading import parse
from tests.unit.watch.test_judge import BEGIN_MS, minutes

RULES = "rules:\n  holes: {when: {gap: 30s, in: trade}}\n  any: {when: {gap: 5m}}"
SECOND = 1_000


def gap(begin: int, end: int, found: int, *, state: str = "open", kind: str = "trade") -> Any:
    """Seconds."""
    times = {"timestamp": begin, "until": end, "fetched_at": found}
    told = {name: iso(BEGIN_MS + value * SECOND) for name, value in times.items()}
    return msgspec.structs.replace(GAP.example, state=state, kind=kind, **told)


def feed(judge: Judge, *records: Any) -> list[Any]:
    before = len(judge.found)
    for each in records:
        followed = judge.follow("gap", key(each), None)
        assert followed is not None
        judge.take(followed, judge.decoders["gap"].decode(GAP.codec.encode(each)))
    return judge.found[before:]


def test_a_gap_is_told_when_it_is_found_and_ends_when_it_is_mended():
    judge = Judge(parse(RULES))
    found = feed(judge, gap(0, 90, 120), gap(0, 90, 180, state="mended"))
    assert [(each.rule, state, at) for each, (state, at) in zip(found, minutes(found), strict=True)] == [
        ("holes", "open", 2), ("holes", "resolved", 3),
    ]  # fmt: skip
    assert found[0].words == f"BTCUSDT lacks 90 s: trade from {iso(BEGIN_MS)} to {iso(BEGIN_MS + 90 * SECOND)}"
    assert found[1].words == "BTCUSDT lacks nothing any more of what was told"


def test_it_is_open_until_the_last_one_is_mended_in_whatever_order():
    judge = Judge(parse(RULES))
    assert len(feed(judge, gap(0, 60, 70), gap(100, 140, 150), gap(0, 60, 150, state="mended"))) == 1
    assert [each.state for each in feed(judge, gap(100, 140, 149, state="mended"))] == ["resolved"]


@pytest.mark.parametrize(
    "record",
    [gap(0, 10, 20), gap(0, 90, 1000), gap(0, 90, 120, kind="book"), gap(0, 90, 120, kind="candle-1m")],
    ids=["short", "of the past", "of a book", "of candles"],
)
def test_what_is_not_told(record: Any) -> None:
    assert feed(Judge(parse(RULES)), record) == []


def test_of_all_kinds_where_a_rule_names_none_and_after_a_restart_it_can_still_end():
    before, after = Judge(parse(RULES)), Judge(parse(RULES))
    assert [each.rule for each in feed(before, gap(0, 400, 410, kind="candle-1m"))] == ["any"]
    for name, asset in before.assets.items():
        after.load(name, msgspec.msgpack.decode(msgspec.msgpack.encode(before.dump(asset))))
    after.believe({name: truth for name, truth in before.told.items() if truth is not None})
    assert [each.state for each in feed(after, gap(0, 400, 500, kind="candle-1m", state="mended"))] == ["resolved"]


def test_one_that_nobody_mends_is_told_of_no_longer_than_a_day():
    judge = Judge(parse(RULES))
    assert len(feed(judge, gap(0, 60, 70))) == 1
    assert [each.state for each in feed(judge, gap(90_000, 90_001, 90_002))] == ["resolved"]


def test_a_field_of_gaps_is_refused_with_what_there_is_instead():
    with pytest.raises(SettingsError, match="there is the condition `gap: 30s`"):
        parse("rules: {r: {of: gap.records, when: {above: 1}}}")
