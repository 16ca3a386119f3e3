"""Answers read: from what an upstream sent to typed rows and records, and back for those who are answered in its words.

| module | tells |
|---|---|
| ``rows`` | an array into typed rows, odd ones apart |
| ``gathering`` | rows into a poll: each asset once, why a row is no record, whether all is there |
| ``candles``, ``bars`` | what candles of all upstreams have in common; rows of bars into candles |
| ``values``, ``spelling`` | numbers and times, however they are written; numbers as upstreams write them |
| ``quotes`` | the quote currency of a symbol, which never changes |
| ``refusals`` | what a status means by itself; how long to wait |
"""
