"""The indexers themselves are stopped, killed, changed for others, and run out of what they need."""

from __future__ import annotations

import itertools
import resource
import signal
import time

import pytest

from cryptoproxy.sandbox import Rule
from tests.conftest import wait_until
from tests.faults.conftest import Report, Say, seeded
from tests.faults.indexing.process import ENDLESS_SESSION, QUICK_SESSION, IndexerProcess
from tests.faults.indexing.rig import IndexerRig


@pytest.mark.parametrize("times", [10, pytest.param(50, marks=pytest.mark.long)])
@pytest.mark.timeout(900)
def test_sigterm_at_random_moments(rig: IndexerRig, report: Report, say: Say, times: int) -> None:
    """Exit code 0, also before it has begun and in the middle of a bulk."""
    moments, slowest = seeded(say, f"{times} times SIGTERM"), 0.0
    with rig.feeder.flow(300):
        for number in range(times):
            indexer = rig.start_indexer(f"indexer-{number}", test=QUICK_SESSION, BULK_MAX_RECORDS="100")
            indexer.wait_said("indexer started")
            time.sleep(moments.uniform(0, 3))  # where in its work it is met is the point
            slowest = max(slowest, indexer.terminate())
            assert not indexer.said("Traceback")
            indexer.close()
    say(f"the slowest of {times} stops took {slowest:.1f} s")
    since = time.monotonic()
    rig.start_indexer("last", test=QUICK_SESSION)
    seconds = rig.recovered(since)
    report(rig.judged(), seconds)


@pytest.mark.timeout(300)
def test_a_killed_indexer_reads_again_at_once(rig: IndexerRig, report: Report) -> None:
    """SIGKILL, and a new process of the same name: it does not wait for the dead one's session to end. It sees, too, when
    partitions are added later, which only a group's leader looks for."""
    first = rig.start_indexer("first", test=ENDLESS_SESSION, KAFKA_GROUP_INSTANCE_ID="one")
    rig.feeder.feed(500)
    first.wait_indexing()
    first.kill()
    for partition in range(3):
        rig.feeder.feed(20, partition=partition)
    since = time.monotonic()
    rig.start_indexer("again", test=ENDLESS_SESSION, KAFKA_GROUP_INSTANCE_ID="one")
    seconds = rig.recovered(since)
    rig.admin.create_partitions({rig.topic: 6})
    rig.feeder.forget_producer()
    for partition in range(6):
        rig.feeder.feed(20, partition=partition)
    rig.wait_committed()
    report(rig.judged(), seconds)


@pytest.mark.timeout(300)
def test_indexers_with_names_share_leave_and_are_confused(rig: IndexerRig, report: Report) -> None:
    """A named one that is stopped in order gives its partitions away at once; two of one name go on as two."""
    named = [
        rig.start_indexer(f"indexer-{name}", test=ENDLESS_SESSION, KAFKA_GROUP_INSTANCE_ID=name)
        for name in ("one", "two")
    ]
    with rig.feeder.flow(200):
        for indexer in named:
            indexer.wait_indexing()
    named[1].terminate()
    since = time.monotonic()
    for partition in range(3):
        rig.feeder.feed(20, partition=partition)
    seconds = rig.recovered(since)
    with rig.feeder.flow(200):
        other = rig.start_indexer("another one", test=ENDLESS_SESSION, KAFKA_GROUP_INSTANCE_ID="one")
        named[0].wait_said("another indexer of group", "is called one too")
        for indexer in (named[0], other):
            before = indexer.metric("documents_indexed")
            indexer.wait_metric("documents_indexed", before + 100)
    rig.wait_committed()
    report(rig.judged(), seconds)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_members_join_leave_are_killed_and_are_restarted_in_turn(rig: IndexerRig, report: Report) -> None:
    """While records flow, some of them poison: two, a third joins and leaves, one is killed, then three restarts in
    turn."""
    rig.letters_may_repeat = True

    def begin(name: str) -> IndexerProcess:
        rig.feeder.feed_poison([b"not JSON"] * 3)
        made = rig.start_indexer(name, test=QUICK_SESSION)
        made.wait_indexing()
        return made

    with rig.feeder.flow(400):
        members = [begin("first"), begin("second")]
        third = begin("third")
        third.terminate()
        members[1].kill()
        count = rig.count()
        rig.wait_count(count + 1500)
        members[1] = begin("second again")
        members.append(begin("fourth"))
        for number, member in enumerate(members):
            member.terminate()
            members[number] = begin(f"restarted {number}")
        since = time.monotonic()
    seconds = rig.recovered(since)
    assert all(member.running for member in members)
    report(rig.judged(), seconds)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_bulk_that_takes_longer_than_max_poll_interval(rig: IndexerRig, report: Report) -> None:
    """`poll` goes on while a batch is under way, so the group does not take the partitions away."""
    options = {"TEST_CONSUMER": '{"session_timeout_ms": 6000, "max_poll_interval_ms": 8000}'}
    with rig.proxied() as proxy:
        proxy.script.add(Rule(name="slow", path="/_bulk", last=2, delay=20.0))
        indexer = rig.start_indexer(test=options, BULK_MAX_RECORDS="50")
        rig.feeder.feed(300)
        assert proxy.script.wait_fired(2, "slow", timeout=180)
        seconds = rig.recovered(time.monotonic())
        assert not indexer.said("max.poll.interval")
        assert indexer.metric("offset_commits", outcome="failed") == 0
        assert indexer.metric("duplicates") == 0, "nothing was read twice"
        report(rig.judged(), seconds)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_sigkill_each_1_to_5_s_for_two_minutes_over_poller_and_indexers(
    rig: IndexerRig, report: Report, say: Say
) -> None:
    """The whole road, with the times that production has; then quiet."""
    moments, names = seeded(say, "two minutes of SIGKILL"), itertools.count()
    alone = {"TEST_ALONE": "1"}
    rig.start(test=alone)
    rig.start_indexer(f"indexer-{next(names)}")
    rig.start_indexer(f"indexer-{next(names)}")
    ends, kills = time.monotonic() + 120, 0
    while time.monotonic() < ends:
        time.sleep(moments.uniform(1, 5))
        kills += 1
        running = [each for each in (*rig.pollers, *rig.indexers) if each.running]
        victim = moments.choice(running)
        if isinstance(victim, IndexerProcess):
            victim.kill()
            rig.start_indexer(f"indexer-{next(names)}")
        else:
            rig.kill(victim)
            rig.start(f"poller-{next(names)}", test=alone)
    since = time.monotonic()
    seconds = rig.recovered(since, seconds=240)
    assert kills > 20
    report(rig.judged(seconds=240), seconds)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_file_descriptors_are_used_up(rig: IndexerRig, report: Report) -> None:
    """It has none left when Elasticsearch's connections must be made anew."""
    with rig.proxied() as proxy:
        indexer = rig.start_indexer()
        with rig.feeder.flow(200):
            indexer.wait_indexing()
            url = indexer.url
            soft, hard = resource.prlimit(indexer.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(indexer.pid, resource.RLIMIT_NOFILE, (3, hard))
            proxy.pause()
            proxy.resume()
            indexer.wait_said("not ready: ticker elasticsearch")
            before = rig.count()
            assert indexer.running
            resource.prlimit(indexer.pid, resource.RLIMIT_NOFILE, (soft, hard))
            since = time.monotonic()
            rig.wait_count(before + 200)
        seconds = rig.recovered(since)
        assert indexer.url == url
        report(rig.judged(), seconds)


def test_the_disk_of_its_log_is_full(rig: IndexerRig, report: Report) -> None:
    since = time.monotonic()
    indexer = rig.start_indexer(LOG_FILE="/dev/full")
    rig.feeder.feed(500)
    seconds = rig.recovered(since)
    wait_until(lambda: indexer.said("indexed "), what="the line of what was indexed")
    assert not indexer.said("Traceback")
    indexer.terminate()
    rig.start_indexer("again")
    rig.feeder.feed(10)
    report(rig.judged(), seconds)


def test_frozen_and_thawed_it_goes_on(rig: IndexerRig, report: Report) -> None:
    """SIGSTOP past its session: the group has gone on without it, and its commits are refused; it joins anew."""
    indexer = rig.start_indexer("indexer", test=QUICK_SESSION, BULK_MAX_RECORDS="100")
    with rig.feeder.flow(300):
        indexer.wait_indexing()
        indexer.signal(signal.SIGSTOP)
        frozen = time.monotonic()
        wait_until(lambda: time.monotonic() > frozen + 9, what="longer than its session")
        indexer.signal(signal.SIGCONT)
        since = time.monotonic()
    seconds = rig.recovered(since)
    assert indexer.running
    report(rig.judged(), seconds)
