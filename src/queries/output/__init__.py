"""An answer as a person or a program reads it.

| module | tells |
|---|---|
| ``text`` | JSON and CSV, row by row as they come |
| ``table`` | a table for the terminal |
| ``numbers`` | a value as a person reads it |
| ``plot`` ``charts`` | a picture for a report: its frame, and what is drawn for each question |
| ``console`` | the search bodies as Kibana's console takes them |
"""
