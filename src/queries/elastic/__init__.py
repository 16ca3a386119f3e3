"""The questions asked of Elasticsearch: ``search`` is the one road to it, ``engine`` asks each question over it."""
