"""What the engines ask of the machine: a Java, processes that are found again, and a user who is not root.

java    ─► a Java that will do, and what it wants of files and environment
process ─► one server: started, remembered in a pid file, signalled, stopped (launch: its first step); waiting, a lock
user    ─► who Elasticsearch runs as when we are root, and where it can reach
"""
