from __future__ import annotations

import pytest

PING = "/coingecko/api/v3/ping"


def test_health_names_the_base_addresses(http, sandbox):
    health = http.get(sandbox.url + "/_sandbox/health").json()
    assert health["status"] == "ok"
    assert health["upstreams"]["coingecko"] == f"{sandbox.url}/coingecko/api/v3"
    assert health["upstreams"]["binance"] == f"{sandbox.url}/binance"
    assert http.get(health["upstreams"]["coingecko"] + "/ping").status_code == 200


def test_faults_are_added_counted_and_removed(http, sandbox):
    faults = sandbox.url + "/_sandbox/faults"
    added = http.post(faults, json=[{"path": "/ping", "nth": 2, "status": 503}, {"name": "slow", "delay": 0.001}])
    assert added.status_code == 200
    assert [http.get(sandbox.url + PING).status_code for _ in range(3)] == [200, 503, 200]
    first, second = http.get(faults).json()["faults"]
    assert (first["label"], first["seen"], first["fired"], first["status"]) == ("503", 3, 1, 503)
    assert (second["label"], second["seen"], second["fired"]) == ("slow", 3, 2)
    assert [fault["label"] for fault in http.delete(faults, params={"name": "slow"}).json()["faults"]] == ["503"]
    assert http.delete(faults).json() == {"faults": []}
    assert http.post(faults, json={"refuse": True}).json()["faults"][0]["refuse"] is True
    assert http.get(faults).status_code == 200


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"stauts": 503}', "stauts: unknown field"),
        (b'[{"status": 503}, {"nth": "2"}]', "rule 1: nth: Expected"),
        (b'{"path": "["}', "path: not a regular expression"),
        (b"nonsense", "not JSON"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_field(http, sandbox, body, text):
    answer = http.post(sandbox.url + "/_sandbox/faults", data=body)
    assert answer.status_code == 400
    assert text in answer.json()["error"]
    assert sandbox.script.counts() == []


def test_the_ledger_is_read_on_from_a_number(http, sandbox):
    for _ in range(3):
        http.get(sandbox.url + PING)
    ledger = sandbox.url + "/_sandbox/ledger"
    entries = http.get(ledger).json()["entries"]
    assert [entry["seq"] for entry in entries] == [1, 2, 3]
    assert "body" not in entries[0]
    (second,) = http.get(ledger, params={"since": 1, "limit": 1, "body": 1}).json()["entries"]
    assert (second["seq"], second["body"]) == (2, '{"gecko_says":"(V3) To the Moon!"}')


@pytest.mark.parametrize(("query", "field"), [("since=x", "since"), ("limit=-1", "limit")])
def test_a_wrong_number_is_refused_with_its_field(http, sandbox, query, field):
    answer = http.get(f"{sandbox.url}/_sandbox/ledger?{query}")
    assert (answer.status_code, answer.json()["error"].partition(":")[0]) == (400, field)


def test_unknown_control_addresses_are_told(http, sandbox):
    answer = http.put(sandbox.url + "/_sandbox/faults")
    assert answer.status_code == 404
    assert "POST /_sandbox/faults" in answer.json()["error"]
