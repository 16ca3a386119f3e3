"""What empties the outbox, a thread for each: Kafka and S3. Each takes
them in the order of keeping and waits for nobody else.

| module | tells |
|---|---|
| ``to_kafka`` | sends polls to the topic; one leaves when every record of it is acknowledged |
| ``in_flight`` | the polls that are sent and not acknowledged yet |
| ``dead_letters`` | the records that the topic can never take |
| ``to_s3`` | stores polls in the lake: an object for each, or for a minute of them |
"""
