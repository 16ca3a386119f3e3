"""Models that others have trained: kept with what they were made of, loaded by version and checksum, asked by numpy.

| module | tells |
|---|---|
| ``trees`` | forests of decision trees as plain arrays: written, read without running anything of the file, asked |
| ``registry`` | versions of a model on S3, what each was made of, and which is live |
| ``features`` | what a model may know when a bar is over, for training and at work |
| ``scoring``, ``live`` | what is said of the next bar; the loop that says it |
| ``judging`` | what was said held against what came |

Training lives in `jobs/models`; nothing here needs its libraries.
"""
