from __future__ import annotations

import os

import pytest

from common.settings.catalogue import SECTIONS
from common.settings.elsewhere import CALLED_ELSEWHERE
from common.settings.loading import declared_in

NAMES = {declared.name for section in SECTIONS.values() for _, declared in declared_in(section)}


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the settings of whoever runs the tests."""
    for name in os.environ:
        if name.removesuffix("_FILE") in NAMES or name in CALLED_ELSEWHERE:
            monkeypatch.delenv(name)
