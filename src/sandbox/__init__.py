"""Stand-in upstreams that speak the real formats, and the one scripted fault module.

wire       ─► HTTP/1.1 bytes: request, answer, frame
rules      ─► which requests and frames go wrong, and how; a script counts them
ledger     ─► what was served
server     ─► carries a script out to the byte ◄─ proxy: in front of Elasticsearch or S3; app: the sandbox itself
control    ─► script and ledger of a sandbox over HTTP
streams    ─► the same over WebSockets, with a ledger of their own
world      ─► coins, their prices as a function of seed and time, bars and trades that agree with each other
upstream   ─► the seam, and how much upstreams allow ◄─ coingecko, binance, bybit: a folder each, whose ``api`` knows
              addresses, parameters, limits and errors, and whose other files make the rows; replay: recorded ones
"""

from cryptoproxy.sandbox.app import Sandbox
from cryptoproxy.sandbox.ledger import CallLog, Entry
from cryptoproxy.sandbox.proxy import FaultProxy
from cryptoproxy.sandbox.rules.frame import StreamRule
from cryptoproxy.sandbox.rules.request import Rule
from cryptoproxy.sandbox.rules.script import Script
from cryptoproxy.sandbox.rules.turns import RuleError
from cryptoproxy.sandbox.streams.ledger import StreamLedger
from cryptoproxy.sandbox.upstream import StandInLimits

__all__ = [
    "CallLog",
    "Entry",
    "FaultProxy",
    "Rule",
    "RuleError",
    "Sandbox",
    "Script",
    "StandInLimits",
    "StreamLedger",
    "StreamRule",
]
