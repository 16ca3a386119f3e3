"""The file that tells the other commands where the embedded engines are."""

from __future__ import annotations

from pathlib import Path

from cryptoproxy.cli.engines import write_connection
from cryptoproxy.engines.stack import Endpoints


def test_the_engines_keys_are_their_owner_s_alone_whatever_file_was_there(tmp_path: Path) -> None:
    (tmp_path / "connection.env").write_text("older")
    (tmp_path / "connection.env").chmod(0o644)
    path = write_connection(tmp_path, Endpoints("127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3", "a", "b"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert "AWS_S3_SECRET_KEY=b\n" in path.read_text()
