"""Who may ask the door, how much, and what it has saved them.

| module | tells |
|---|---|
| ``tokens`` | the file of teams: hashes of their tokens, limits; where a request carries its token |
| ``gate`` | the one place where a request, or a stream, is admitted |
| ``limits``, ``shared`` | how much a team may ask of a process, or of all doors of a machine |
| ``meter`` | what was asked, by team and path: metrics, and records of a minute |
| ``usage`` | these records to their topic, and those of all doors from it |
"""
