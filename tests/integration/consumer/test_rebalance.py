"""Members that join, leave and die while records flow: nothing is lost, nothing is stored twice."""

from __future__ import annotations

from sandbox.faults import Rule, Script
from sandbox.proxy import FaultProxy
from tests.conftest import wait_until
from tests.integration.consumer.conftest import Bench


def test_what_a_rebalance_found_unfinished_is_not_skipped_by_the_member_that_keeps_the_partition(bench: Bench) -> None:
    """The client keeps its position in a partition that it had before and has after a rebalance."""
    script = Script([Rule(name="down", path="/_bulk", status=503)])
    with FaultProxy(bench.settings.elasticsearch.url, script) as proxy:
        first = bench.start(ES_URL_ENDPOINT=proxy.url)
        bench.produce(300)
        assert script.wait_fired(1, "down")
        second = bench.start()
        wait_until(lambda: bench.count() > 0, what="the second member has a partition")
        script.clear("down")
        bench.produce(100)
        bench.wait_committed()
        wait_until(lambda: bench.count() == 400 or bench.committed() == bench.ends(), what="all indexed")
        bench.account()
        second.stop()
        first.stop()
