"""The clients of Kafka, Elasticsearch and S3, built from settings in one place, with the defaults that hold here."""
