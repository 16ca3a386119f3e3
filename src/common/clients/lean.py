"""The Elasticsearch client without pyarrow.

Where pyarrow is installed (for the lake's Parquet files), elasticsearch imports it for answers in Arrow's format, which
nobody here asks for: 30 MB of memory and a third of a second in each process.
"""

import sys

_HIDDEN = "pyarrow"
_is_new = _HIDDEN not in sys.modules
if _is_new:
    sys.modules[_HIDDEN] = None  # type: ignore[assignment]  # as if it were not installed
try:
    from elasticsearch import Elasticsearch, JsonSerializer
    from elasticsearch.serializer import NdjsonSerializer
finally:
    if _is_new:
        del sys.modules[_HIDDEN]

__all__ = ["Elasticsearch", "JsonSerializer", "NdjsonSerializer"]
