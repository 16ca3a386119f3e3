"""Tables into a file: nothing is cut, and nobody's words draw on a terminal."""

from __future__ import annotations

import msgspec
import pytest

from cryptoproxy.cli.reading.gaps import _table
from cryptoproxy.cli.tables import print_table
from cryptoproxy.datasets import GAP
from cryptoproxy.queries.gaps import GapStory


def test_a_gap_is_whole_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    why = "the upstream \x1b[31mhas none\nof it: " + "x" * 100
    gap = msgspec.structs.replace(GAP.example, why=why)
    print_table(_table([GapStory(gap, None)]))
    _, line = capsys.readouterr().out.splitlines()
    for part in (gap.asset_id, gap.timestamp, gap.until, r"upstream \u001b[31mhas none\nof it: " + "x" * 100):
        assert part in line
