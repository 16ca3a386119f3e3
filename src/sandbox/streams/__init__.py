"""What the stand-ins tell over WebSockets, on the port that also answers HTTP.

frame   ─► one message and its bytes
feed    ─► what one topic tells: a function of time, so that all who listen hear the same, and REST says the same
session ─► the seam for an upstream: what it is told, what it answers, which feeds a connection has
plan    ─► the frames of a connection's feeds, in order of time ◄─ capture: recorded ones instead
breaking ─► a rule for frames carried out: what becomes of one
ledger  ─► what was sent to whom, and what was kept back
line    ─► the bytes of one connection ◄─ talk: what it hears and is told, tick by tick
"""
