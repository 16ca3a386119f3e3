"""The lake: every poll as one object on S3. Names, writing, reading.

| module | tells |
|---|---|
| ``objects`` | lines to an object and back |
| ``store`` | put, list and get on S3, errors by kind |
| ``reader`` | records of a range, each id once |
"""
