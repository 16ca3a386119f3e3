"""The one scripted fault module, for HTTP and for WebSockets.

turns    ─► which of the matches a rule is meant for
request  ─► Rule: which requests go wrong, and what becomes of the answer
frame    ─► StreamRule: the same of frames and subscriptions
rewrites ─► bodies gone wrong, by name
script   ─► rules in order, counted, as JSON
"""
