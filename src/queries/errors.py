"""What keeps a question from its answer, beside Elasticsearch's own failures (``common.errors``)."""

from __future__ import annotations

from cryptoproxy.common.errors import CryptoProxyError


class NothingFound(CryptoProxyError):  # noqa: N818 - it is no error of the program
    """No record answers the question; the text says which part of it has none."""


class TooMany(CryptoProxyError):  # noqa: N818
    """The answer is larger than what is held in memory; the text says how to narrow the question."""
