"""What each answer of Elasticsearch to one document means: a table, by status and type. The unknown is a person's.

Status alone proves nothing: a closed index, a shard limit and a bad document all answer 400.
"""

from __future__ import annotations

import enum


class Kind(enum.Enum):
    """Where a document goes after its answer."""

    INDEXED = "indexed"
    DUPLICATE = "duplicate"
    TRANSIENT = "transient"
    POISON = "poison"
    OPERATOR = "operator"


_ANY = "*"

OUTCOMES: dict[tuple[int, str], Kind] = {
    # (status, type of the error): kind
    (200, ""): Kind.INDEXED,
    (201, ""): Kind.INDEXED,
    # `create` of an id that is there: history does not change, the first copy stays.
    (409, "version_conflict_engine_exception"): Kind.DUPLICATE,
    # Overload (es_rejected_execution_exception, circuit_breaking_exception) and the flood-stage block, which
    # Elasticsearch lifts by itself (cluster_block_exception).
    (429, _ANY): Kind.TRANSIENT,
    (500, _ANY): Kind.TRANSIENT,
    (502, _ANY): Kind.TRANSIENT,
    (503, _ANY): Kind.TRANSIENT,
    (504, _ANY): Kind.TRANSIENT,
    # The document itself is at fault, as far as the index's mapping is ours: the caller checks that.
    (400, "document_parsing_exception"): Kind.POISON,
    (400, "mapper_parsing_exception"): Kind.POISON,
}


def kind_of(status: int, error_type: str) -> Kind:
    """The kind of one item's answer; ``error_type`` is ``""`` where there is no error."""
    found = OUTCOMES.get((status, error_type)) or OUTCOMES.get((status, _ANY))
    return Kind.OPERATOR if found is None else found


def remedy_for(status: int, error_type: str) -> str:
    """What a person has to do about an answer of kind OPERATOR."""
    return _REMEDIES.get(error_type) or _REMEDIES.get(str(status), "Look at the index's state in Elasticsearch")


_REMEDIES = {
    "cluster_block_exception": "Take the write block from the index (index.blocks.*)",
    "index_closed_exception": "Open the index, or give its records a new home as docs/operations.md says",
    "index_not_found_exception": "Run `cryptoproxy setup`",
    "security_exception": "Give the indexer's user the role of docs/security.md",
    "validation_exception": "Raise cluster.max_shards_per_node or remove old indices (cryptoproxy retention)",
    "illegal_argument_exception": "Look whether an index stands where the alias must be, and at the template",
    "403": "Give the indexer's user the role of docs/security.md, or take the block from the index",
    "404": "Run `cryptoproxy setup`",
}
