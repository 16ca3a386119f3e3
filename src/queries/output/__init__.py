"""An answer as a person or a program reads it.

| module | tells |
|---|---|
| ``text`` | JSON and CSV, row by row as they come; a table for the terminal; a value as a person reads it |
| ``plot`` ``chart`` ``marks`` | a picture for a report: its frame, what it is made of, axes and names |
| ``ranked`` ``sources`` ``bars`` ``flow`` | what is drawn: per asset, of a source, of candles, of books |
| ``console`` | the search bodies as Kibana's console takes them |
"""
