"""The lake: every poll as one object on S3, and what is over as a table of Parquet files.

| module | tells |
|---|---|
| ``objects`` | what the objects of both forms are called; lines to an object and back |
| ``store`` | put, list and get on S3, errors by kind |
| ``form`` | what is read from the lake, whatever its form; whether one form has all that another has |
| ``raw`` | the raw form: an object per poll or page of history, each id once, damage set aside |
| ``files`` | the compacted form: the files of a table |
| ``table`` | which files count, version by version: the table's log |
| ``whole`` | both forms and all parts as one, each id once |
| ``parquet`` | a record as a row of typed columns and back; rows in any order to one sorted file |
| ``compact`` | a period's objects to files that count |
| ``archiver`` | topic to lake, of what no poller keeps: alerts |
"""
