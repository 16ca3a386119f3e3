"""The indexer as `python -m cryptoproxy.consumer` runs it, with shorter times where a test would otherwise wait for minutes.

| environment | does |
|---|---|
| ``TEST_CONSUMER`` | JSON: options of its Kafka consumer, such as ``session_timeout_ms`` |
| ``TEST_PATCH`` | JSON: dotted names of constants to their values |
"""

from __future__ import annotations

import functools
import json
import os
import sys

from cryptoproxy.common.clients import kafka as kafka_client
from cryptoproxy.common.start import start
from tests.faults.launch import patch

_consumer = kafka_client.consumer


@functools.wraps(_consumer)
def _with_options(*arguments: object, **options: object) -> object:
    return _consumer(*arguments, **(options | json.loads(os.environ.get("TEST_CONSUMER", "{}"))))


def main() -> int:
    from cryptoproxy.consumer.wiring import service

    kafka_client.consumer = _with_options
    patch(json.loads(os.environ.get("TEST_PATCH", "{}")))
    return service(start()).run()


if __name__ == "__main__":
    sys.exit(main())
