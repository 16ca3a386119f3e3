"""What `make test-more` tests: with programs that others wrote, from Debian's packages. The fault suite's engines serve."""

from __future__ import annotations

from tests.faults.conftest import engines
from tests.faults.indexing.conftest import rig

__all__ = ["engines", "rig"]
