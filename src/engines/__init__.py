"""Real Apache Kafka, Elasticsearch and an S3 API on one machine, as child processes and without Docker.

artefacts ─► what is fetched, pinned by SHA-256 (artefacts.json); relock makes the pins anew
unpack    ─► an installation out of a zip, checked file by file at each start
java      ─► a Java that will do
ports     ─► the usual ones, free ones, and who holds a taken one
user      ─► who Elasticsearch runs as when we are root, and where it can reach
process   ─► one server: started, remembered in a pid file, signalled, stopped (launch: its first step)
engine    ─► what the three have in common ◄─ kafka, elasticsearch, s3
stack     ─► the three together in one folder; state: what the folder remembers
cluster   ─► three brokers, two Elasticsearch nodes; secure: the engines with TLS and users
"""
