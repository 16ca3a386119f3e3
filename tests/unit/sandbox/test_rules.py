from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from cryptoproxy.sandbox import Rule, RuleError, Script
from cryptoproxy.sandbox.rules.script import read_rules, show_count
from cryptoproxy.sandbox.wire import Request


def get(target: str = "/x", method: str = "GET", **fields) -> Request:
    return Request(method, target, **fields)


def firing(rule: Rule, requests: int = 10) -> list[int]:
    """Which of the matching requests, from 1, the rule took."""
    script = Script([rule])
    return [n for n in range(1, requests + 1) if script.decide(get()) is rule]


@pytest.mark.parametrize(
    ("rule", "taken"),
    [
        (Rule(), list(range(1, 11))),
        (Rule(nth=3), [3]),
        (Rule(first=4), [4, 5, 6, 7, 8, 9, 10]),
        (Rule(first=4, last=6), [4, 5, 6]),
        (Rule(every=3), [1, 4, 7, 10]),
        (Rule(first=2, every=4), [2, 6, 10]),
        (Rule(times=2), [1, 2]),
        (Rule(every=2, times=2), [1, 3]),
        (Rule(probability=0.0), []),
    ],
)
def test_which_matches_are_taken(rule, taken):
    assert firing(rule) == taken


def test_method_path_and_query_choose():
    rule = Rule(method="post", path=r"^/_bulk(\?|$)")
    assert rule.matches(get("/_bulk?filter_path=x", "POST"))
    assert not rule.matches(get("/_bulk", "GET"))
    assert not rule.matches(get("/a/_bulk", "POST"))
    assert Rule(path="page=2").matches(get("/coins?page=2"))


def test_body_size_counts_decompressed():
    rule = Rule(body_over=100)
    packed = get(method="POST", headers=(("Content-Encoding", "gzip"),), body=gzip.compress(b"x" * 101))
    assert len(packed.body) < 100
    assert rule.matches(packed)
    assert not rule.matches(get(method="POST", body=b"x" * 100))


def test_the_first_rule_that_fires_wins_and_all_count():
    first, second = Rule(name="a", nth=2), Rule(name="b", nth=2)
    third = Rule(name="c", nth=3)
    script = Script([first, second, third])
    assert [script.decide(get()) for _ in range(3)] == [None, first, third]
    assert [(c.rule.name, c.seen, c.fired) for c in script.counts()] == [("a", 3, 1), ("b", 3, 0), ("c", 3, 1)]
    assert (script.fired(), script.fired("c")) == (2, 1)


def test_probability_is_decided_by_the_seed():
    def run(seed: int) -> list[bool]:
        script = Script([Rule(probability=0.5)], seed=seed)
        return [script.decide(get()) is not None for _ in range(200)]

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 60 < sum(run(1)) < 140


def test_counts_are_right_under_many_threads():
    script = Script([Rule(every=2, status=500)])
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: script.decide(get()), range(1000)))
    assert sum(rule is not None for rule in taken) == 500
    assert script.counts()[0].seen == 1000


def test_rules_go_by_name():
    script = Script([Rule(name="a"), Rule(name="b")])
    script.clear("a")
    assert [count.rule.name for count in script.counts()] == ["b"]
    script.clear()
    assert script.counts() == []


def test_waiting_ends_when_a_rule_has_fired():
    script = Script([Rule(name="a")])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(script.wait_fired, 2, "a", timeout=180)
        script.decide(get())
        script.decide(get())
        assert waiting.result()
    assert not script.wait_fired(3, "a", timeout=0.01)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"nth": 0}, "nth"),
        ({"every": 0}, "every"),
        ({"delay": -1}, "delay"),
        ({"status": 99}, "status"),
        ({"probability": 2}, "probability"),
        ({"path": "("}, "path"),
        ({"rewrite": "nonesuch"}, "rewrite"),
        ({"drip": 0}, "drip"),
        ({"cut_after": -1}, "cut_after"),
    ],
)
def test_a_rule_that_cannot_be_names_its_field(fields, field):
    with pytest.raises(RuleError, match=f"^{field}: "):
        Rule(**fields)
    with pytest.raises(RuleError, match=f"^{field}: "):
        read_rules(json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"stauts": 1}', "^stauts: unknown field; there are name, "),
        ('{"status": "429"}', "^status: Expected "),
        ('[{}, {"delay": "long"}]', "^rule 1: delay: "),
        ("[1]", "^rule 0: a rule is a JSON object"),
        ("{", "^not JSON"),
        ('{"rewrite": 3}', "^rewrite: "),
    ],
)
def test_wrong_json_is_told_with_place_and_field(text, message):
    with pytest.raises(RuleError, match=message):
        read_rules(text.encode())


def test_rules_come_out_of_json_and_go_back():
    text = '{"path": "/_bulk", "nth": 2, "status": 429, "headers": {"A": "1", "B": null}, "replace": ["a", "b"]}'
    (rule,) = read_rules(text.encode())
    assert rule == Rule(path="/_bulk", nth=2, status=429, headers={"A": "1", "B": None}, replace=("a", "b"))
    script = Script([rule])
    shown = json.loads(json.dumps(show_count(script.counts()[0])))
    assert {name: shown[name] for name in json.loads(text)} == json.loads(text)
    assert (shown["seen"], shown["fired"], shown["label"]) == (0, 0, "429+replace+headers")


def test_a_rule_says_what_it_does():
    assert Rule().label == "pass"
    assert Rule(refuse=True).label == "refuse"
    assert Rule(cut_after=0, drip=9).label == "cut_after+drip"
    assert Rule(name="mine", status=500).label == "mine"
