from __future__ import annotations

import os

import pytest

from cryptoproxy.common.settings.environment import CALLED_ELSEWHERE, SPELLINGS


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the settings of whoever runs the tests."""
    for name in os.environ:
        if name in SPELLINGS or name in CALLED_ELSEWHERE:
            monkeypatch.delenv(name)
