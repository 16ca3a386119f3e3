"""The judge's rules for the indexing half: what was put on the topic = documents + dead letters.

6. Each record that was fed is one document with equal values; no document is foreign, none is there twice.
7. Each poison is a dead letter with its original key and value, and nothing else is one. A letter may come twice where
   an indexer was killed between the letter's acknowledgement and its commit.
8. Everything is committed: the group's lag is 0.

With pollers in the case, what was fed is what they published, and `tests.faults.judge` holds that against the
sandbox's ledger first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.evidence import Found
from tests.faults.judge import Verdict

Place = tuple[int, int]
"""Partition and offset on the topic."""


@dataclass
class IndexCase:
    """The evidence."""

    fed: Mapping[str, bytes]
    """By document id: the bytes on the topic."""
    documents: Sequence[tuple[str, Mapping[str, Any]]]
    """Id and source of every document, through the alias, as often as it is there."""
    poison: Mapping[Place, tuple[bytes | None, bytes | None]] = field(default_factory=dict)
    letters: Sequence[Found] = ()
    lag: int = 0
    messages: int = 0
    """On the topic, good and bad; 0 where nobody counted."""
    letters_may_repeat: bool = False


def judge_index(case: IndexCase) -> Verdict:
    verdict = Verdict(records=len(case.fed) + len(case.poison))
    _documents(case, verdict)
    _letters(case, verdict)
    if case.lag:
        verdict.faults.append(f"the group is {case.lag} records behind")
    verdict.again = max(0, case.messages - verdict.records)
    return verdict


def _documents(case: IndexCase, verdict: Verdict) -> None:
    found: dict[str, Mapping[str, Any]] = {}
    for name, source in case.documents:
        if name in found:
            verdict.doubled += 1
            verdict.faults.append(f"{name} is in the index twice")
        found[name] = source
    missing, foreign = case.fed.keys() - found.keys(), found.keys() - case.fed.keys()
    verdict.lost += len(missing)
    verdict.foreign += len(foreign)
    verdict.faults += [f"{name} is not in the index ({len(missing)} are missing)" for name in sorted(missing)[:5]]
    verdict.faults += [f"{name} is in the index, and nobody fed it" for name in sorted(foreign)[:5]]
    for name in found.keys() & case.fed.keys():
        if found[name] != json.loads(case.fed[name]):
            verdict.faults.append(f"{name} has other values in the index: {found[name]}")


def _letters(case: IndexCase, verdict: Verdict) -> None:
    found: dict[Place, tuple[bytes | None, bytes | None]] = {}
    for letter in case.letters:
        headers = dict(letter.headers)
        place = int(headers["dlq-partition"]), int(headers["dlq-offset"])
        if place in found and not case.letters_may_repeat:
            verdict.doubled += 1
            verdict.faults.append(f"the record at {place} is a dead letter twice")
        found[place] = letter.key, letter.value
    missing, foreign = case.poison.keys() - found.keys(), found.keys() - case.poison.keys()
    verdict.lost += len(missing)
    verdict.foreign += len(foreign)
    verdict.faults += [f"the poison at {place} is no dead letter" for place in sorted(missing)[:5]]
    verdict.faults += [f"the good record at {place} is a dead letter: {found[place]}" for place in sorted(foreign)[:5]]
    for place in found.keys() & case.poison.keys():
        if found[place] != case.poison[place]:
            verdict.faults.append(f"the dead letter of {place} has other bytes: {found[place]}")
