#!/bin/sh
# Made by `make docs` from the table of datasets; do not edit.
# The rights of each part, for an authorizer that denies what no ACL allows. Run it as a user that may alter ACLs:
#
#   sh docs/security/kafka-acls.sh --bootstrap-server kafka-1.example:9093 --command-config admin.properties
#
# TOPIC, GROUP, ANSWERS and LIVE are KAFKA_TOPIC, KAFKA_CONSUMER_GROUP_ID,
# KAFKA_ANSWERS_TOPIC and KAFKA_LIVE_TOPIC, CANDLE, MARKET, ASSET, TRADE, BOOK, GAP, ALERT, PREDICTION, STATS, USAGE of KAFKA_TOPICS, where those are set otherwise.
set -eu
ANSWERS=${ANSWERS:-crypto.answers}
LIVE=${LIVE:-crypto.live}
TOPIC=${TOPIC:-crypto-data}
GROUP=${GROUP:-cryptoproxy-indexer}
CANDLE=${CANDLE:-crypto.ohlcv}
MARKET=${MARKET:-crypto.market.data}
ASSET=${ASSET:-crypto.assets}
TRADE=${TRADE:-crypto.trades.raw}
BOOK=${BOOK:-crypto.books}
GAP=${GAP:-crypto.gaps}
ALERT=${ALERT:-crypto.alerts}
PREDICTION=${PREDICTION:-crypto.predictions}
STATS=${STATS:-crypto.stats}
USAGE=${USAGE:-crypto.usage}
kafka="$*"

acl() {
  # shellcheck disable=SC2086 - the way to the brokers is several words
  kafka-acls.sh $kafka --add --allow-principal "$@"
}

# cryptoproxy setup: makes the topics and sets their configuration
acl User:crypto_setup --topic $TOPIC --resource-pattern-type prefixed --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs
acl User:crypto_setup --topic $ANSWERS --resource-pattern-type prefixed --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs
acl User:crypto_setup --topic $LIVE --resource-pattern-type prefixed --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs
acl User:crypto_setup --topic $CANDLE --resource-pattern-type prefixed --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs
acl User:crypto_setup --topic $MARKET --resource-pattern-type prefixed --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs
acl User:crypto_setup --topic $ASSET --resource-pattern-type prefixed --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs
acl User:crypto_setup --topic $TRADE --resource-pattern-type prefixed --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs
acl User:crypto_setup --topic $BOOK --resource-pattern-type prefixed --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs
acl User:crypto_setup --topic $GAP --resource-pattern-type prefixed --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs
acl User:crypto_setup --topic $ALERT --resource-pattern-type prefixed --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs
acl User:crypto_setup --topic $PREDICTION --resource-pattern-type prefixed --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs
acl User:crypto_setup --topic $STATS --resource-pattern-type prefixed --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs
acl User:crypto_setup --topic $USAGE --resource-pattern-type prefixed --operation Create --operation Describe --operation DescribeConfigs --operation AlterConfigs

# cryptoproxy produce; a stream goes on where the topic ends
acl User:crypto_poller --topic $TOPIC --operation Read --operation Write --operation Describe
acl User:crypto_poller --topic $CANDLE. --resource-pattern-type prefixed --operation Read --operation Write --operation Describe
acl User:crypto_poller --topic $MARKET --operation Read --operation Write --operation Describe
acl User:crypto_poller --topic $ASSET --operation Read --operation Write --operation Describe
acl User:crypto_poller --topic $TRADE --operation Read --operation Write --operation Describe
acl User:crypto_poller --topic $BOOK --operation Read --operation Write --operation Describe
acl User:crypto_poller --topic $GAP --operation Read --operation Write --operation Describe
acl User:crypto_poller --topic $ALERT --operation Read --operation Write --operation Describe
acl User:crypto_poller --topic $PREDICTION --operation Read --operation Write --operation Describe
acl User:crypto_poller --topic $STATS --operation Read --operation Write --operation Describe
acl User:crypto_poller --topic $USAGE --operation Read --operation Write --operation Describe
acl User:crypto_poller --topic $ANSWERS --operation Write --operation Describe
acl User:crypto_poller --topic $LIVE --operation Write --operation Describe
acl User:crypto_poller --topic $TOPIC.dlq --operation Write --operation Describe
acl User:crypto_poller --topic $TOPIC.state --operation Read --operation Write --operation Describe
acl User:crypto_poller --topic $TOPIC.lease --operation Read --operation Describe
acl User:crypto_poller --group $TOPIC.lease --operation Read

# cryptoproxy consume; its groups are GROUP, and for other datasets GROUP with a dot and their name
acl User:crypto_indexer --topic $TOPIC --operation Read --operation Describe
acl User:crypto_indexer --topic $CANDLE. --resource-pattern-type prefixed --operation Read --operation Describe
acl User:crypto_indexer --topic $MARKET --operation Read --operation Describe
acl User:crypto_indexer --topic $ASSET --operation Read --operation Describe
acl User:crypto_indexer --topic $TRADE --operation Read --operation Describe
acl User:crypto_indexer --topic $BOOK --operation Read --operation Describe
acl User:crypto_indexer --topic $GAP --operation Read --operation Describe
acl User:crypto_indexer --topic $ALERT --operation Read --operation Describe
acl User:crypto_indexer --topic $PREDICTION --operation Read --operation Describe
acl User:crypto_indexer --topic $STATS --operation Read --operation Describe
acl User:crypto_indexer --topic $USAGE --operation Read --operation Describe
acl User:crypto_indexer --topic $TOPIC.dlq --operation Write --operation Describe
acl User:crypto_indexer --topic $TOPIC.state --operation Read --operation Describe
acl User:crypto_indexer --group $GROUP --operation Read
acl User:crypto_indexer --group $GROUP. --resource-pattern-type prefixed --operation Read

# readers of the topics, in groups of their own names
acl User:crypto_reader --topic $TOPIC --operation Read --operation Describe
acl User:crypto_reader --topic $CANDLE. --resource-pattern-type prefixed --operation Read --operation Describe
acl User:crypto_reader --topic $MARKET --operation Read --operation Describe
acl User:crypto_reader --topic $ASSET --operation Read --operation Describe
acl User:crypto_reader --topic $TRADE --operation Read --operation Describe
acl User:crypto_reader --topic $BOOK --operation Read --operation Describe
acl User:crypto_reader --topic $GAP --operation Read --operation Describe
acl User:crypto_reader --topic $ALERT --operation Read --operation Describe
acl User:crypto_reader --topic $PREDICTION --operation Read --operation Describe
acl User:crypto_reader --topic $STATS --operation Read --operation Describe
acl User:crypto_reader --topic $USAGE --operation Read --operation Describe
acl User:crypto_reader --topic $ANSWERS --operation Read --operation Describe
acl User:crypto_reader --topic $LIVE --operation Read --operation Describe
acl User:crypto_reader --group crypto_reader --resource-pattern-type prefixed --operation Read

# cryptoproxy serve; on the state topic it finds the active poller, to ask for what the road does not carry
acl User:crypto_door --topic $TOPIC --operation Read --operation Describe
acl User:crypto_door --topic $CANDLE. --resource-pattern-type prefixed --operation Read --operation Describe
acl User:crypto_door --topic $MARKET --operation Read --operation Describe
acl User:crypto_door --topic $ASSET --operation Read --operation Describe
acl User:crypto_door --topic $TRADE --operation Read --operation Describe
acl User:crypto_door --topic $BOOK --operation Read --operation Describe
acl User:crypto_door --topic $GAP --operation Read --operation Describe
acl User:crypto_door --topic $ALERT --operation Read --operation Describe
acl User:crypto_door --topic $PREDICTION --operation Read --operation Describe
acl User:crypto_door --topic $STATS --operation Read --operation Describe
acl User:crypto_door --topic $USAGE --operation Read --operation Describe
acl User:crypto_door --topic $ANSWERS --operation Read --operation Describe
acl User:crypto_door --topic $LIVE --operation Read --operation Describe
acl User:crypto_door --topic $TOPIC.state --operation Read --operation Describe
acl User:crypto_door --topic $USAGE --operation Write --operation Describe
# How far the indexers are behind, for /v1/working; without it the door says that it cannot tell
acl User:crypto_door --group $GROUP --operation Describe
acl User:crypto_door --group $GROUP. --resource-pattern-type prefixed --operation Describe

# cryptoproxy watch
acl User:crypto_watch --topic $TOPIC --operation Read --operation Describe
acl User:crypto_watch --topic $CANDLE. --resource-pattern-type prefixed --operation Read --operation Describe
acl User:crypto_watch --topic $MARKET --operation Read --operation Describe
acl User:crypto_watch --topic $ASSET --operation Read --operation Describe
acl User:crypto_watch --topic $TRADE --operation Read --operation Describe
acl User:crypto_watch --topic $BOOK --operation Read --operation Describe
acl User:crypto_watch --topic $GAP --operation Read --operation Describe
acl User:crypto_watch --topic $ALERT --operation Read --operation Describe
acl User:crypto_watch --topic $PREDICTION --operation Read --operation Describe
acl User:crypto_watch --topic $STATS --operation Read --operation Describe
acl User:crypto_watch --topic $USAGE --operation Read --operation Describe
acl User:crypto_watch --topic $ALERT --operation Write --operation Describe
acl User:crypto_watch --topic $STATS --operation Write --operation Describe
acl User:crypto_watch --topic $CANDLE.1m --operation Write --operation Describe
acl User:crypto_watch --topic $TOPIC.watch --operation Read --operation Write --operation Describe
acl User:crypto_watch --topic $TOPIC.state --operation Read --operation Describe
acl User:crypto_watch --group $TOPIC.watch --operation Read
acl User:crypto_watch --group $ALERT.archive --operation Read
acl User:crypto_watch --group $USAGE.archive --operation Read
acl User:crypto_watch --group $CANDLE.1m.archive --operation Read
acl User:crypto_watch --transactional-id $TOPIC.watch- --resource-pattern-type prefixed --operation Write \
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
acl User:crypto_operator --topic $TOPIC --operation Read --operation Describe
acl User:crypto_operator --topic $CANDLE. --resource-pattern-type prefixed --operation Read --operation Describe
acl User:crypto_operator --topic $MARKET --operation Read --operation Describe
acl User:crypto_operator --topic $ASSET --operation Read --operation Describe
acl User:crypto_operator --topic $TRADE --operation Read --operation Describe
acl User:crypto_operator --topic $BOOK --operation Read --operation Describe
acl User:crypto_operator --topic $GAP --operation Read --operation Describe
acl User:crypto_operator --topic $ALERT --operation Read --operation Describe
acl User:crypto_operator --topic $PREDICTION --operation Read --operation Describe
acl User:crypto_operator --topic $STATS --operation Read --operation Describe
acl User:crypto_operator --topic $USAGE --operation Read --operation Describe
acl User:crypto_operator --topic $TOPIC.dlq --operation Read --operation Describe
acl User:crypto_operator --topic $TOPIC.state --operation Read --operation Write --operation Describe
acl User:crypto_operator --topic $TOPIC.lease --operation Describe
acl User:crypto_operator --group $TOPIC.lease --operation Describe
acl User:crypto_operator --group $GROUP --operation Describe
acl User:crypto_operator --group $GROUP. --resource-pattern-type prefixed --operation Describe
