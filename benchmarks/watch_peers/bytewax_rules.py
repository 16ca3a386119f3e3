"""The rules by Bytewax: state of each asset in its recovery store, openings and ends to a topic. In an environment of
its own.

Arguments: broker, topic of tickers, topic of what is found, folder of the recovery store. Says how many records were
judged, of all of them when what was found is on its topic; then it waits to be stopped.
"""

import signal
import sys
from pathlib import Path

import bytewax.operators as op
import msgspec
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main
from rules import Asset, decode

broker, tickers, found, folder = sys.argv[1:]
store = Path(folder)
SAID_EACH = 1_000
judged = 0


def judge(asset, message):
    global judged  # noqa: PLW0603 - for the count alone
    if judged % SAID_EACH == 0:
        print("judged", judged, flush=True)
    judged += 1
    asset = asset or Asset()
    return asset, asset.take(decode(message.value))


def message(changed):
    key, (rule, at, opens) = changed
    value = {"rule": rule, "asset": key, "at": at, "open": opens}
    return KafkaSinkMessage(key.encode(), msgspec.json.encode(value))


flow = Dataflow("rules")
records = op.input("tickers", flow, KafkaSource([broker], [tickers], tail=False))
keyed = op.key_on("asset", records, lambda each: each.key.decode())
changes = op.stateful_flat_map("judge", keyed, judge)
op.output("found", op.map("message", changes, message), KafkaSink([broker], found))

if not store.exists():
    store.mkdir()
    init_db_dir(store, 1)
cli_main(flow, recovery_config=RecoveryConfig(store))
print("judged", judged, flush=True)
signal.pause()
