#!/bin/sh
# The rights of each part, for an authorizer that denies what no ACL allows. Run it as a user that may alter ACLs:
#
#   sh docs/security/kafka-acls.sh --bootstrap-server kafka-1.example:9093 --command-config admin.properties
#
# TOPIC and GROUP are KAFKA_TOPIC and KAFKA_CONSUMER_GROUP_ID, where those are set otherwise.
set -eu
TOPIC=${TOPIC:-crypto-data}
GROUP=${GROUP:-cryptoproxy-indexer}
kafka="$*"

acl() {
  # shellcheck disable=SC2086 - the way to the brokers is several words
  kafka-acls.sh $kafka --add --allow-principal "$@"
}

# cryptoproxy setup: makes the four topics and sets their configuration
acl User:crypto_setup --topic $TOPIC --resource-pattern-type prefixed --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs

# cryptoproxy produce
acl User:crypto_poller --topic $TOPIC --operation Write --operation Describe
acl User:crypto_poller --topic $TOPIC.dlq --operation Write --operation Describe
acl User:crypto_poller --topic $TOPIC.state --operation Read --operation Write --operation Describe
acl User:crypto_poller --topic $TOPIC.lease --operation Read --operation Describe
acl User:crypto_poller --group $TOPIC.lease --operation Read

# cryptoproxy consume
acl User:crypto_indexer --topic $TOPIC --operation Read --operation Describe
acl User:crypto_indexer --topic $TOPIC.dlq --operation Write --operation Describe
acl User:crypto_indexer --topic $TOPIC.state --operation Read --operation Describe
acl User:crypto_indexer --group $GROUP --operation Read

# readers of the topic, in groups of their own names
acl User:crypto_reader --topic $TOPIC --operation Read --operation Describe
acl User:crypto_reader --group crypto_reader --resource-pattern-type prefixed --operation Read

# a person: cryptoproxy status, reconcile, dead-letters, consume --accept-poison
acl User:crypto_operator --topic $TOPIC --operation Read --operation Describe
acl User:crypto_operator --topic $TOPIC.dlq --operation Read --operation Describe
acl User:crypto_operator --topic $TOPIC.state --operation Read --operation Write --operation Describe
acl User:crypto_operator --topic $TOPIC.lease --operation Describe
acl User:crypto_operator --group $TOPIC.lease --operation Describe
acl User:crypto_operator --group $GROUP --operation Describe
