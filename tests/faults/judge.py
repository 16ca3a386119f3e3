"""One judge for all cases: what was served and kept is on the topic and in the lake, once, with the same values.

The truth is the sandbox's ledger, written before the first byte of an answer leaves. Nothing of `upstreams`
is used here.

1. Every message of the topic has the key, the header and the id that its record says; an id that is there twice has
   the same bytes. Excepted is a slot that two pollers held (a holder that was cut off or stopped goes on until it is
   told): there the ids are the same and the bytes are those of two polls.
2. The ids on the topic are the ids in the lake by the reader's rule (and the documents, where an indexer runs); each
   line of the lake is on the topic.
3. Each poll on the topic is a served answer, whole, value by value: none foreign, none half.
4. Each whole answer that a poll could be made of is on the topic, but for those that the poller itself counts as
   missed, those of the one that was under way when it was killed, or (but never all of its pages) when the upstream
   went away before the judge was asked, and those beside an answer of the same try that is no such page: then all of
   them are asked for again.
5. Each poll that was seen in an outbox after a kill is on the topic and in the lake, and nothing is left behind.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptoproxy.sandbox.ledger import Entry
from tests.faults import reading
from tests.faults.evidence import Found, slots_of
from tests.faults.reading import TICKERS, Kind, milliseconds

SLACK_MS = 15_000
"""How long after it was served an answer may have arrived: the sandbox's delays, a busy machine."""
_OF_THE_POLL = ("source", "timestamp", "fetched_at", "fetch_delay_ms", "interval_ms")
_TIMES = ("last_updated",)

Slot = tuple[str, int]


@dataclass
class Case:
    """The evidence of one case."""

    served: Sequence[Entry]
    topic: Sequence[Found]
    lake: Mapping[str, bytes]
    """By id, by the reader's rule."""
    objects: Mapping[str, Sequence[bytes]]
    """The raw objects' lines, by key."""
    witnessed: set[Slot] = field(default_factory=set)
    """Polls that were seen in an outbox, or whose slot was on disk as the last kept one."""
    kept: int | None = None
    """How many polls the pollers say they kept, where none was killed."""
    missed: Mapping[str, int] = field(default_factory=dict)
    """How many slots they say they missed, by source."""
    killed_ms: Sequence[int] = ()
    left_behind: Sequence[str] = ()
    """Names still in the outboxes."""
    documents: Mapping[str, Mapping[str, Any]] | None = None
    two_holders: bool = False
    """Two processes may have polled the same slot."""
    dead_letters: Sequence[bytes] = ()
    kind: Kind = TICKERS


@dataclass
class Verdict:
    """What the judge found. :attr:`faults` is empty when all is well."""

    polls: int = 0
    records: int = 0
    lost: int = 0
    """Records that are somewhere, but not everywhere; polls that were kept and are nowhere."""
    foreign: int = 0
    doubled: int = 0
    """Ids twice where each is to be once: in the index and in the lake by the reader's rule."""
    again: int = 0
    """Messages that are on the topic once more."""
    faults: list[str] = field(default_factory=list)

    def require(self) -> Verdict:
        assert not self.faults, "\n".join(self.faults[:20])
        return self


def judge(case: Case) -> Verdict:
    verdict = Verdict()
    copies = _topic(case, verdict)
    _same_everywhere(case, copies, verdict)
    matched = _values(case, copies, verdict)
    _served_and_kept(case, matched, verdict)
    slots = {slot for slot, _ in matched}
    verdict.polls, verdict.records = len(slots), len(copies)
    if case.kept is not None and not case.two_holders and case.kept != verdict.polls:
        verdict.lost += abs(case.kept - verdict.polls)
        verdict.faults.append(f"the pollers kept {case.kept} polls, {verdict.polls} are on the topic")
    for slot in sorted(_of_kind(case.witnessed, case.kind) - slots):
        verdict.lost += 1
        verdict.faults.append(f"{slot} was kept on disk, and is not on the topic")
    verdict.faults += [f"left behind: {name}" for name in case.left_behind]
    return verdict


def _of_kind(witnessed: set[Slot], kind: Kind) -> set[Slot]:
    """By source, those whose feed is of this dataset."""
    if not kind.suffix:
        return {slot for slot in witnessed if "." not in slot[0]}
    return {(feed.removesuffix(kind.suffix), at) for feed, at in witnessed if feed.endswith(kind.suffix)}


def _topic(case: Case, verdict: Verdict) -> dict[str, list[bytes]]:
    """The different copies of each id."""
    copies: dict[str, list[bytes]] = defaultdict(list)
    for found in [*case.topic, *(Found(b"", letter, ()) for letter in case.dead_letters)]:
        record = json.loads(found.value)
        name = case.kind.identity(record)
        if found.key and found.key.decode() != name.rpartition(":")[0]:
            verdict.faults.append(f"key {found.key!r} of {name}")
        if found.key and dict(found.headers).get("schema-version") != b"1":
            verdict.faults.append(f"headers {found.headers} of {name}")
        if found.value in copies[name]:
            verdict.again += 1
            continue
        copies[name].append(found.value)
        if len(copies[name]) > 1 and not case.two_holders:
            verdict.doubled += 1
            verdict.faults.append(f"{name} is on the topic with different bytes")
    return copies


def _same_everywhere(case: Case, copies: Mapping[str, list[bytes]], verdict: Verdict) -> None:
    places: dict[str, Iterable[str]] = {"the lake": case.lake}
    if case.documents is not None:
        places["the index"] = case.documents
    for place, ids in places.items():
        missing, strange = copies.keys() - set(ids), set(ids) - copies.keys()
        verdict.lost += len(missing) + len(strange)
        verdict.faults += [f"{name} is on the topic, not in {place}" for name in sorted(missing)[:5]]
        verdict.faults += [f"{name} is in {place}, not on the topic" for name in sorted(strange)[:5]]
    for name, line in case.lake.items():
        if name in copies and line not in copies[name]:
            verdict.faults.append(f"{name} has other bytes in the lake")
        elif name in copies and line != min(copies[name], key=lambda value: json.loads(value)["fetched_at"]):
            verdict.faults.append(f"{name}: the lake's reader gives the later copy")
    for name, document in (case.documents or {}).items():
        if name in copies and document not in [json.loads(value) for value in copies[name]]:
            verdict.faults.append(f"{name} has other values in the index")
    raw = Counter(case.kind.identity(json.loads(line)) for lines in case.objects.values() for line in lines)
    for name, count in raw.items():
        if count > len(copies.get(name, ())) and not case.killed_ms:
            verdict.doubled += 1
            verdict.faults.append(f"{name} is in {count} objects of the lake")


def _values(case: Case, copies: Mapping[str, list[bytes]], verdict: Verdict) -> set[tuple[Slot, int]]:
    """Each poll, and the number of the (last) answer that it was made of."""
    answers = _answers(case)
    quotes = _quotes(case.served)
    matched: set[tuple[Slot, int]] = set()
    used: set[int] = set()
    for fetched_ms, (source, slot_ms), records in _polls(copies, case.kind):
        time = next(iter(records.values()))["timestamp"]
        like = list(_answers_like(case.kind, source, records, answers.get(source, []), quotes, fetched_ms))
        # Two answers of the same moment may be equal: then each poll has one of them.
        chosen = next((each for each in like if not used.intersection(each)), like[0] if like else None)
        if chosen is None:
            verdict.foreign += len(records)
            verdict.faults.append(f"the poll of {source} for {time} is none of the answers served before it")
        used.update(chosen or ())
        matched |= {((source, slot_ms), number) for number in chosen or (-1,)}
        if slot_ms > fetched_ms:
            verdict.faults.append(f"{source} {time} was fetched before its slot")
        if any(each.get("fetch_delay_ms", fetched_ms - slot_ms) != fetched_ms - slot_ms for each in records.values()):
            verdict.faults.append(f"{source} {time}: fetch_delay_ms is not what the times say")
    return matched


def _polls(copies: Mapping[str, list[bytes]], kind: Kind) -> list[tuple[int, Slot, dict[str, dict[str, Any]]]]:
    """All polls, oldest first; where a slot was polled twice, the two apart, told by when they were fetched."""
    by_fetch: dict[tuple[int, str], list[bytes]] = defaultdict(list)
    for values in copies.values():
        for value in values:
            record = json.loads(value)
            by_fetch[milliseconds(record["fetched_at"]), record["source"]].append(value)
    return [
        (fetched_ms, slot, records)
        for (fetched_ms, _), values in sorted(by_fetch.items())
        for slot, records in slots_of(values, kind.identity).items()
    ]


def _answers(case: Case) -> dict[str, list[Entry]]:
    """By source, the answers that a poll could be made of, oldest first."""
    answers: dict[str, list[Entry]] = defaultdict(list)
    for entry in case.served:
        source = case.kind.source_of(entry)
        if source and entry.status == 200 and entry.body is not None and case.kind.is_poll(source, entry.body):
            answers[source].append(entry)
    return answers


def _quotes(served: Sequence[Entry]) -> dict[str, dict[str, str]]:
    quotes: dict[str, dict[str, str]] = defaultdict(dict)
    for entry in served:
        if entry.status == 200 and entry.body and any(part in entry.target for part in reading.LISTS):
            try:
                quotes[entry.upstream] |= reading.quotes_in(entry.body)
            except (ValueError, KeyError, TypeError):
                continue  # a list that was meant to be damaged
    return quotes


def _answers_like(
    kind: Kind,
    source: str,
    records: Mapping[str, Mapping[str, Any]],
    answers: Sequence[Entry],
    quotes: Mapping[str, Mapping[str, str]],
    fetched_ms: int,
) -> Iterator[list[int]]:
    """The answers before ``fetched_ms`` that have these values, newest first; of several pages the newest of each."""
    told = {kind.name(record): record for record in records.values()}
    near = [entry for entry in answers if fetched_ms - SLACK_MS <= entry.at_ms <= fetched_ms]
    upstream = source.partition("-")[0]
    for last in range(len(near), 0, -1):
        pages = {entry.target: entry for entry in near[:last]}
        chosen = sorted(pages.values(), key=lambda entry: entry.target)
        alone = [near[last - 1]]
        for entries in (alone, chosen) if len(chosen) > 1 else (alone,):
            wanted = kind.expected(source, [entry.body or b"" for entry in entries], quotes[upstream])
            if wanted.keys() == told.keys() and all(_equal(wanted[name], told[name]) for name in wanted):
                yield [entry.seq for entry in entries]


def _equal(wanted: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    rest = {name: value for name, value in told.items() if name not in _OF_THE_POLL and name not in _TIMES}
    mine = {name: value for name, value in wanted.items() if name not in _TIMES}
    if "quote" not in mine:  # no list of symbols was served: the table of suffixes decides, tested elsewhere
        rest.pop("quote", None)
    return mine == rest and all(_moment(wanted.get(name)) == _moment(told.get(name)) for name in _TIMES)


def _moment(value: Any) -> int | None:
    if value is None or isinstance(value, int):
        return value
    return milliseconds(value)


def _served_and_kept(case: Case, matched: set[tuple[Slot, int]], verdict: Verdict) -> None:
    used = {number for _, number in matched}
    for source, answers in _answers(case).items():
        pages = [""] if case.kind.alone else list(dict.fromkeys(entry.target for entry in answers))  # of one poll
        calls = len(pages)
        excused = {
            entry.seq
            for killed_ms in case.killed_ms
            for entry in [each for each in answers if each.at_ms <= killed_ms][-calls:]
        }
        excused |= _beside_what_is_none(case, source)
        unused = [entry for entry in answers if entry.whole and entry.seq not in used | excused]
        last = max((entry.at_ms for entry in answers if entry.seq in used), default=0)
        begun = [entry for entry in unused if entry.at_ms > last]
        if [entry.target for entry in begun] == pages[: len(begun)] and len(begun) < calls:
            unused = [entry for entry in unused if entry not in begun]
        if len(unused) > case.missed.get(source + case.kind.suffix, 0) * calls:
            verdict.lost += 1
            verdict.faults += [
                f"answer {entry.seq} of {source} ({entry.fault or 'no fault'}) was served whole and is nowhere"
                for entry in unused[:5]
            ]


def _beside_what_is_none(case: Case, source: str) -> set[int]:
    """The other answers of a try (a page each, one after the other) with a rewritten one that no poll can be made of."""
    asked = [entry for entry in case.served if entry.status == 200 and case.kind.source_of(entry) == source]
    pages = list(dict.fromkeys(entry.target for entry in asked))
    found: set[int] = set()
    for at, entry in enumerate(asked if not case.kind.alone else ()):
        if entry.fault and not case.kind.is_poll(source, entry.body or b""):
            first = at - pages.index(entry.target)
            found |= {each.seq for each in asked[max(first, 0) : first + len(pages)]}
    return found
