"""The clients of Kafka, Elasticsearch and S3, built from settings in one place, with the defaults that hold here.

Where pyarrow is installed (for the lake's Parquet files), elasticsearch imports it for answers in Arrow's format, which
nobody here asks for: 38 MB of memory and a sixth of a second in each process. So it is hidden from elasticsearch.
"""

import sys
from importlib.abc import MetaPathFinder
from typing import Any


class _NoArrowForElasticsearch(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        importing = sys.modules.get("elasticsearch.serializer")
        if fullname == "pyarrow" and importing is not None and not hasattr(importing, "DEFAULT_SERIALIZERS"):
            raise ModuleNotFoundError("hidden from elasticsearch", name=fullname)


sys.meta_path.insert(0, _NoArrowForElasticsearch())
