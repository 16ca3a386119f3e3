"""Commands that ask once and need no poller; beside one of the same folder its budget is its own.

| module | tells |
|---|---|
| ``asking`` | a poll or a call within the budget of OUTBOX_DIR |
| ``once`` | `produce --once`, `--dry-run` |
| ``checks`` | what `check` asks an upstream |
| ``crawling``, ``tables`` | `crawl`: the same feeds and their past, into files |
"""
