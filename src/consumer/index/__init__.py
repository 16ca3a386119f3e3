"""Lines into Elasticsearch, and what must be there for it.

| module | tells |
|---|---|
| ``bulk`` | one bulk request: lines in, items out |
| ``delivery`` | the loop that decides: until each line is indexed, known, or poison |
| ``indices`` | the index of a period, made or checked before it is written to |
| ``template`` | template, mapping and alias: made by set-up, verified here |
| ``alias_look`` | what readers see of the alias, looked at now and then |

What an answer of Elasticsearch means is told by ``common.clients.outcome``.
"""
