"""The contracts themselves, a module each: a record's fields with type, unit and sense, and its ``Dataset``."""
