"""What may be asked of watch: the file of rules.

| module | tells |
|---|---|
| ``conditions`` | the kinds of condition: the table from which the others follow |
| ``rules`` | a file of rules as plain values |
| ``reading`` | the file itself: rules and channels, each mistake with its line |
| ``when`` | what a rule waits for, read |
| ``nodes`` | values out of the file's nodes; faults |
| ``forests`` | the models that rules ask, brought before they are in force |
"""
