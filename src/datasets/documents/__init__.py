"""What is made from the table of datasets, for others to use.

| module | makes |
|---|---|
| ``mapping`` | the index template, from the columns |
| ``schema`` | the JSON Schema of a contract; whether a newer one keeps what an older one promised |
| ``rights`` | roles of Elasticsearch and ACLs of Kafka |
| ``asyncapi``, ``page`` | the AsyncAPI document, and `docs/datasets.md` |
"""
