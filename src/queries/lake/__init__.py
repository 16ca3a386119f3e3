"""The questions asked of the lake: DuckDB over its files on S3.

| module | tells |
|---|---|
| ``holdings`` | which compacted files are read as they are, and what is read record by record |
| ``duck`` | DuckDB with the lake's S3: its errors by kind; records of a scope as a table |
| ``sql`` ``engine`` | what the questions in SQL share; each question |
"""
