"""What Kibana shows of the records, as code: see README.md beside this file."""
