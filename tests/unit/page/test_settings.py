"""Who may reach the page, and what it may send."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryptoproxy.common.settings import Settings
from cryptoproxy.errors import SettingsError


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"PAGE_HOST": "0.0.0.0"}, "PAGE_ANYBODY"),
        ({"PAGE_DOOR": "door.example"}, "PAGE_DOOR"),
        ({"PAGE_DOOR": "http://door.example", "PAGE_DOOR_TOKEN": "t"}, "unencrypted"),
        ({"PAGE_DOOR_CA_FILE": "/nowhere.pem"}, "is not a file"),
    ],
)
def test_what_contradicts_itself_is_told(texts: dict[str, str], words: str):
    with pytest.raises(SettingsError) as told:
        Settings.from_texts(texts)
    assert words in " ".join(told.value.faults)


def test_what_is_meant_is_taken(tmp_path: Path):
    (tmp_path / "ca.pem").write_text("")
    texts = {"PAGE_HOST": "10.0.0.5", "PAGE_ANYBODY": "true", "PAGE_DOOR": "https://door.example/",
             "PAGE_DOOR_TOKEN": "t", "PAGE_DOOR_CA_FILE": str(tmp_path / "ca.pem")}  # fmt: skip
    page = Settings.from_texts(texts).page
    assert (page.door, page.token.get()) == ("https://door.example", "t")
