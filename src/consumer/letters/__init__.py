"""What can never be indexed, and a person's word about it.

| module | tells |
|---|---|
| ``dead_letters`` | poison to the dead-letter topic |
| ``reader`` | and back: listed, found, replayed |
| ``fuse`` | how much poison is too much, and a person's word that lets it pass |
| ``state_topic`` | where such words stand; which history was announced there |
"""
