from __future__ import annotations

import os

import pytest

from cryptoproxy.common.settings.child import SPELLINGS
from cryptoproxy.common.settings.elsewhere import CALLED_ELSEWHERE


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the settings of whoever runs the tests."""
    for name in os.environ:
        if name in SPELLINGS or name in CALLED_ELSEWHERE:
            monkeypatch.delenv(name)
