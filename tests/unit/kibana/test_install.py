from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.kibana_client import definitions_file, install
from cryptoproxy.kibana_client.access import Access
from tests.unit.kibana.conftest import Installer
from tests.unit.kibana.stand_in import NOT_READY, Body, Kibana, running

ALL = [json.loads(line) for line in definitions_file().read_text(encoding="utf-8").splitlines()]
NAMES = {(one["type"], one["id"]) for one in ALL}
PASSWORD = "s3cret-Pässwörd"
API_KEY = "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw=="


def failure(**error: Any) -> dict[str, Any]:
    return {"type": "dashboard", "id": "crypto-prices-market", "meta": {"title": "Market"}, "error": error}


def failed(*errors: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 200, {"success": False, "successCount": len(ALL) - len(errors), "errors": list(errors), "warnings": []}


def test_every_object_arrives(run: Installer) -> None:
    report = run()

    assert {(one.type, one.id) for one in report.objects} == NAMES
    assert {(kind, name) for _, kind, name in run.kibana.stored} == NAMES
    assert report.kibana_version == "8.19.4"
    assert not any(one.replaced for one in report.objects)
    assert [line for line in run.said if line.endswith(": made")] == run.said


def test_a_second_run_replaces_and_adds_nothing(run: Installer) -> None:
    run()
    before = dict(run.kibana.stored)

    report = run()

    assert run.kibana.stored == before
    assert all(one.replaced for one in report.objects)


def test_the_report_leads_to_each_dashboard(run: Installer) -> None:
    addresses = dict(run().dashboards)

    assert addresses["Crypto prices: Market"] == f"{run.kibana.url}/app/dashboards#/view/crypto-prices-market"
    assert len(addresses) == 9


def test_a_starting_kibana_is_waited_for(run: Installer) -> None:
    run.kibana.next_answers += [NOT_READY, NOT_READY, (503, {"status": {"overall": {"level": "unavailable"}}})]

    report = run()

    assert len(report.objects) == len(ALL)
    assert len(run.clock.pauses) == 3
    assert len([line for line in run.said if line.startswith("waiting")]) == 2  # the same words once


def test_waiting_ends_with_what_kibana_said_last(run: Installer) -> None:
    run.kibana.next_answers += [NOT_READY] * 100

    with pytest.raises(TransientError, match=r"Gave up after 60 s\..*not ready yet"):
        run()
    assert run.clock.seconds <= 60


def test_without_waiting_there_is_one_attempt(run: Installer) -> None:
    run.kibana.next_answers += [NOT_READY]

    with pytest.raises(TransientError):
        run(wait_seconds=0)
    assert len(run.kibana.seen) == 1


def test_a_kibana_that_is_not_there_yet_is_waited_for(run: Installer) -> None:
    with running(Kibana()) as other:
        gone = other.url

    with pytest.raises(TransientError, match="Connection refused"):
        run(gone)
    assert len(run.clock.pauses) > 5


def test_an_import_that_is_refused_for_the_moment_is_tried_again(run: Installer) -> None:
    busy = failure(type="unknown", statusCode=503, message="search_phase_execution_exception")
    run.kibana.next_imports += [
        (429, {"message": "Too many requests"}),
        (408, {"message": "Request timeout"}),
        (502, "<html>Bad gateway</html>"),
        failed(busy),
    ]

    assert len(run().objects) == len(ALL)
    assert len(run.clock.pauses) == 4


def test_http_200_with_success_false_is_an_error_that_names_each_object_and_its_reason(run: Installer) -> None:
    run.kibana.next_imports.append(
        failed(
            failure(type="missing_references", references=[{"type": "index-pattern", "id": "gone"}]),
            failure(type="unknown", statusCode=400, message="belongs to a more recent version of Kibana [8.9.0]"),
            failure(type="ambiguous_conflict", destinations=[{"id": "one"}, {"id": "two"}]),
            failure(type="unsupported_type"),
        )
    )

    with pytest.raises(OperatorError) as raised:
        run()

    said = str(raised.value)
    assert f"refuses 4 of {len(ALL)} objects" in said
    assert "dashboard:crypto-prices-market: missing_references: index-pattern:gone" in said
    assert "unknown (400): belongs to a more recent version" in said
    assert "ambiguous_conflict: one, two" in said
    assert "unsupported_type" in said
    assert raised.value.remedy
    assert not run.clock.pauses


def test_a_reference_that_leads_nowhere_is_reported(run: Installer, tmp_path: Path) -> None:
    partial = tmp_path / "partial.ndjson"
    partial.write_text("".join(f"{json.dumps(one)}\n" for one in ALL if one["type"] == "dashboard"), encoding="utf-8")

    with pytest.raises(OperatorError, match="missing_references: index-pattern:crypto-prices"):
        run(path=partial)
    assert not run.kibana.stored


def test_success_without_all_objects_is_an_error(run: Installer) -> None:
    run.kibana.next_imports.append((200, {"success": True, "successCount": 0, "warnings": []}))

    with pytest.raises(OperatorError, match=rf"0 of {len(ALL)} objects; missing: .*dashboard:crypto-prices-market"):
        run()


def test_an_object_kept_under_another_id_is_told_and_linked(run: Installer) -> None:
    run.kibana.moved = {"crypto-prices-market": "0a1b"}

    report = run()

    assert "dashboard crypto-prices-market: made, as 0a1b" in run.said
    assert dict(report.dashboards)["Crypto prices: Market"].endswith("/view/0a1b")


def test_what_kibana_warns_of_is_passed_on(run: Installer) -> None:
    run.kibana.warnings = [{"type": "simple", "message": "look here"}]

    assert run().warnings == ("look here",)
    assert "Kibana warns: look here" in run.said


def test_an_older_kibana_is_remarked_on(run: Installer) -> None:
    run.kibana.version = "8.10.4-SNAPSHOT"
    run()

    assert any("8.10.4-SNAPSHOT is older than 8.11" in line for line in run.said)


@pytest.mark.parametrize(
    "credentials", [{"user": "elastic", "password": PASSWORD}, {"api_key": API_KEY}, {"user": "x", "api_key": API_KEY}]
)
def test_user_and_password_or_an_api_key_let_in(run: Installer, credentials: dict[str, str]) -> None:
    run.kibana.users, run.kibana.api_keys = {"elastic": PASSWORD}, {API_KEY}

    assert run(**credentials).kibana_version == "8.19.4"


@pytest.mark.parametrize("credentials", [{}, {"user": "elastic", "password": "wrong"}, {"api_key": "wrong"}])
def test_wrong_credentials_are_no_reason_to_wait(run: Installer, credentials: dict[str, str]) -> None:
    run.kibana.users = {"elastic": PASSWORD}

    with pytest.raises(OperatorError, match=r"401.*Check user and password"):
        run(**credentials)
    assert not run.clock.pauses


def test_credentials_of_netrc_are_not_used(run: Installer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))

    run()

    assert all("authorization" not in headers for _, _, headers in run.kibana.seen)


@pytest.mark.parametrize("credentials", [{"user": "elastic", "password": PASSWORD}, {"api_key": API_KEY}])
def test_credentials_do_not_go_in_the_clear_to_another_machine(run: Installer, credentials: dict[str, str]) -> None:
    for url in ("http://kibana.example:5601", "http://10.0.0.5/base"):
        with pytest.raises(OperatorError, match=r"unencrypted\. Give .*https://.*ALLOW_PLAINTEXT_PASSWORDS") as caught:
            run(url, **credentials)
        assert PASSWORD not in str(caught.value)
    assert Access("http://kibana.example:5601", **credentials, plaintext_allowed=True)
    assert Access("https://kibana.example:5601", **credentials)
    assert Access("http://kibana.example:5601")


def test_a_proxy_that_cannot_be_read_is_refused_without_its_password(
    run: Installer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", "http://alice:s3cr3t[@proxy.example")
    with pytest.raises(OperatorError, match="HTTP_PROXY") as caught:
        run("http://kibana.example:5601")
    assert "s3cr3t" not in str(caught.value)


def test_a_missing_privilege_is_told(run: Installer) -> None:
    run.kibana.next_imports.append((403, {"statusCode": 403, "message": "Unable to bulk_create dashboard,search"}))

    with pytest.raises(OperatorError, match=r"403: Unable to bulk_create dashboard,search\. Give this user"):
        run()


def test_no_secret_is_in_any_text(run: Installer) -> None:
    run.kibana.users, run.kibana.api_keys = {"elastic": PASSWORD}, {API_KEY}
    credentials = {"user": "elastic", "password": PASSWORD, "api_key": API_KEY}
    echo = f"who is {PASSWORD}, {API_KEY}?"
    refusals: list[tuple[int, Body]] = [
        (400, {"message": echo}),
        (401, {"message": echo}),
        (403, echo),
        (500, echo),
        failed(failure(type="unknown", statusCode=400, message=echo)),
    ]
    texts = []
    for refusal in refusals:
        run.kibana.next_imports.append(refusal)
        with pytest.raises((OperatorError, TransientError)) as raised:
            run(**credentials, wait_seconds=0)
        texts += [str(raised.value), repr(raised.value), *run.said]
    run.kibana.warnings = [{"type": "simple", "message": echo}]
    report = run(**credentials)

    for text in (*texts, *run.said, repr(report)):
        assert PASSWORD not in text
        assert API_KEY not in text
    assert any("********" in text for text in texts)


def test_a_password_that_is_a_word_of_the_answer_does_no_harm(run: Installer) -> None:
    run.kibana.users = {"elastic": "success"}

    assert len(run(user="elastic", password="success").objects) == len(ALL)


def test_the_base_path_is_kept(run: Installer) -> None:
    with running(Kibana(base_path="/kibana")) as behind_a_proxy:
        report = run(f"{behind_a_proxy.url}/")

        assert report.address == behind_a_proxy.url
        with pytest.raises(OperatorError, match="base path"):
            run(behind_a_proxy.url.removesuffix("/kibana"))


def test_a_space_gets_objects_of_its_own(run: Installer) -> None:
    run.kibana.spaces.add("crypto-team")

    report = run(space="crypto-team")

    assert {space for space, _, _ in run.kibana.stored} == {"crypto-team"}
    assert all("/s/crypto-team/app/dashboards" in address for _, address in report.dashboards)


def test_nothing_is_put_into_a_space_that_is_not_there(run: Installer) -> None:
    with pytest.raises(OperatorError, match="no space 'nowhere'"):
        run(space="nowhere")
    assert not run.kibana.stored


def test_the_default_space_may_be_named(run: Installer) -> None:
    run(space="default")

    assert {space for space, _, _ in run.kibana.stored} == {"default"}


@pytest.mark.parametrize("page", ["<html><title>Grafana</title></html>", "OK", "[]", '{"status": "green"}', ""])
def test_another_server_is_told_from_a_kibana(run: Installer, page: str) -> None:
    run.kibana.next_answers.append((200, page))

    with pytest.raises(OperatorError, match="No Kibana answers here"):
        run()


def test_the_address_of_elasticsearch_is_recognised(run: Installer) -> None:
    run.kibana.extra_headers = {"X-elastic-product": "Elasticsearch"}
    run.kibana.next_answers.append((400, {"error": "no handler found for uri [/api/status] and method [GET]"}))

    with pytest.raises(OperatorError, match="address of Elasticsearch"):
        run()


def test_a_redirect_is_told_and_not_followed(run: Installer) -> None:
    run.kibana.next_answers.append((302, ""))
    run.kibana.extra_headers["Location"] = "https://kibana.example/login"

    with pytest.raises(OperatorError, match=r"leads on to https://kibana\.example/login"):
        run(user="elastic", password=PASSWORD)
    assert len(run.kibana.seen) == 1


def test_a_body_that_is_too_large_for_a_proxy_is_told(run: Installer) -> None:
    run.kibana.next_imports.append((413, "<html>413 Request Entity Too Large</html>"))

    with pytest.raises(OperatorError, match="proxy's limit"):
        run()


def test_the_files_own_name_does_not_matter(run: Installer, tmp_path: Path) -> None:
    """Kibana takes only names that end in .ndjson."""
    renamed = tmp_path / "dashboards.json"
    renamed.write_bytes(definitions_file().read_bytes())

    assert len(run(path=renamed).objects) == len(ALL)


def test_each_write_carries_the_header_against_forged_requests(run: Installer) -> None:
    run()

    assert [headers["kbn-xsrf"] for method, _, headers in run.kibana.seen if method == "POST"] == ["cryptoproxy"]


def test_alias_and_source_are_fitted_in(run: Installer) -> None:
    run(aliases={"crypto-prices": "team-prices"}, source="binance")

    stored = run.kibana.stored
    market = stored["default", "dashboard", "crypto-prices-market"]["attributes"]
    controls = json.loads(market["controlGroupInput"]["panelsJSON"])
    assert stored["default", "index-pattern", "crypto-prices"]["attributes"]["title"] == "team-prices"
    assert controls["control-source"]["explicitInput"]["selectedOptions"] == ["binance"]


@pytest.mark.parametrize(
    "url",
    ["kibana:5601", "localhost", "ftp://kibana", "http://", "http://kibana:port", "http://a b", "http://h/?x=1", ""],
)
def test_what_is_no_address_is_refused_before_anything_is_sent(run: Installer, url: str) -> None:
    with pytest.raises(OperatorError, match="no address"):
        install(url, definitions_file())


def test_credentials_in_the_address_are_refused_and_not_repeated(run: Installer) -> None:
    for odd in ("", "[", "/", "#", "?", " ", "%"):
        with pytest.raises(OperatorError, match="holds a user or a password") as raised:
            run(f"http://elastic:{PASSWORD}{odd}@127.0.0.1:5601")
        assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"api_key": "abc\n"}, "API key"),
        ({"api_key": "schlüssel"}, "API key"),
        ({"user": "a:b"}, "holds a ':'"),
        ({"space": "My Space"}, "no id of a space"),
        ({"ca_file": Path("/no/such/ca.pem")}, "is no file"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_sent(
    run: Installer, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(OperatorError, match=words) as raised:
        run(**options)
    assert "schlüssel" not in str(raised.value)
    assert not run.kibana.seen


def test_tls_needs_the_ca_and_says_so(run: Installer, tmp_path: Path) -> None:
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca_file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(ca_file))

    with running(Kibana(), tls=context) as secured:
        assert len(run(secured.url, ca_file=ca_file).objects) == len(ALL)
        with pytest.raises(OperatorError, match="Give the CA"):
            run(secured.url)
