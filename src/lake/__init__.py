"""The lake: every poll as one object on S3, and each day of a source as one Parquet file.

| module | tells |
|---|---|
| ``objects`` | what the objects of both forms are called; lines to an object and back |
| ``store`` | put, list and get on S3, errors by kind |
| ``form`` | what is read from the lake, whatever its form; whether one form has all that another has |
| ``raw`` | the raw form: an object per poll, each id once, damage set aside |
| ``daily`` | the daily form: a Parquet file per source and day |
| ``whole`` | both forms as one, each id once |
| ``parquet`` | a record as a row of typed columns and back; rows in any order to one sorted file |
| ``compact`` | a day's objects to its file |
"""
