"""The counts as bytes: the same form in the file and in the topic. Unknown fields are ignored, so that a newer and an
older process can follow each other."""

from __future__ import annotations

import msgspec

from cryptoproxy.producer.budget.counts import Counts


class State(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """``boot`` and ``zero_ms`` are in the file alone: by which boot's monotonic clock the stamps run."""

    upstream: str
    counts: Counts
    boot: str = ""
    zero_ms: int = 0


class DamagedStateError(ValueError):
    """Bytes that are no state of this upstream."""


_decoder = msgspec.json.Decoder(State)


def encode(state: State) -> bytes:
    """The same bytes for the same state."""
    return msgspec.json.encode(state, order="deterministic")


def decode(content: bytes, *, upstream: str) -> State:
    """
    Raises:
        DamagedStateError: cut, garbage, or somebody else's.
    """
    try:
        state = _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedStateError(f"it is no state: {error}") from error
    if state.upstream != upstream:
        raise DamagedStateError(f"it is the state of {state.upstream!r}")
    return state
