"""What each answer of Elasticsearch means: one table, by status and type. The unknown is a person's.

Status alone proves nothing: a closed index, a shard limit and a bad document all answer 400. The same table serves
an answer to one document of a bulk request and an answer to a request as a whole, of whatever command.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping

import elastic_transport
import elasticsearch

from cryptoproxy.common.retry import CAP_SECONDS, seconds_told
from cryptoproxy.errors import CryptoProxyError, OperatorError, SizeError, TransientError


class Outcome(enum.Enum):
    """Where a document goes after its answer."""

    INDEXED = "indexed"
    DUPLICATE = "duplicate"
    TRANSIENT = "transient"
    POISON = "poison"
    SIZE = "size"
    OPERATOR = "operator"


_ANY = "*"
_SETUP = "Run `cryptoproxy setup`"
_ROLE = "Give this user its role of docs/security.md (ES_USER and ES_PASSWORD, or ES_API_KEY)"
_UNKNOWN = "Look at the index, the template and the alias (cryptoproxy setup says what is wrong)"

OUTCOMES: dict[tuple[int, str], Outcome | str] = {
    # (status, type of the error): what it means; where a person is needed, what that person does
    (201, ""): Outcome.INDEXED,
    # Of `create` no other success says that the document is there: a pipeline may drop it, and answers "noop".
    (200, ""): "Take the pipeline that drops documents from the index (index.default_pipeline, index.final_pipeline)",
    # `create` of an id that is there: history does not change, the first copy stays.
    (409, "version_conflict_engine_exception"): Outcome.DUPLICATE,
    # Overload (es_rejected_execution_exception, circuit_breaking_exception) and the flood-stage block, which
    # Elasticsearch lifts by itself (cluster_block_exception; the same type with 403 is a person's doing).
    (429, _ANY): Outcome.TRANSIENT,
    (408, _ANY): Outcome.TRANSIENT,
    (500, _ANY): Outcome.TRANSIENT,  # and every other 5xx
    # The document itself is at fault, as far as the index's mapping is ours: the caller checks that. All that a
    # document's own content can do comes as one of these: wrong types, numbers out of range, a key that stands twice,
    # nesting deeper than 1,000, numbers of more than 1,000 digits. The second is Elasticsearch's name before 8.6.
    (400, "document_parsing_exception"): Outcome.POISON,
    (400, "mapper_parsing_exception"): Outcome.POISON,
    (413, _ANY): Outcome.SIZE,
    (401, _ANY): "Check ES_USER and ES_PASSWORD (or ES_API_KEY)",
    (403, "security_exception"): _ROLE,
    (403, "cluster_block_exception"): "Take the write block from the index (index.blocks.*)",
    (403, _ANY): _ROLE,
    (404, _ANY): _SETUP,
    (400, "index_closed_exception"): "Open the index, or give its records a new home as docs/operations.md says",
    (400, "validation_exception"): "Raise cluster.max_shards_per_node, or remove old indices (cryptoproxy retention)",
    (400, "invalid_alias_name_exception"): (
        "An index stands where the alias must be: set ES_INDEX to another name, or see docs/migration.md"
    ),
    (400, "illegal_argument_exception"): "Look at the alias, the template and its pipelines",
    (400, "strict_dynamic_mapping_exception"): "Set the index's mapping back to dynamic: false, as the template has it",
}


def _row(status: int, error_type: str) -> Outcome | str:
    found = OUTCOMES.get((status, error_type)) or OUTCOMES.get((status, _ANY))
    return found or (OUTCOMES[500, _ANY] if status >= 500 else _UNKNOWN)


def outcome_of(status: int, error_type: str) -> Outcome:
    """What an answer means for its document; ``error_type`` is ``""`` where there is no error."""
    found = _row(status, error_type)
    return found if isinstance(found, Outcome) else Outcome.OPERATOR


_BLAMED = re.compile(r"failed to parse field \[([^]]*)\] of type")


def blamed_field(reason: str) -> str | None:
    """The mapped field that a refused document stumbled over; None where it was refused as a whole."""
    found = _BLAMED.search(reason)
    return found[1] if found else None


def error_of(status: int, error_type: str, said: str, *, retry_after: float | None = None) -> CryptoProxyError:
    """The error to raise for an answer that is no document's end. ``said`` is what was asked and answered."""
    found = _row(status, error_type)
    if found is Outcome.TRANSIENT:
        return TransientError(said, retry_after=retry_after)
    if found is Outcome.SIZE:
        return SizeError(said)
    return OperatorError(said, remedy=found if isinstance(found, str) else _UNKNOWN)


def failure(status: int, error_type: str, reason: str, *, asked: float | None = None) -> CryptoProxyError:
    """The error to raise for a whole request's refusal, which ``asked`` for so many seconds of waiting."""
    said = f"Elasticsearch answers {status} {error_type}".rstrip()
    if reason:
        said = f"{said}: {reason[:1024]}"
    if asked is not None:
        said = f"Elasticsearch asks to wait {asked:.0f} s ({said}); it is asked again within {CAP_SECONDS:.0f} s"
    return error_of(status, error_type, said, retry_after=asked)


def meaning(error: elasticsearch.ApiError | elastic_transport.TransportError, *, url: str = "") -> CryptoProxyError:
    """What an error of the client means to the loop that decides: waiting mends it, or a person must.

    Args:
        url: of the server, where it is known.
    """
    server = f"Elasticsearch at {url}" if url else "Elasticsearch"
    if isinstance(error, elasticsearch.UnsupportedProductError):  # the client wants the header that names the server
        return OperatorError(
            f"{url or 'something'} answers, but not as Elasticsearch does: the header X-Elastic-Product is missing",
            remedy="Mend ES_URL_ENDPOINT, or have the proxy before Elasticsearch pass that header on",
        )
    if isinstance(error, elasticsearch.ApiError):
        return failure(error.status_code, *_type_and_reason(error.body), asked=_seconds(error.meta.headers))
    if isinstance(error, elasticsearch.SerializationError):
        return TransientError(f"Elasticsearch's answer is unreadable: {error.message[:200]}")
    if isinstance(error, elastic_transport.TlsError):
        return OperatorError(
            f"{server}: TLS fails: {error.message}", remedy="Set ES_CA_FILE to the CA that signed its certificate"
        )
    return TransientError(f"{server} does not answer: {type(error).__name__}: {error.message}")


def _type_and_reason(body: object) -> tuple[str, str]:
    """Of the body of a refusal, with the index that it is about; a proxy's page has no type."""
    if isinstance(body, dict):
        error = body.get("error")
        if isinstance(error, dict):
            reason, index = str(error.get("reason", "")), str(error.get("index", ""))
            return str(error.get("type", "")), reason if index in reason else f"{reason} ({index})"
        if error is not None:
            return "", str(error)
    return "", str(body)[:200] if body else ""


def _seconds(headers: Mapping[str, str]) -> float | None:
    """What a proxy before Elasticsearch asks for; Elasticsearch itself never does. Of a date nothing is taken: waits
    grow by themselves."""
    return seconds_told(headers.get("retry-after", ""))
