"""The bench of the backfill tests, with `cryptoproxy lake …`."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from cryptoproxy.cli.upkeep import lake as command
from cryptoproxy.common.start import load_settings
from tests.integration.backfill import conftest
from tests.integration.backfill.conftest import Bench

bench = conftest.bench


@pytest.fixture
def lake(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Result]:
    """``compact --date …`` as it would stand behind ``cryptoproxy --env-file … lake``."""
    monkeypatch.setattr(command, "start", load_settings)  # logging stays as pytest has it

    def run(line: str) -> Result:
        result = CliRunner().invoke(command.lake, shlex.split(line), obj=bench.env_file)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
