"""What the door does not have: asked upstream by the active poller.

| module | tells |
|---|---|
| ``seam`` | who asks an upstream for what is not here |
| ``through``, ``cache`` | the one who asks it; what was answered before |
"""
