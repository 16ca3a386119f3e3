"""The outbox: polls on disk until Kafka and S3 have them. No state file: a name in a folder is the state.

    outbox/
      writing/   a poll while it is written; complete ones are taken over at the next start. What is kept as one is
                 in a folder there, which gets its name when all of it is written
      kafka/     polls that Kafka has not acknowledged
      s3/        polls that are not in the lake (the same file, linked twice where both drains have room)
      damaged/   what could not be read back, by its name
      slots/     the last slot kept, per feed
      lock       one process per folder

| module | tells |
|---|---|
| ``entry`` | a kept poll: its name and bytes |
| ``files`` | the one place that writes: temporary file, fsync, link, fsync, unlink |
| ``waiting`` | what waits for each drain, in order; bounds |
| ``outbox`` | keep, drain, recovery |
"""

from cryptoproxy.producer.outbox.entry import Entry
from cryptoproxy.producer.outbox.outbox import Outbox, OutboxFullError, Piece

__all__ = ["Entry", "Outbox", "OutboxFullError", "Piece"]
