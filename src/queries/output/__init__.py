"""An answer as a person or a program reads it.

| module | tells |
|---|---|
| ``text`` | JSON and CSV, row by row as they come; a table for the terminal; a value as a person reads it |
| ``plot`` ``charts`` ``marks`` | a picture for a report: its frame, what is drawn for each question, axes and names |
| ``console`` | the search bodies as Kibana's console takes them |
"""
