"""The fault itself destroys data: `reconcile` names what is missing, `replay` brings it back from the lake."""

from __future__ import annotations

import time

from kafka import TopicPartition

from cryptoproxy.consumer.index import template
from cryptoproxy.datasets import TICKER
from cryptoproxy.datasets.documents.mapping import properties
from tests.conftest import wait_until
from tests.faults import evidence
from tests.faults.conftest import Report
from tests.faults.indexing.commands import Person
from tests.faults.indexing.rig import IndexerRig


def settle(rig: IndexerRig) -> None:
    """No more polls; what was polled is on the topic, in the lake, and committed."""
    rig.settle()
    rig.wait_committed()


def test_the_index_is_deleted_while_running(rig: IndexerRig, report: Report) -> None:
    poller, indexer = rig.start(), rig.start_indexer()
    poller.wait_polls(4)
    indexer.wait_indexing()
    settle(rig)
    destroyed = rig.count()
    rig.es.indices.delete(index=rig.index)
    since = time.monotonic()
    rig.sandbox.resume()
    seconds = rig.recovered(since)
    mapping = rig.es.indices.get_mapping(index=rig.index)[rig.index]["mappings"]
    assert template.wrong_mapping(mapping, properties(TICKER)) is None, "made again by the template"
    settle(rig)
    person = Person(rig)
    missing, commands = person.missing()
    assert missing == destroyed > 0
    person.mends(commands)
    report(rig.judged(), seconds)


def test_retention_has_passed_the_offset(rig: IndexerRig, report: Report) -> None:
    poller, indexer = rig.start(), rig.start_indexer()
    indexer.wait_indexing()
    indexer.terminate()
    poller.wait_polls(6)
    rig.settle()
    partitions = [TopicPartition(rig.topic, number) for number in range(3)]
    group = rig.texts["KAFKA_CONSUMER_GROUP_ID"]
    committed = {each: at.offset for each, at in rig.admin.list_group_offsets({group: None})[group].items()}
    unread = {each: committed.get(each, 0) for each in partitions}
    rig.taken = evidence.on_topic(rig.settings)
    # A group that has no commit for a partition has no position to lose: only such as have one can have a gap.
    cut = {each: at + 5 for each, at in unread.items() if each in committed}
    rig.admin.delete_records(cut)
    kept = {each.value for each in evidence.on_topic(rig.settings)}
    rig.taken = [each for each in rig.taken if each.value not in kept]
    rig.sandbox.resume()
    since = time.monotonic()
    again = rig.start_indexer("again")
    seconds = rig.recovered(since)
    settle(rig)
    person = Person(rig)
    missing, commands = person.missing()
    assert again.metric("offset_gap_records") == missing == 5 * len(cut) > 0
    assert again.said("are gone before they were read", "cryptoproxy replay")
    person.mends(commands)
    report(rig.judged(), seconds)


def test_the_topic_is_deleted_and_made_again(rig: IndexerRig, report: Report) -> None:
    """While Elasticsearch takes nothing, so that there is something on the topic that was not read yet."""
    with rig.proxied() as proxy:
        poller, indexer = rig.start(), rig.start_indexer(BULK_MAX_RECORDS="10")
        indexer.wait_indexing()
        proxy.pause()
        indexer.wait_reason("does not answer")
        poller.wait_polls(8)
        rig.settle()
        behind = rig.lag()
        wait_until(lambda: indexer.metric("lag_records") == behind, what="the indexer knows how far it is behind")
        rig.taken = evidence.on_topic(rig.settings)
        unindexed = len(rig.taken) - rig.count()
        assert unindexed <= behind  # fewer where the pause cut off the answer to a batch that was indexed
        rig.admin.delete_topics([rig.topic])
        wait_until(lambda: rig.topic not in {each["name"] for each in rig.admin.describe_topics()}, what="no topic")
        rig.make_topics()
        indexer.wait_said("was deleted and made again")
        proxy.resume()
        rig.sandbox.resume()
        since = time.monotonic()
        seconds = rig.recovered(since)
        settle(rig)
        person = Person(rig)
        missing, commands = person.missing()
        assert indexer.metric("offset_gap_records") == behind > 0
        assert missing == unindexed > 0
        person.mends(commands)
        report(rig.judged(), seconds)
