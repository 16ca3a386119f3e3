"""Proxies and authorities of the environment: which count, and that no password of theirs is told."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

import pytest
import trustme

from cryptoproxy.common.clients import outside
from cryptoproxy.errors import OperatorError

URL = "https://api.example/x"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", *outside.BUNDLES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("text", "address", "login"),
    [
        ("http://proxy.example:3128", ("http", "proxy.example", 3128), None),
        ("proxy.example:3128", ("http", "proxy.example", 3128), None),
        ("http://proxy.example", ("http", "proxy.example", 80), None),
        ("https://proxy.example/", ("https", "proxy.example", 443), None),
        ("http://[::1]:3128", ("http", "::1", 3128), None),
        ("http://alice:s3cr3t@proxy.example:3128", ("http", "proxy.example", 3128), "alice:s3cr3t"),
        ("alice:s3cr3t@proxy.example:3128", ("http", "proxy.example", 3128), "alice:s3cr3t"),
        ("http://alice:s3%2F%23cr3t@proxy.example:3128", ("http", "proxy.example", 3128), "alice:s3/#cr3t"),
        ("http://alice:s3@cr3t@proxy.example:3128", ("http", "proxy.example", 3128), "alice:s3@cr3t"),
        ("http://alice:s3 %cr3t@proxy.example:3128", ("http", "proxy.example", 3128), "alice:s3 %cr3t"),
        ("http://DOM\\alice:s3cr3t@proxy.example:3128", ("http", "proxy.example", 3128), "DOM\\alice:s3cr3t"),
    ],
)
def test_a_proxy_is_read_as_people_write_it(
    text: str, address: tuple[str, str, int], login: str | None, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    proxy = outside.proxy_for(URL)
    assert proxy is not None
    assert proxy[:3] == address
    assert proxy.authorization == (login and f"Basic {base64.b64encode(login.encode()).decode()}")
    shown = "{}://{}:{}".format(*address).replace("::1", "[::1]")
    assert (str(proxy), repr(proxy)) == (shown, shown)


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    "text",
    [
        "http://alice:s3cr3t/pass@proxy.example:3128",
        "http://alice:s3cr3t#pass@proxy.example:3128",
        "http://alice:s3cr3t?pass@proxy.example:3128",
        "http://alice:s3cr3t[pass@proxy.example:3128",
        "http://alice:s3cr3t]pass@proxy.example:3128",
        "http://alice:12/s3cr3t@proxy.example:3128",
        "http://alice:s3cr3t@proxy.example:3128x",
        "http://alice:s3cr3t@proxy.example:99999",
        "http://alice:s3cr3t@proxy.example:0",
        "http://alice:s3cr3t@",
        "alice:s3cr3t[@proxy.example",
        "socks5://alice:s3cr3t@proxy.example:1080",
        "ftp://alice:s3cr3t@proxy.example",
        "://alice:s3cr3t@proxy.example",
        "http:/alice:s3cr3t@proxy.example",
    ],
)
def test_what_is_no_proxy_is_refused_without_a_word_of_it(
    text: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(OperatorError, match="HTTPS_PROXY or ALL_PROXY") as caught:
        outside.proxy_for(URL)
    assert "s3cr3t" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert "alice" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["http://alice:s3%2Fcr3t@proxy.example", "alice:s3%2Fcr3t@proxy.example", "http://alice:s3%2Fcr3t[@x"]
)
def test_the_passwords_of_proxies_are_known_to_the_log(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", text)
    assert any(secret.startswith("s3%2Fcr3t") for secret in outside.proxy_passwords())
    assert any(secret.startswith("s3/cr3t") for secret in outside.proxy_passwords())


def test_no_proxy_and_an_empty_one_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outside.proxy_for(URL) is None
    assert outside.proxy_passwords() == set()
    monkeypatch.setenv("HTTPS_PROXY", "")
    assert outside.proxy_for(URL) is None
    monkeypatch.setenv("HTTPS_PROXY", "http://alice:s3cr3t[@proxy.example")
    monkeypatch.setenv("NO_PROXY", "api.example")
    assert outside.proxy_for(URL) is None


def test_the_environment_s_authorities_count_instead_of_the_machine_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = outside.authorities()
    assert Path(machine).is_file()
    for count, name in enumerate(outside.BUNDLES, start=1):
        trustme.CA().cert_pem.write_to_path(tmp_path / name)
        monkeypatch.setenv(name, str(tmp_path / name))
        assert len(outside.tls().get_ca_certs()) == count
    for name in outside.BUNDLES:
        monkeypatch.setenv(name, machine)
    assert outside.authorities() == str(Path(machine).resolve())


def test_without_any_authority_on_the_machine_those_of_certifi_count(monkeypatch: pytest.MonkeyPatch) -> None:
    none = ssl.get_default_verify_paths()._replace(cafile=None, capath=None)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: none)
    monkeypatch.setattr(outside, "_SYSTEM", ())
    assert "certifi" in outside.authorities()
    assert outside.tls().get_ca_certs()


def test_authorities_that_are_not_there_or_none_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "away.pem"))
    with pytest.raises(OperatorError, match=r"SSL_CERT_FILE=.*away\.pem"):
        outside.tls()
    (tmp_path / "none.pem").write_text("no certificate")
    with pytest.raises(OperatorError, match=r"none\.pem cannot be used"):
        outside.tls(tmp_path / "none.pem")
