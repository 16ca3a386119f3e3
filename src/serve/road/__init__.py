"""What the door knows from the road.

| module | tells |
|---|---|
| ``newest``, ``newest_stats``, ``follow`` | the newest of everything in memory; the topics into it |
| ``bars``, ``midnights``, ``engine`` | closed bars and points of charts, from Elasticsearch and the lake |
"""
