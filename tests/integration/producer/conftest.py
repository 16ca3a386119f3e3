"""A sandbox as the upstream of a world of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cryptoproxy.sandbox import Sandbox
from tests.integration.conftest import World

COINS = 20


@pytest.fixture
def upstream(world: World) -> Iterator[Sandbox]:
    with Sandbox(coins=100) as sandbox:
        world.texts |= {
            "COINGECKO_BASE_URL": sandbox.base_url("coingecko"),
            "BINANCE_BASE_URL": sandbox.base_url("binance"),
            "COINGECKO_CALLS_PER_MINUTE": "0",
            "COINGECKO_TOP_N": str(COINS),
            "KAFKA_PRODUCER_BATCH_INTERVAL": "1",
            "BINANCE_INTERVAL": "1",
            "AWS_S3_OBJECT_SECONDS": "1",
        }
        yield sandbox
