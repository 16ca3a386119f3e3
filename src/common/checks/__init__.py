"""Whether each dependency can be used, by a small real write, read and delete; each says what to do where it fails.

| module | tries |
|---|---|
| ``kafka`` | TCP, TLS, SASL one after the other, then a record on the state topic |
| ``stores`` | Elasticsearch: a write that must be refused for its content, a search; S3: an object put, read, deleted |
"""

from cryptoproxy.common.checks.kafka import check_kafka
from cryptoproxy.common.checks.stores import check_elasticsearch, check_s3

__all__ = ["check_elasticsearch", "check_kafka", "check_s3"]
