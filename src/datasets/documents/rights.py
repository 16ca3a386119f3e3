"""The rights of each part of the system, made from the table: bodies of Elasticsearch roles, a script of Kafka ACLs.

One user per part, so that none can do more than its work (docs/security.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cryptoproxy.datasets.contracts.ticker import TICKER
from cryptoproxy.datasets.dataset import Dataset


def roles(datasets: Mapping[str, Dataset[Any]]) -> dict[str, dict[str, Any]]:
    """Bodies for ``PUT _security/role/NAME`` by name, with the aliases of the contracts."""
    indexed = [each for each in datasets.values() if each.alias is not None]
    every = _names(indexed)
    kept, replaced = ([each for each in indexed if each.compacted is compacted] for compacted in (False, True))
    may_write = [
        {"names": _names(some), "privileges": ["view_index_metadata", "auto_configure", word]}
        for some, word in ((kept, "create_doc"), (replaced, "index"))
        if some
    ]
    # What is told anew is held against what is there.
    may_read = [
        {"names": _names(some), "privileges": ["read"]}
        for some in ([each for each in indexed if each.corrected],)
        if some
    ]
    return {
        "crypto_setup": {
            "cluster": ["monitor", "manage_index_templates"],
            "indices": [
                {"names": every, "privileges": ["view_index_metadata", "create_index", "indices:admin/mapping/put"]}
            ],
        },
        "crypto_indexer": {"cluster": ["monitor"], "indices": [*may_write, *may_read]},
        "crypto_reader": {
            "cluster": [],
            "indices": [{"names": every, "privileges": ["view_index_metadata", "read"]}],
        },
        "crypto_retention": {
            "cluster": ["monitor"],
            "indices": [
                {"names": every, "privileges": ["view_index_metadata", "read", "maintenance"]},
                {"names": [f"{each.alias}-*" for each in kept], "privileges": ["delete_index"]},
            ],
        },
    }


def _names(datasets: Iterable[Dataset[Any]]) -> list[str]:
    return [name for each in datasets for name in (f"{each.alias}", f"{each.alias}-*")]


def kafka_acls(datasets: Mapping[str, Dataset[Any]]) -> str:
    """A shell script with a call of ``kafka-acls.sh`` for each right."""
    others = [each for each in datasets.values() if each.name != TICKER.name]
    variables = "".join(f"{_variable(each)}=${{{_variable(each)}:-{each.topic}}}\n" for each in others)
    named = ", ".join(_variable(each) for each in others)

    def of_records(user: str, *operations: str) -> str:
        words = " ".join(f"--operation {each}" for each in operations)
        lines = [f"acl User:{user} --topic $TOPIC {words}"]
        for each in others:
            # One with several topics has them all below its name.
            where = f"${_variable(each)}." if len(each.parts) > 1 else f"${_variable(each)}"
            prefixed = " --resource-pattern-type prefixed" if len(each.parts) > 1 else ""
            lines.append(f"acl User:{user} --topic {where}{prefixed} {words}")
        return "\n".join(lines)

    made = "\n".join(
        f"acl User:crypto_setup --topic ${name} --resource-pattern-type prefixed --operation Create "
        "--operation Describe --operation DescribeConfigs --operation AlterConfigs"
        for name in ("TOPIC", "ANSWERS", "LIVE", *map(_variable, others))
    )
    return _SCRIPT.format(
        topic=TICKER.topic,
        variables=variables,
        named=named,
        made=made,
        written=of_records("crypto_poller", "Read", "Write", "Describe"),
        consumed=of_records("crypto_indexer", "Read", "Describe"),
        read=of_records("crypto_reader", "Read", "Describe"),
        served=of_records("crypto_door", "Read", "Describe"),
        looked=of_records("crypto_operator", "Read", "Describe"),
        watched=of_records("crypto_watch", "Read", "Describe"),
    )


def _variable(dataset: Dataset[Any]) -> str:
    return dataset.name.upper()


_SCRIPT = """\
#!/bin/sh
# Made by `make docs` from the table of datasets; do not edit.
# The rights of each part, for an authorizer that denies what no ACL allows. Run it as a user that may alter ACLs:
#
#   sh docs/security/kafka-acls.sh --bootstrap-server kafka-1.example:9093 --command-config admin.properties
#
# TOPIC, GROUP, ANSWERS and LIVE are KAFKA_TOPIC, KAFKA_CONSUMER_GROUP_ID,
# KAFKA_ANSWERS_TOPIC and KAFKA_LIVE_TOPIC, {named} of KAFKA_TOPICS, where those are set otherwise.
set -eu
ANSWERS=${{ANSWERS:-crypto.answers}}
LIVE=${{LIVE:-crypto.live}}
TOPIC=${{TOPIC:-{topic}}}
GROUP=${{GROUP:-cryptoproxy-indexer}}
{variables}kafka="$*"

acl() {{
  # shellcheck disable=SC2086 - the way to the brokers is several words
  kafka-acls.sh $kafka --add --allow-principal "$@"
}}

# cryptoproxy setup: makes the topics and sets their configuration
{made}

# cryptoproxy produce; a stream goes on where the topic ends
{written}
acl User:crypto_poller --topic $ANSWERS --operation Write --operation Describe
acl User:crypto_poller --topic $LIVE --operation Write --operation Describe
acl User:crypto_poller --topic $TOPIC.dlq --operation Write --operation Describe
acl User:crypto_poller --topic $TOPIC.state --operation Read --operation Write --operation Describe
acl User:crypto_poller --topic $TOPIC.lease --operation Read --operation Describe
acl User:crypto_poller --group $TOPIC.lease --operation Read

# cryptoproxy consume; its groups are GROUP, and for other datasets GROUP with a dot and their name
{consumed}
acl User:crypto_indexer --topic $TOPIC.dlq --operation Write --operation Describe
acl User:crypto_indexer --topic $TOPIC.state --operation Read --operation Describe
acl User:crypto_indexer --group $GROUP --operation Read
acl User:crypto_indexer --group $GROUP. --resource-pattern-type prefixed --operation Read

# readers of the topics, in groups of their own names
{read}
acl User:crypto_reader --topic $ANSWERS --operation Read --operation Describe
acl User:crypto_reader --topic $LIVE --operation Read --operation Describe
acl User:crypto_reader --group crypto_reader --resource-pattern-type prefixed --operation Read

# cryptoproxy serve; on the state topic it finds the active poller, to ask for what the road does not carry
{served}
acl User:crypto_door --topic $ANSWERS --operation Read --operation Describe
acl User:crypto_door --topic $LIVE --operation Read --operation Describe
acl User:crypto_door --topic $TOPIC.state --operation Read --operation Describe
acl User:crypto_door --topic $USAGE --operation Write --operation Describe
# How far the indexers are behind, for /v1/working; without it the door says that it cannot tell
acl User:crypto_door --group $GROUP --operation Describe
acl User:crypto_door --group $GROUP. --resource-pattern-type prefixed --operation Describe

# cryptoproxy watch
{watched}
acl User:crypto_watch --topic $ALERT --operation Write --operation Describe
acl User:crypto_watch --topic $STATS --operation Write --operation Describe
acl User:crypto_watch --topic $CANDLE.1m --operation Write --operation Describe
acl User:crypto_watch --topic $TOPIC.watch --operation Read --operation Write --operation Describe
acl User:crypto_watch --topic $TOPIC.state --operation Read --operation Describe
acl User:crypto_watch --group $TOPIC.watch --operation Read
acl User:crypto_watch --group $ALERT.archive --operation Read
acl User:crypto_watch --group $USAGE.archive --operation Read
acl User:crypto_watch --group $CANDLE.1m.archive --operation Read
acl User:crypto_watch --transactional-id $TOPIC.watch- --resource-pattern-type prefixed --operation Write \\
  --operation Describe

# cryptoproxy models predict
acl User:crypto_models --topic $CANDLE. --resource-pattern-type prefixed --operation Read --operation Describe
acl User:crypto_models --topic $PREDICTION --operation Read --operation Write --operation Describe
acl User:crypto_models --group $PREDICTION.archive --operation Read

# cryptoproxy brokers: looks at all that there is, and reads nothing
acl User:crypto_brokers --topic '*' --operation Describe
acl User:crypto_brokers --group '*' --operation Describe
acl User:crypto_brokers --cluster --operation Describe

# a person: cryptoproxy status, reconcile, dead-letters, consume --accept-poison
{looked}
acl User:crypto_operator --topic $TOPIC.dlq --operation Read --operation Describe
acl User:crypto_operator --topic $TOPIC.state --operation Read --operation Write --operation Describe
acl User:crypto_operator --topic $TOPIC.lease --operation Describe
acl User:crypto_operator --group $TOPIC.lease --operation Describe
acl User:crypto_operator --group $GROUP --operation Describe
acl User:crypto_operator --group $GROUP. --resource-pattern-type prefixed --operation Describe
"""
