from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry, Counter

from cryptoproxy.common.service import Health
from cryptoproxy.common.service.http import HealthServer
from cryptoproxy.errors import OperatorError


class Site:
    def __init__(self) -> None:
        self.health = Health()
        self.late: list[str] = []
        self.registry = CollectorRegistry()
        self.server = HealthServer("127.0.0.1", 0, health=self.health, stuck=lambda: self.late, registry=self.registry)
        self.server.start()

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.server.url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    def get(self, path: str) -> tuple[int, str, str]:
        connection = http.client.HTTPConnection(*self.address, timeout=180)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.headers.get_content_type(), answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.server.close()


def test_a_process_whose_loops_turn_is_alive(site: Site) -> None:
    assert site.get("/livez") == (200, "text/plain", "ok\n")
    site.late.append("publish")
    assert site.get("/livez") == (503, "text/plain", "stuck: publish\n")


def test_a_process_that_is_held_up_is_alive_and_not_ready_and_says_why(site: Site) -> None:
    status, content_type, body = site.get("/readyz")
    assert (status, content_type, json.loads(body)) == (200, "application/json", {"ready": True, "reasons": {}})
    site.health.hold("kafka", 'ünïcode "away"')
    status, _, body = site.get("/readyz")
    assert (status, json.loads(body)) == (503, {"ready": False, "reasons": {"kafka": 'ünïcode "away"'}})
    assert site.get("/livez")[0] == 200
    site.health.release("kafka")
    assert site.get("/readyz")[0] == 200


def test_a_part_can_be_left_out_of_readiness(site: Site) -> None:
    site.health.hold("lease", "standing by")
    assert site.get("/readyz")[0] == 503
    assert site.get("/readyz?exclude=lease")[0] == 200
    site.health.hold("s3", "away")
    status, _, body = site.get("/readyz?exclude=lease")
    assert (status, json.loads(body)["reasons"]) == (503, {"s3": "away"})
    assert site.get("/readyz?exclude=lease&exclude=s3")[0] == 200


def test_what_holds_a_process_up_is_in_its_metrics_as_long_as_it_does(site: Site) -> None:
    site.health.hold("source coingecko", "429")
    assert 'cryptoproxy_held_up{part="source coingecko"} 1.0' in site.get("/metrics")[2]
    site.health.release("source coingecko")
    assert "cryptoproxy_held_up{" not in site.get("/metrics")[2]


def test_metrics_are_prometheus_s_text(site: Site) -> None:
    Counter("cryptoproxy_polls", "Polls", registry=site.registry).inc(3)
    status, content_type, body = site.get("/metrics?name[]=x")
    assert (status, content_type) == (200, "text/plain")
    assert "cryptoproxy_polls_total 3.0" in body


def test_another_path_says_what_there_is(site: Site) -> None:
    assert site.get("/") == (404, "text/plain", "there are /livez, /readyz and /metrics\n")


def test_peers_that_hang_up_or_talk_nonsense_do_no_harm(site: Site) -> None:
    for words in (b"", b"nonsense\r\n\r\n", b"GET /metrics HTTP/1.1\r\n"):
        with socket.create_connection(site.address, timeout=180) as connection:
            connection.sendall(words)
    silent = socket.create_connection(site.address, timeout=180)
    try:
        assert site.get("/livez")[0] == 200
    finally:
        silent.close()


def test_a_port_that_is_taken_is_a_clear_error(site: Site) -> None:
    host, port = site.address
    with pytest.raises(OperatorError, match=rf"the health port {host}:{port} cannot be opened: .*in use") as caught:
        HealthServer(host, port, health=site.health, stuck=list, registry=site.registry)
    assert "PYTHON_PRODUCER_SERVER_PORT" in caught.value.remedy


def test_an_address_of_another_machine_is_a_clear_error(site: Site) -> None:
    with pytest.raises(OperatorError, match=r"192\.0\.2\.1:1"):
        HealthServer("192.0.2.1", 1, health=site.health, stuck=list, registry=site.registry)


def test_a_port_that_is_taken_names_who_has_it(site: Site) -> None:
    host, port = site.address
    with pytest.raises(OperatorError, match=rf"in use \(\S.* \(pid {os.getpid()}\)\)"):
        HealthServer(host, port, health=site.health, stuck=list, registry=site.registry)
