from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptoproxy.common.settings import kinds
from cryptoproxy.common.settings.kinds import Kind

ACCEPTED: list[tuple[Kind[Any], str, object]] = [
    (kinds.text(), "anything at all", "anything at all"),
    (kinds.matching(r"[a-z]+", "word", "must be letters"), "abc", "abc"),
    (kinds.whole(-5, 10), "-5", -5),
    (kinds.whole(0, 65_535), "65535", 65_535),
    (kinds.seconds(0.1, 300), "0.5", 0.5),
    (kinds.seconds(0.1, 300), "10", 10.0),
    (kinds.interval(), "60", 60.0),
    (kinds.interval(), "0.5", 0.5),
    (kinds.interval(), "86400", 86_400.0),
    (kinds.part_of_an_hour(), "90", 90),
    (kinds.duration(), "7d", 604_800.0),
    (kinds.duration(), "36h", 129_600.0),
    (kinds.size(), "4GiB", 4 * 1024**3),
    (kinds.size(), "512 MiB", 512 * 1024**2),
    (kinds.boolean(), "Yes", True),
    (kinds.boolean(), "0", False),
    (kinds.choice("earliest", "latest"), "latest", "latest"),
    (kinds.choice("DEBUG", "INFO"), "info", "INFO"),
    (kinds.names(), "a, b ,c", ("a", "b", "c")),
    (kinds.names(lambda: ("a", "b")), "b,a.c-1", ("b", "a.c-1")),
    (kinds.host_ports(), "kafka-1:9092, [::1]:9093", ("kafka-1:9092", "[::1]:9093")),
    (kinds.url(), "https://es.example:9200/", "https://es.example:9200"),
    (kinds.path(), "/var/lib/x", Path("/var/lib/x")),
]
REFUSED: list[tuple[Kind[Any], str, str]] = [
    (kinds.matching(r"[a-z]+", "word", "must be letters"), "a1", "must be letters"),
    (kinds.matching(r"[a-z]+", "word", "must be letters"), "a\n", "must be letters"),
    (kinds.whole(0, 10), "11", "between 0 and 10"),
    (kinds.whole(0, 10), "1.5", "not a whole number"),
    (kinds.whole(0, 10), "ten", "not a whole number"),
    (kinds.whole(0, 10), "9" * 5_000, "limit"),
    (kinds.seconds(1, 600), "0.5", "between 1 and 600"),
    (kinds.seconds(1, 600), "1e3", "number of seconds"),
    (kinds.seconds(1, 600), "nan", "number of seconds"),
    (kinds.seconds(1, 600), "-1", "number of seconds"),
    (kinds.interval(), "7", "does not divide a day"),
    (kinds.interval(), "172800", "between"),
    (kinds.interval(), "0.3001", "does not divide a day"),
    (kinds.interval(), "0", "between"),
    (kinds.part_of_an_hour(), "7", "does not divide an hour"),
    (kinds.part_of_an_hour(), "0", "between"),
    (kinds.duration(), "7", "unit"),
    (kinds.duration(), "7 days", "unit"),
    (kinds.duration(), "0d", "nothing"),
    (kinds.size(), "4GB", "unit"),
    (kinds.size(), "4", "unit"),
    (kinds.size(), "0MiB", "nothing"),
    (kinds.boolean(), "perhaps", "neither true nor false"),
    (kinds.choice("earliest", "latest"), "Latest", "earliest, latest"),
    (kinds.names(), "a,,b", "empty item"),
    (kinds.names(), "a b", "blank"),
    (kinds.names(), "a,b,a", "twice"),
    (kinds.names(lambda: ("a", "b")), "a,c.a", "knows no c.a; there are a, b"),
    (kinds.host_ports(), "kafka-1", "host:port"),
    (kinds.host_ports(), "kafka-1:9092,", "host:port"),
    (kinds.host_ports(), "kafka-1:0", "port outside"),
    (kinds.host_ports(), "kafka-1:65536", "port outside"),
    (kinds.host_ports(), "http://kafka-1:9092", "host:port"),
    (kinds.url(), "es.example:9200", "http"),
    (kinds.url(), "ftp://es.example", "http"),
    (kinds.url(), "http://", "http"),
    (kinds.url(), "http://es.example:port", "http"),
    (kinds.url(), "http://[::1", "http"),
    (kinds.url(), "http://es.example:0", "http"),
    (kinds.url(), "https://user:pass@es.example", "user or password"),
    (kinds.url(), "https://es.example/?key=open-sesame", "give the address alone"),
    (kinds.url(), "https://es.example#open-sesame", "give the address alone"),
    (kinds.path(), "~nobody-of-that-name/x", "home folder"),
]


@pytest.mark.parametrize(("kind", "text", "value"), ACCEPTED)
def test_a_text_becomes_a_value_and_is_shown_as_one_would_write_it(kind: Kind[Any], text: str, value: object) -> None:
    assert kind.parse(text) == value
    assert kind.parse(kind.show(value)) == value


@pytest.mark.parametrize(("kind", "text", "fault"), REFUSED)
def test_a_wrong_text_is_told_by_its_fault(kind: Kind[Any], text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)):
        kind.parse(text)


@given(st.text(max_size=30), st.sampled_from([kind for kind, *_ in ACCEPTED + REFUSED]))
def test_whatever_is_written_is_a_value_or_a_fault(text: str, kind: Kind[Any]) -> None:
    try:
        value = kind.parse(text)
    except ValueError:
        return
    assert kind.parse(kind.show(value)) == value


@given(st.integers(1, 10**6), st.sampled_from("smhd"))
def test_a_time_span_is_shown_in_its_largest_unit(number: int, unit: str) -> None:
    seconds = kinds.duration().parse(f"{number}{unit}")
    shown = kinds.duration().show(seconds)
    assert kinds.duration().parse(shown) == seconds
    assert len(shown) <= len(f"{number}{unit}")


@given(st.integers(1, 10**6), st.sampled_from(["KiB", "MiB", "GiB", "TiB"]))
def test_a_size_is_shown_in_its_largest_unit(number: int, unit: str) -> None:
    size = kinds.size().parse(f"{number}{unit}")
    assert kinds.size().parse(kinds.size().show(size)) == size
    assert len(kinds.size().show(size)) <= len(f"{number}{unit}")


@given(st.integers(100, 86_400_000))
def test_an_interval_has_the_same_slots_each_day(milliseconds: int) -> None:
    text = f"{milliseconds / 1000:.3f}"
    if 86_400_000 % milliseconds:
        with pytest.raises(ValueError, match="divide"):
            kinds.interval().parse(text)
    else:
        assert kinds.interval().parse(text) * 1000 == milliseconds
