"""The lake: every poll as one object on S3, and each day of a source as one Parquet file.

| module | tells |
|---|---|
| ``objects`` | lines to an object and back; where the two forms lie |
| ``store`` | put, list and get on S3, errors by kind |
| ``span`` | a range of slots: how it is written, its hours and days |
| ``archive`` | what is read from the lake, whatever its form: the seam |
| ``raw`` | the raw form: an object per poll, each id once, damage set aside |
| ``columns`` | a record as a row of typed columns and back |
| ``parquet`` | rows in any order to one sorted file, in bounded memory |
| ``hours`` | such a file cut into hours |
| ``daily`` | the daily form: a file per source and day |
| ``whole`` | both forms as one, each id once |
| ``reader`` | the same for a program that wants all or an error |
| ``proof`` | whether one form of a day has all that another has |
| ``compact`` | a day's objects to its file |
"""
