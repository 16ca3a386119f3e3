"""Real Apache Kafka, Elasticsearch and an S3 API on one machine, as child processes and without Docker.

artefacts ─► what is fetched, pinned by SHA-256 (artefacts.json)
unpack    ─► an installation out of a zip, checked file by file at each start
machine   ─► a Java, the servers as processes, who they run as
ports     ─► the usual ones, free ones, and who holds a taken one
engine    ─► what the three have in common ◄─ kafka, elasticsearch, s3; secure: they with TLS and users
cluster   ─► several together: three brokers, two Elasticsearch nodes ◄─ stack: one of each; what its folder remembers
"""
