"""DuckDB with the lake's S3. Its errors are told by kind; nothing is ever fetched from elsewhere."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import boto3

from cryptoproxy.common.settings.catalogue import S3
from cryptoproxy.datasets import Dataset
from cryptoproxy.datasets.times import Span
from cryptoproxy.errors import OperatorError, PoisonError, TransientError
from cryptoproxy.lake.parquet import Columns
from cryptoproxy.lake.store import Store
from cryptoproxy.queries.lake.holdings import Holdings, Loose

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ROWS = 10_000
"""Of an answer as Python objects at once."""
_FRESH_SECONDS = 30.0
"""A question of several parts looks up once what there is."""
_KEPT = 4
"""Of different spans."""
REMEDY = "pip install 'cryptoproxy[lake]'"


class _Listed(NamedTuple):
    """What there was of a span, and when it was looked up: files by their names, the rest in a table."""

    at: float
    loose: str
    sql: str


class Duck:
    """One connection, kept until :meth:`close`. Used by one thread at a time."""

    def __init__(self, store: Store, holdings: Holdings | None = None) -> None:
        self.holdings = holdings or Holdings(store)
        self._store = store
        self._db = _connected(store.settings)
        self._names = itertools.count()
        self._tables: dict[Any, _Listed] = {}

    def close(self) -> None:
        self._db.close()

    def table(self, dataset: Dataset[Any], sources: Sequence[str], span: Span) -> str:
        """The records of these sources, for a FROM: each id once, every column of the contract there. May have records
        outside of ``span``, of the files that reach into it."""
        key = (dataset.name, tuple(sources), span)
        now = time.monotonic()
        older = [each for each, listed in self._tables.items() if now - listed.at > _FRESH_SECONDS]
        for each in older or list(self._tables)[:-_KEPT]:
            self._db.execute(f"DROP TABLE {self._tables.pop(each).loose}")
        if key not in self._tables:
            self._tables[key] = self._listed(dataset, sources, span)
        return self._tables[key].sql

    def _listed(self, dataset: Dataset[Any], sources: Sequence[str], span: Span) -> _Listed:
        plan = self.holdings.of(dataset, list(sources), span)
        loose = f"loose_{next(self._names)}"
        # A copy, since DuckDB hands conditions on times back to Arrow only with pytz.
        self._db.register("arrow", self._loose(dataset, plan.loose))
        self._db.execute(f"CREATE TABLE {loose} AS SELECT * FROM arrow")
        self._db.unregister("arrow")
        parts = [f"SELECT * FROM {loose}"]
        if plan.files:
            bucket = self._store.settings.bucket
            urls = ", ".join(_text(f"s3://{bucket}/{each}") for each in plan.files)
            parts.append(f"SELECT * FROM read_parquet([{urls}], union_by_name = true, hive_partitioning = false)")
        return _Listed(time.monotonic(), loose, f"({' UNION ALL BY NAME '.join(parts)})")

    def _loose(self, dataset: Dataset[Any], loose: Sequence[Loose]) -> Any:
        import pyarrow as pa

        columns = Columns(dataset)
        batches: list[Any] = []
        for each in loose:
            try:
                lines = self.holdings.lines(dataset, each)
                batches += columns.batches(lines)
            except PoisonError as error:
                raise OperatorError(
                    f"what the lake has of {each.source} cannot be read as a whole: {error}",
                    remedy="Restore it, choose a period without it, or ask Elasticsearch (--engine es)",
                ) from error
        return pa.Table.from_batches(batches, columns.schema)

    def ask(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows as they come.

        Raises:
            TransientError, OperatorError: the lake cannot be read.
        """
        import duckdb

        try:
            answer = self._db.cursor().execute(sql, list(parameters))  # one question may be asked within another
            while rows := answer.fetchmany(_ROWS):
                yield from rows
        except (duckdb.HTTPException, duckdb.IOException) as error:
            # Whatever the other client found, ours says it by kind: no login, no bucket, no answer.
            next(self._store.keys(self._store.settings.prefix), None)
            said = " ".join(str(error).split())[:500]
            raise TransientError(f"the lake at s3://{self._store.settings.bucket} was not read: {said}") from error
        except duckdb.OutOfMemoryException as error:
            raise OperatorError(
                f"DuckDB has too little memory for that: {str(error)[:300]}",
                remedy="Name --symbols or a shorter --since",
            ) from error


def _connected(settings: S3) -> DuckDBPyConnection:
    try:
        import duckdb
        import duckdb_extension_httpfs
    except ImportError as error:
        raise OperatorError(f"the lake is asked by DuckDB, which is not installed ({error})", remedy=REMEDY) from error
    db = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    folder = Path(duckdb_extension_httpfs.__file__).parent
    try:
        db.load_extension(str(next(folder.rglob("httpfs.duckdb_extension"))))
    except (StopIteration, duckdb.Error) as error:
        raise OperatorError(f"DuckDB's httpfs cannot be loaded: {error}", remedy=REMEDY) from error
    db.execute("SET GLOBAL TimeZone = 'UTC'")
    db.execute("SET enable_progress_bar = false")
    if settings.ca_file is not None:
        db.execute(f"SET ca_cert_file = {_text(str(settings.ca_file))}")
    db.execute(f"CREATE SECRET (TYPE s3, {', '.join(_secret(settings))})")
    return db


def _secret(settings: S3) -> Iterator[str]:
    yield f"REGION {_text(settings.region)}"
    token: str | None = None
    if settings.access_key:
        key, secret = settings.access_key.get(), settings.secret_key.get()
    elif found := boto3.Session().get_credentials():
        frozen = found.get_frozen_credentials()
        key, secret, token = frozen.access_key or "", frozen.secret_key or "", frozen.token
    else:
        return
    yield f"KEY_ID {_text(key)}"
    yield f"SECRET {_text(secret)}"
    if token:
        yield f"SESSION_TOKEN {_text(token)}"
    if settings.endpoint_url:
        url = urlsplit(settings.endpoint_url)
        yield f"ENDPOINT {_text(url.netloc + url.path.rstrip('/'))}"
        yield "URL_STYLE 'path'"
        yield f"USE_SSL {'true' if url.scheme == 'https' else 'false'}"


def _text(value: str) -> str:
    doubled = value.replace("'", "''")
    return f"'{doubled}'"
