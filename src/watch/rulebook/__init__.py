"""What may be asked of watch: the file of rules.

| module | tells |
|---|---|
| ``conditions`` | the kinds of condition: the table from which the others follow |
| ``rules`` | a file of rules as plain values |
| ``reading`` | the file itself: each mistake with its line |
| ``forests`` | the models that rules ask, brought before they are in force |
"""
