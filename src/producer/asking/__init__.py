"""One door to an upstream: who asks beside the polls asks here, and what the polls were answered is there for all.

| module | tells |
|---|---|
| ``desk`` | questions of others, asked upstream on what is left: identical ones at once are one call |
| ``door`` | the desk's address for our other processes |
| ``answers`` | the newest answer to each call of a poll, sent to its topic |
| ``elsewhere`` | a process beside an active poller: it asks at that one's door |
"""
