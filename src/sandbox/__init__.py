"""Stand-in upstreams that speak the real formats, and the one scripted HTTP fault module.

wire       ─► HTTP/1.1 bytes: request, answer, frame
faults     ─► Rule: which requests go wrong, and what becomes of the answer; script: rules in order, counted, as JSON;
              rewrites: bodies gone wrong, by name
ledger     ─► what was served
turns      ─► which of the matches a rule is meant for
server     ─► carries a script out to the byte ◄─ proxy: in front of Elasticsearch or S3; app: the sandbox itself
control    ─► script and ledger of a sandbox over HTTP
streams    ─► the same over WebSockets, with rules and a ledger of their own
world      ─► coins, their prices as a function of seed and time, bars and trades that agree with each other
upstream   ─► the seam, and how much upstreams allow ◄─ coingecko, binance, bybit: a folder each, whose ``api`` knows
              addresses, parameters, limits and errors, and whose other files make the rows; replay: recorded ones
"""

from cryptoproxy.sandbox.app import Sandbox
from cryptoproxy.sandbox.faults import Rule
from cryptoproxy.sandbox.ledger import CallLog, Entry
from cryptoproxy.sandbox.proxy import FaultProxy
from cryptoproxy.sandbox.script import Script
from cryptoproxy.sandbox.streams.faults import StreamRule
from cryptoproxy.sandbox.streams.ledger import StreamLedger
from cryptoproxy.sandbox.turns import RuleError
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
