"""A taken port is told with who holds it and what to change."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import astuple

import pytest

from cryptoproxy.engines.ports import HOST, Ports, free_ports, holder, is_free, require_free
from cryptoproxy.errors import OperatorError


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as listener:
        yield listener.getsockname()[1]


def test_a_taken_port_is_told_with_its_holder_and_the_setting(taken: int) -> None:
    assert holder(taken) is not None
    with pytest.raises(OperatorError) as caught:
        require_free(taken, what="Kafka", setting="--kafka-port")
    said = str(caught.value)
    assert f"port {taken}, wanted for Kafka, is taken by" in said
    assert f"(pid {os.getpid()})" in said
    assert "--kafka-port" in said


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_a_port_taken_on_all_addresses_is_taken(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family, dualstack_ipv6=family == socket.AF_INET6) as listener:
        assert not is_free(listener.getsockname()[1])


def test_a_port_that_was_just_left_is_free() -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection((HOST, port)) as client:
            server, _ = listener.accept()
            server.close()  # the server's side closes first and lingers in TIME_WAIT
            client.recv(1)
    require_free(port, what="S3", setting="--s3-port")


def test_free_ports_differ_and_can_be_used() -> None:
    ports = Ports.free()
    assert len(set(astuple(ports))) == 5
    assert all(map(is_free, astuple(ports)))
    assert len(set(free_ports(50))) == 50


def test_a_port_of_0_is_the_remembered_one_or_a_free_one() -> None:
    asked = Ports(kafka=9092, kafka_controller=0, elasticsearch=0, elasticsearch_transport=0, s3=1)
    assert asked.settled(Ports(11, 12, 13, 14, 15)) == Ports(9092, 12, 13, 14, 1)
    fresh = astuple(asked.settled(None))
    assert all(fresh)
    assert len(set(fresh)) == 5
