"""What all cases share. A case may stop, freeze and kill the engines, and leaves them running.

What each case does, and which fault is where: README.md beside this file.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cryptoproxy.engines.kafka import Kafka
from tests.engines import Shared
from tests.faults import table
from tests.faults.past import Past
from tests.faults.rig import Engines, Rig

# What a case notes travels with its report, so that it arrives from another worker, too.
_ROW = "fault-suite row"
_LINE = "fault-suite line"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-table",
        action="store_true",
        help="fault suite: write what the judge found to docs/faults.md, of each file of which all cases ran and passed",
    )


@pytest.fixture(scope="session")
def engines(shared: Shared) -> Engines:
    return Engines(shared.kafka, shared.s3)


@pytest.fixture
def kafka(shared: Shared) -> Iterator[Kafka]:
    """The broker, for a case that ill-treats it: runs again afterwards."""
    yield shared.kafka
    shared.whole()


@pytest.fixture
def rig(engines: Engines, tmp_path: Path) -> Iterator[Rig]:
    """A world of its own, set up."""
    with Rig(engines, tmp_path) as made:
        made.set_up()
        yield made


@pytest.fixture(scope="module")
def past() -> Iterator[Past]:
    made = Past()
    yield made
    made.stop()


Report = Callable[[table.Judged, float | None], None]


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Notes this case as a row of the table at the end of the run: ``report(verdict, seconds)``.

    ``verdict`` is what the judge found (a `judge.Verdict`, or anything with ``records``, ``lost``, ``doubled`` and
    ``again``), ``seconds`` the time from the end of the fault until a fresh record had gone all the way, None where
    nothing had to recover. The row's name is the test's, its heading the first sentence of the module's docstring.
    Called once a case, when all else has been asserted.
    """
    theme, case = table.theme_of(request.module.__doc__), table.in_words(request.node.name)

    def note(found: table.Judged, seconds: float | None) -> None:
        row = table.Row(theme, case, found.records, found.lost, found.doubled, found.again, seconds)
        request.node.user_properties.append((_ROW, asdict(row)))

    return note


Say = Callable[[str], None]


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Say:
    """Says a line at the end of the run, also of a case that passes: what is needed to do it again."""

    def note(line: str) -> None:
        print(line)  # where the case fails, with it
        request.node.user_properties.append((_LINE, line))

    return note


def seeded(say: Say, what: str) -> random.Random:
    """Chance that a person can have again: its seed is said at the end of the run."""
    seed = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(2**32)))
    say(f"{what}, the same again with KILL_SEED={seed}")
    return random.Random(seed)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return  # one of several workers: the whole is told where their reports come together
    reports = [each for outcome in ("passed", "failed") for each in terminalreporter.stats.get(outcome, [])]
    called = sorted((each for each in reports if each.when == "call"), key=lambda each: each.location[:2])
    noted = [each for report in called for each in report.user_properties]
    if not (rows := [table.Row(**value) for name, value in noted if name == _ROW]):
        return
    terminalreporter.section("what the judge found")
    for line in [*table.on_terminal(rows), *(value for name, value in noted if name == _LINE)]:
        terminalreporter.line(line)
    if not config.getoption("--write-table", default=False):
        return
    chosen = config.getoption("keyword") or config.getoption("markexpr") or any("::" in each for each in config.args)
    if chosen or any(terminalreporter.stats.get(outcome) for outcome in ("failed", "error", "deselected")):
        terminalreporter.line(f"{table.PAGE.name} is left as it is: not all cases ran and passed")
        return
    whole = Path(__file__).parent in (Path(each).resolve() for each in config.args)
    rows = rows if whole else table.renewed(table.rows_of(table.PAGE.read_text(encoding="utf-8")), rows)
    table.PAGE.write_text(table.page(rows, when=f"{datetime.now(UTC):%Y-%m-%d}"), encoding="utf-8")
    readme = table.README.read_text(encoding="utf-8")
    table.README.write_text(table.quoted(readme, rows), encoding="utf-8")
    terminalreporter.line(f"written to {table.PAGE} and {table.README}")
