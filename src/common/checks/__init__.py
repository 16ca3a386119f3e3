"""Whether each dependency can be used, by a small real write, read and delete; each says what to do where it fails.

| module | tries |
|---|---|
| ``kafka`` | TCP, TLS, SASL one after the other, then a record on the state topic |
| ``elastic`` | a write that must be refused for its content, a search |
| ``s3`` | an object put, read and deleted |
"""

from cryptoproxy.common.checks.elastic import check_elasticsearch
from cryptoproxy.common.checks.kafka import check_kafka
from cryptoproxy.common.checks.s3 import check_s3

__all__ = ["check_elasticsearch", "check_kafka", "check_s3"]
