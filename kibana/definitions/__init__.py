"""What there is to see: the data view, the saved search and the three dashboards."""
