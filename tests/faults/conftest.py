"""One Kafka and one S3 for all cases here. A case may stop, freeze and kill them, and leaves them running."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engines.engine import Options
from engines.kafka import Kafka
from engines.ports import free_ports
from engines.s3 import S3
from engines.stack import bring_up, take_down
from tests.faults.judge import Verdict
from tests.faults.rig import Engines, Rig

_REPORT = pytest.StashKey[list[tuple[str, Verdict, float]]]()


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    folder = tmp_path_factory.mktemp("faults")
    port, controller, s3_port = free_ports(3)
    options = Options(die_with_parent=True)
    made = Engines(
        Kafka(folder / "kafka", port=port, controller_port=controller, heap_mb=384, options=options),
        S3(folder / "s3", port=s3_port, access_key="faults", secret_key="faults-secret", heap_mb=128, options=options),
    )
    bring_up((made.kafka, made.s3))
    yield made
    take_down((made.kafka, made.s3))


@pytest.fixture
def kafka(engines: Engines) -> Iterator[Kafka]:
    """The broker, for a case that ill-treats it: runs again afterwards."""
    yield engines.kafka
    if engines.kafka.running:
        engines.kafka.resume()
    else:
        engines.kafka.start()
    engines.kafka.wait_ready()


@pytest.fixture
def rig(engines: Engines, tmp_path: Path) -> Iterator[Rig]:
    """A world of its own, set up."""
    with Rig(engines, tmp_path) as made:
        made.set_up()
        yield made


Report = Callable[[Verdict, float], None]


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Notes a case for the table at the end: what the judge found, and how many seconds until a fresh poll flowed."""
    rows = request.config.stash.setdefault(_REPORT, [])
    return lambda verdict, seconds: rows.append((request.node.name, verdict, seconds))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not (rows := config.stash.get(_REPORT, [])):
        return
    terminalreporter.section("what the judge found")
    terminalreporter.line(
        f"{'case':<72} {'polls':>6} {'records':>8} {'lost':>5} {'doubled':>8} {'again':>6} {'back in':>8}"
    )
    for name, verdict, seconds in rows:
        counts = f"{verdict.polls:>6} {verdict.records:>8} {verdict.lost:>5} {verdict.doubled:>8} {verdict.again:>6}"
        terminalreporter.line(f"{name.removeprefix('test_'):<72} {counts} {seconds:>7.1f}s")
