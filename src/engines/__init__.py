"""Real Apache Kafka, Elasticsearch and an S3 API on one machine, as child processes and without Docker.

artefacts ─► what is fetched, pinned by SHA-256 (artefacts.json)
unpack    ─► an installation out of a zip, checked file by file at each start
java      ─► a Java that will do
ports     ─► the usual ones, free ones, and who holds a taken one
process   ─► one server: started, remembered in a pid file, signalled, stopped (launch: its first step); waiting, a lock
user      ─► who Elasticsearch runs as when we are root, and where it can reach
engine    ─► what the three have in common ◄─ kafka, elasticsearch, s3; secure: they with TLS and users
cluster   ─► several together: three brokers, two Elasticsearch nodes ◄─ stack: one of each; what its folder remembers
"""
