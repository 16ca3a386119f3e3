"""The settings themselves: each with its name, type, default and help here and nowhere else; the docs are made of them.

Who uses them takes them from ``catalogue``, which has them all.

| module | tells |
|---|---|
| ``kafka``, ``elasticsearch``, ``s3`` | where an engine is, how to get in, and what is where |
| ``upstreams`` | what is asked for, how often, and how much of it is allowed |
| ``streams`` | what of it is streamed; books |
| ``asking`` | the one door to an upstream |
| ``serve``, ``page`` | the door to readers, its teams, the page for people |
| ``processes`` | each other process, what all of them share, and the engines beside them |
"""
