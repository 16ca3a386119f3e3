"""What each answer of Elasticsearch means: one table, by status and type. The unknown is a person's.

Status alone proves nothing: a closed index, a shard limit and a bad document all answer 400. The same table serves
an answer to one document of a bulk request and an answer to a request as a whole.
"""

from __future__ import annotations

import enum
import re
from typing import NamedTuple

from cryptoproxy.common.errors import CryptoProxyError, OperatorError, SizeError, TransientError


class Kind(enum.Enum):
    """Where a document goes after its answer."""

    INDEXED = "indexed"
    DUPLICATE = "duplicate"
    TRANSIENT = "transient"
    POISON = "poison"
    SIZE = "size"
    OPERATOR = "operator"


class Outcome(NamedTuple):
    """A kind and, where a person is needed, what that person does."""

    kind: Kind
    remedy: str = ""


_ANY = "*"
_SETUP = "Run `cryptoproxy setup`"
_ROLE = "Give the indexer's user the role of docs/security.md (ES_USER and ES_PASSWORD, or ES_API_KEY)"

OUTCOMES: dict[tuple[int, str], Outcome] = {
    # (status, type of the error): what it means
    (201, ""): Outcome(Kind.INDEXED),
    # Of `create` no other success says that the document is there: a pipeline may drop it, and answers "noop".
    (200, ""): Outcome(
        Kind.OPERATOR,
        "Take the pipeline that drops documents from the index (index.default_pipeline, index.final_pipeline)",
    ),
    # `create` of an id that is there: history does not change, the first copy stays.
    (409, "version_conflict_engine_exception"): Outcome(Kind.DUPLICATE),
    # Overload (es_rejected_execution_exception, circuit_breaking_exception) and the flood-stage block, which
    # Elasticsearch lifts by itself (cluster_block_exception; the same type with 403 is a person's doing).
    (429, _ANY): Outcome(Kind.TRANSIENT),
    (408, _ANY): Outcome(Kind.TRANSIENT),
    (500, _ANY): Outcome(Kind.TRANSIENT),  # and every other 5xx
    # The document itself is at fault, as far as the index's mapping is ours: the caller checks that. All that a
    # document's own content can do comes as one of these: wrong types, numbers out of range, a key that stands twice,
    # nesting deeper than 1,000, numbers of more than 1,000 digits. The second is Elasticsearch's name before 8.6.
    (400, "document_parsing_exception"): Outcome(Kind.POISON),
    (400, "mapper_parsing_exception"): Outcome(Kind.POISON),
    (413, _ANY): Outcome(Kind.SIZE),
    (401, _ANY): Outcome(Kind.OPERATOR, "Check ES_USER and ES_PASSWORD (or ES_API_KEY)"),
    (403, "security_exception"): Outcome(Kind.OPERATOR, _ROLE),
    (403, "cluster_block_exception"): Outcome(Kind.OPERATOR, "Take the write block from the index (index.blocks.*)"),
    (403, _ANY): Outcome(Kind.OPERATOR, _ROLE),
    (404, _ANY): Outcome(Kind.OPERATOR, _SETUP),
    (400, "index_closed_exception"): Outcome(
        Kind.OPERATOR, "Open the index, or give its records a new home as docs/operations.md says"
    ),
    (400, "validation_exception"): Outcome(
        Kind.OPERATOR, "Raise cluster.max_shards_per_node, or remove old indices (cryptoproxy retention)"
    ),
    (400, "invalid_alias_name_exception"): Outcome(
        Kind.OPERATOR, "An index stands where the alias must be: set ES_INDEX to another name, or see docs/migration.md"
    ),
    (400, "illegal_argument_exception"): Outcome(Kind.OPERATOR, "Look at the alias, the template and its pipelines"),
    (400, "strict_dynamic_mapping_exception"): Outcome(
        Kind.OPERATOR, "Set the index's mapping back to dynamic: false, as the template has it"
    ),
}

_UNKNOWN = Outcome(Kind.OPERATOR, "Look at the index, the template and the alias in Elasticsearch")
_SERVER_FAULT = OUTCOMES[500, _ANY]


def outcome_of(status: int, error_type: str) -> Outcome:
    """What an answer means; ``error_type`` is ``""`` where there is no error."""
    found = OUTCOMES.get((status, error_type)) or OUTCOMES.get((status, _ANY))
    if found is not None:
        return found
    return _SERVER_FAULT if status >= 500 else _UNKNOWN


_BLAMED = re.compile(r"failed to parse field \[([^]]*)\] of type")


def blamed_field(reason: str) -> str | None:
    """The mapped field that a refused document stumbled over; None where it was refused as a whole."""
    found = _BLAMED.search(reason)
    return found[1] if found else None


def error_of(outcome: Outcome, said: str, *, retry_after: float | None = None) -> CryptoProxyError:
    """The error to raise for an answer that is no document's end. ``said`` is what was asked and answered."""
    if outcome.kind is Kind.TRANSIENT:
        return TransientError(said, retry_after=retry_after)
    if outcome.kind is Kind.SIZE:
        return SizeError(said)
    return OperatorError(said, remedy=outcome.remedy or _UNKNOWN.remedy)
