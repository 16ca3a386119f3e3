"""Stand-in upstreams that speak the real formats, and the one scripted HTTP fault module.

wire       ─► HTTP/1.1 bytes: request, answer, frame
faults     ─► Rule and Script: which requests go wrong, and how; rule_json: out of JSON; rewrites: bodies by name
effects    ─► what a rule makes of an answer
server     ─► carries a script out to the byte ◄─ proxy: the same in front of Elasticsearch or S3
ledger     ─► what was served; control: both over HTTP; app: the sandbox itself; serving: as a process
market     ─► prices as a function of seed and time; universe: its coins; pairs: one over the other
upstream   ─► the seam ◄─ coingecko, binance, bybit; limits: how much they allow; replay: recorded answers instead
"""

from cryptoproxy.sandbox.app import Sandbox
from cryptoproxy.sandbox.faults import Rule, RuleError, Script
from cryptoproxy.sandbox.ledger import Entry, Ledger
from cryptoproxy.sandbox.limits import Limits
from cryptoproxy.sandbox.proxy import FaultProxy

__all__ = ["Entry", "FaultProxy", "Ledger", "Limits", "Rule", "RuleError", "Sandbox", "Script"]
