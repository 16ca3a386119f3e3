"""The clients of Kafka, Elasticsearch and S3, built from settings in one place, with the defaults that hold here.

elasticsearch imports what nobody here asks for, in each process: pyarrow where it is installed (for the lake's Parquet
files; 38 MB of memory and a sixth of a second), the `requests` library as another way to send, and its whole interface
once more for asyncio (together 7 MB and a tenth of an indexer's imports). So these are hidden from it.
"""

import sys
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

_HIDDEN = {
    # what is hidden: while which module is being imported, and what that defines at its end
    "pyarrow": ("elasticsearch.serializer", "DEFAULT_SERIALIZERS"),
    "requests": ("elastic_transport._node._http_requests", "RequestsHttpNode"),
}


class _HiddenFromElasticsearch(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        if fullname not in _HIDDEN:
            return
        module, last = _HIDDEN[fullname]
        importing = sys.modules.get(module)
        if importing is not None and not hasattr(importing, last):
            raise ModuleNotFoundError("hidden from elasticsearch", name=fullname)


sys.meta_path.insert(0, _HiddenFromElasticsearch())

_asyncio = ModuleType("elasticsearch._async.client", "Hidden: see cryptoproxy.common.clients.")
_asyncio.AsyncElasticsearch = type("AsyncElasticsearch", (), {})  # type: ignore[attr-defined]
sys.modules.setdefault(_asyncio.__name__, _asyncio)
