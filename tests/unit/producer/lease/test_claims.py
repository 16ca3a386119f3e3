"""Who is chosen among the members of the group."""

from __future__ import annotations

import random

import pytest

from cryptoproxy.producer.lease.claims import Claim, choose, decode


def claim(process: str, *, waiting_since: int = 0, term: int | None = None, client: int = 1) -> Claim:
    return Claim(process=process, client=client, waiting_since=waiting_since, term=term)


def chosen(members: dict[str, Claim | None]) -> str | None:
    shuffled = list(members.items())
    random.shuffle(shuffled)
    return choose(shuffled)


def test_the_holder_keeps_it_whoever_has_waited_longer() -> None:
    assert chosen({"a": claim("a", waiting_since=1), "b": claim("b", waiting_since=9, term=4)}) == "b"


def test_without_a_holder_the_one_that_waits_longest_is_chosen() -> None:
    assert (
        chosen({"a": claim("a", waiting_since=7), "b": claim("b", waiting_since=5), "c": claim("c", waiting_since=6)})
        == "b"
    )


def test_a_holder_that_was_cut_off_gives_way_to_the_one_chosen_after_it() -> None:
    assert chosen({"old": claim("old", term=4), "new": claim("new", waiting_since=9, term=5)}) == "new"


def test_what_a_given_up_client_left_behind_is_not_chosen() -> None:
    assert chosen({"m1": claim("a", term=4, client=1), "m2": claim("a", term=4, client=2), "b": claim("b")}) == "m2"


def test_members_that_wait_equally_long_are_told_apart_the_same_way_by_every_leader() -> None:
    members: dict[str, Claim | None] = {name: claim(name) for name in "dbca"}
    assert {chosen(members) for _ in range(20)} == {"a"}


def test_a_member_of_another_version_is_chosen_last() -> None:
    assert chosen({"a": None, "b": claim("b", waiting_since=9)}) == "b"
    assert chosen({"b": None, "a": None}) == "a"
    assert choose([]) is None


@pytest.mark.parametrize("term", [None, 0, 7])
def test_a_claim_survives_its_encoding(term: int | None) -> None:
    said = claim("a", waiting_since=1_763_632_800_000, term=term, client=3)
    assert decode(said.encode()) == said


@pytest.mark.parametrize("data", [None, b"", b"\xff", b"[]", b"null", b"{}", b'{"process": "a", "client": "x"}'])
def test_what_is_no_claim_is_none(data: bytes | None) -> None:
    assert decode(data) is None


def test_a_newer_claim_may_say_more() -> None:
    assert decode(claim("a").encode()[:-1] + b', "more": 1}') == claim("a")
