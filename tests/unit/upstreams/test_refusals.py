"""What each upstream's refusal means, from the bodies that they really sent."""

from __future__ import annotations

import pytest

from cryptoproxy.errors import OperatorError, TransientError
from cryptoproxy.upstreams.base import BannedError, RefusedError
from cryptoproxy.upstreams.binance.tickers import Binance
from cryptoproxy.upstreams.bybit.tickers import Bybit
from cryptoproxy.upstreams.coingecko.plans import Plan
from cryptoproxy.upstreams.coingecko.tickers import CoinGecko

NOW_MS = 1_660_090_300_000
PAGE = b"<!DOCTYPE html>\n<html><head><title>Attention Required! | Cloudflare</title></head></html>"


def refusal(source, answer, kind):
    with pytest.raises(kind) as caught:
        source.check(answer, now_ms=NOW_MS)
    assert type(caught.value) is kind
    assert len(str(caught.value)) < 600
    return caught.value


@pytest.mark.parametrize("source", [CoinGecko(), Binance(), Bybit("linear")])
def test_what_holds_for_all(source, answer):
    source.check(answer(200, b'{"retCode":0}'), now_ms=NOW_MS)
    for status in (500, 502, 503, 504, 520, 408, 425):
        refusal(source, answer(status, b"<html>"), TransientError)
    assert refusal(source, answer(503, retry_after="7"), TransientError).retry_after == 7
    assert refusal(source, answer(429, retry_after="119"), RefusedError).retry_after == 119
    date = "Wed, 10 Aug 2022 00:12:10 GMT"
    assert refusal(source, answer(429, retry_after=date), RefusedError).retry_after == 30
    for status in (400, 404, 405, 410, 414):
        refusal(source, answer(status, b"x" * 10_000), OperatorError)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("source", [CoinGecko(), Binance(), Bybit("linear")])
def test_a_redirect_is_not_followed_and_names_where_it_leads_and_the_setting(source, answer, status):
    moved = answer(status, b"<html>", location="https://elsewhere.example/api?key=CG-secret")
    error = refusal(source, moved, OperatorError)
    assert f"{source.upstream} answered {status}: it sends us on to https://elsewhere.example/api. " in str(error)
    assert f"{source.upstream.upper()}_BASE_URL" in error.remedy
    assert "CG-secret" not in str(error)
    assert "nowhere" in str(refusal(source, answer(status), OperatorError))


ALL = pytest.mark.parametrize("source", [CoinGecko(), Binance(), Bybit("linear")])


@ALL
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"retry_after": "0"},
        {"retry_after": "0, 0"},
        {"retry_after": "soon"},
        {"retry_after": "-5"},
        {"retry_after": "Wed, 10 Aug 2022 00:00:00 GMT"},
        {"retry_after": "Wed, 32 Aug 2022 25:61:00 GMT"},
        {"retry_after": "Mon, 01 Jan 0001 00:00:00 +2359"},
    ],
)
def test_a_429_that_tells_no_usable_time_is_left_alone_for_a_minute(source, answer, headers):
    error = refusal(source, answer(429, b"slow down", **headers), BannedError)
    assert (error.retry_after, error.least) == (60, 60)


@ALL
@pytest.mark.parametrize(
    "told",
    ["600", "600.0", "600s", "600 seconds", "+600", "600;q=1", "10 minutes", "10m", "2022-08-10T00:21:40Z"],
)
def test_seconds_count_however_they_are_written(source, answer, told):
    assert refusal(source, answer(429, retry_after=told), RefusedError).retry_after == 600
    assert refusal(source, answer(429, retry_after=f"7, {told}"), RefusedError).retry_after == 600
    assert refusal(source, answer(503, retry_after=told), TransientError).retry_after == 600
    assert refusal(source, answer(418, retry_after=told), BannedError).retry_after == 600


@ALL
def test_of_a_time_told_twice_the_longer_counts(source, answer):
    assert refusal(source, answer(429, retry_after="7, 30"), RefusedError).retry_after == 30
    dates = "Wed, 10 Aug 2022 00:12:10 GMT, Wed, 10 Aug 2022 00:13:40 GMT"
    assert refusal(source, answer(429, retry_after=dates), RefusedError).retry_after == 120


@ALL
@pytest.mark.parametrize("status", [200, 400, 403, 418, 429, 500, 503])
@pytest.mark.parametrize(
    "until",
    [
        "1660090900",
        "1660090900000",
        "1660090900000000",
        "1660090900000000000",
        "2022-08-10T00:21:40Z",
        "2022/08/10 00:21:40",
        "10 Aug 2022 00:21:40 GMT",
    ],
)
def test_a_ban_is_a_ban_whatever_the_status_and_unit_that_tell_it(source, answer, status, until):
    body = b'{"code":-1003,"msg":"Way too much request weight used; IP banned until %s. Bye."}' % until.encode()
    for told in (body, body.decode().encode("utf-16"), b"<p>IP banned\n until <b>" + until.encode() + b"</b>"):
        error = refusal(source, answer(status, told, retry_after="5"), BannedError)
        assert error.retry_after == 600


@ALL
@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (b"IP banned till 1660090900000", 600),
        (b"IP ban until 1660090900000", 600),
        (b"IP banned for 600 seconds", 600),
        (b"IP banned for 2 hours", 7200),
        (b"IP banned for 1.5 hours", 5400),
        (b"IP banned for 10,000 seconds", 10_000),
        (b"IP banned for 1 day", 86_400),
        (b"IP banned for " + b"9" * 400 + b" s", 120),
        (b"IP banned for 3 moons", 120),
        (b"IP banned for 3", 120),
    ],
)
def test_a_ban_is_a_ban_in_other_words(source, answer, status, said, seconds):
    assert refusal(source, answer(status, b'{"error":"%s."}' % said), BannedError).retry_after == seconds


@ALL
def test_what_anybody_may_have_written_in_an_answer_of_rows_is_no_ban(source, answer):
    told = b'{"retCode":0,"description":"Banned until 2031 in some places."'
    for body in (told, told + b"}", told + b" " * 5000 + b"}", b"[" + told + b"}]"):
        source.check(answer(200, body), now_ms=NOW_MS)


@ALL
def test_a_page_of_whatever_length_that_tells_a_ban_is_one(source, answer):
    page = answer(200, b"<html>" + b" " * 5000 + b"IP banned until 1660090900000", content_type="text/html")
    assert refusal(source, page, BannedError).retry_after == 600


TOO_MANY = {
    "coingecko": b'{"status":{"error_code":429,"error_message":"Too many%s"%s}}',
    "binance": b'{"code":-1003,"msg":"Too many%s"%s}',
    "bybit": b'{"retCode":10018,"retMsg":"Too many%s"%s}',
}


@ALL
@pytest.mark.parametrize("status", [200, 400, 503])
def test_a_code_is_found_in_what_is_no_json(source, answer, status):
    clean = TOO_MANY[source.upstream] % (b"", b"")
    kept = refusal(source, answer(status, clean), BannedError)
    for odd in (
        b"\xef\xbb\xbf" + clean,
        clean.decode().encode("utf-16"),
        b"[" + clean + b"]",
        clean[:-6],
        *(TOO_MANY[source.upstream] % (each, b"") for each in (b" \xe9", b" \\ud83d", b"\x01")),
        *(TOO_MANY[source.upstream] % (b"", each) for each in (b',"time":NaN', b',"data":' + b"[" * 5000)),
    ):
        if status == 200 and len(odd) > 4096 and source.upstream != "bybit":
            continue  # without a code an answer of theirs that is so long is one of rows
        error = refusal(source, answer(status, odd), BannedError)
        assert (error.retry_after, error.least) == (kept.retry_after, kept.least)


def test_a_code_counts_whatever_its_words_are(answer):
    for said in (b"null", b"7", b"{}", b"[]"):
        refusal(Binance(), answer(200, b'{"code":-1003,"msg":%s}' % said), BannedError)
        refusal(Bybit("linear"), answer(200, b'{"retCode":10018,"retMsg":%s}' % said), BannedError)


@ALL
@pytest.mark.parametrize("unit", ["", "000", "000000", "000000000"])
def test_the_end_of_a_ban_is_told_as_long_as_its_seconds_are_whole(source, answer, unit):
    whole = "1660090900" + unit
    for digits in range(4, len(whole) + 1):
        error = refusal(source, answer(418, b'{"msg":"IP banned until ' + whole[:digits].encode()), BannedError)
        assert error.retry_after == (600 if digits >= 10 else 120)


@ALL
def test_beside_the_end_of_a_ban_a_longer_header_counts(source, answer):
    body = b'{"code":-1003,"msg":"IP banned until 1660090900000."}'
    assert refusal(source, answer(418, body, retry_after="900"), BannedError).retry_after == 900
    assert refusal(source, answer(418, retry_after="Thu, 31 Feb 2022 00:00:00 GMT"), BannedError).retry_after == 120


@ALL
def test_a_web_firewalls_gate_is_left_alone_for_a_minute(source, answer):
    for gate in (
        answer(202, x_amzn_waf_action="challenge"),
        answer(202),
        answer(204),
        answer(405, x_amzn_waf_action="captcha", content_type="text/html"),
        answer(405, b"<html><title>Human Verification</title>"),
        answer(405),
        answer(200, b"<!DOCTYPE html><html><title>Just a moment...</title>"),
        answer(200, b"Request Rejected", content_type="text/html; charset=utf-8"),
        answer(503, b"<html>", cf_mitigated="challenge"),
        answer(400, b"<html>", cf_mitigated="block"),
    ):
        error = refusal(source, gate, BannedError)
        assert error.retry_after == error.least == 60
        assert "gate" in str(error)
    longer = answer(202, x_amzn_waf_action="challenge", retry_after="300")
    assert refusal(source, longer, BannedError).retry_after == 300


@ALL
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 451, 500, 503])
@pytest.mark.parametrize(
    ("until", "seconds"),
    [
        ("Wed, 10 Aug 2022 00:21:40 GMT", 600),
        ("2022-08-09T19:21:40.000-05:00", 600),
        ("further notice", 120),
        ("tomorrow", 120),
        ("", 120),
    ],
)
def test_a_ban_whose_end_is_told_in_words_or_not_at_all_is_a_ban(source, answer, status, until, seconds):
    body = b'{"error":"IP banned until %s."}' % until.encode()
    least = 600 if source.upstream == "bybit" and status == 403 else seconds
    assert refusal(source, answer(status, body), BannedError).retry_after == least
    assert refusal(source, answer(status, body, retry_after="900"), BannedError).retry_after == 900


@ALL
def test_a_refusals_words_are_looked_for_a_ban_to_their_end(source, answer):
    body = b'{"about":"' + b"x" * 100_000 + b'","error":"IP banned until 1660090900000."}'
    assert refusal(source, answer(400, body), BannedError).retry_after == 600


@ALL
def test_a_challenge_is_a_gate_with_whatever_status(source, answer):
    for status in (400, 401, 404, 406, 500, 503):
        for page in (b"<html><title>Just a moment...</title>", b"<html><script src=/_Incapsula_Resource>", PAGE):
            assert refusal(source, answer(status, page), BannedError).least == 60
    assert refusal(source, answer(406), BannedError).least == 60
    refusal(source, answer(503, b"<html><title>503 Service Unavailable</title>"), TransientError)


# CoinGecko


@pytest.mark.parametrize("status", [401, 403, 429])
def test_coingecko_code_429_is_a_limit_beside_a_status_that_speaks_of_the_key(answer, status):
    assert refusal(CoinGecko(), answer(status, "coingecko_error_429", retry_after="7"), RefusedError).retry_after == 7


def test_coingecko_429_in_all_its_forms(answer):
    for body in (b'{"status":429,"error":"Too many"}', b'{"status":{"error_code":429.0}}'):
        for status in (200, 400, 503):
            refusal(CoinGecko(), answer(status, body), BannedError)
    error = refusal(CoinGecko(), answer(429, "coingecko_error_429", retry_after="119"), RefusedError)
    assert error.retry_after == 119
    assert "You've exceeded the Rate Limit" in str(error)
    assert "Throttled" in str(refusal(CoinGecko(), answer(429, b"Throttled"), BannedError))
    assert "Attention Required!" in str(refusal(CoinGecko(), answer(429, PAGE), BannedError))
    for status in (200, 400, 403):
        assert refusal(CoinGecko(), answer(status, "coingecko_error_429"), BannedError).retry_after == 60
        assert (
            refusal(CoinGecko(), answer(status, "coingecko_error_429", retry_after="7"), RefusedError).retry_after == 7
        )


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (10002, "Set COINGECKO_API_KEY"),
        (10005, "Ask for less or set COINGECKO_PLAN"),
        (10010, "Set COINGECKO_PLAN=pro"),
        (10011, "Set COINGECKO_PLAN=demo"),
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403])
def test_coingecko_codes_of_key_and_plan_are_for_a_person(answer, status, code, remedy):
    body = b'{"status":{"timestamp":"2026-05-17T01:39:44.892+00:00","error_code":%d,"error_message":"API Key."}}' % code
    error = refusal(CoinGecko(), answer(status, body), OperatorError)
    assert error.remedy.startswith(remedy)
    assert f"API Key. ({code})" in str(error)


@pytest.mark.parametrize(
    ("code", "right", "wrong", "address"),
    [
        (10010, Plan.PRO, Plan.DEMO, "https://pro-api.coingecko.com/api/v3"),
        (10011, Plan.DEMO, Plan.PRO, "https://api.coingecko.com/api/v3"),
    ],
)
@pytest.mark.parametrize("number", ["%d", '"%d"'])
def test_a_code_outside_the_status_is_found_and_blames_plan_or_address_whichever_is_wrong(
    answer, code, right, wrong, address, number
):
    body = (
        f'{{"timestamp":"t","error_code":{number % code},"status":{{"error_message":"change your root URL"}}}}'.encode()
    )
    blamed = refusal(CoinGecko(plan=wrong, api_key="k"), answer(400, body), OperatorError)
    assert blamed.remedy.startswith(f"Set COINGECKO_PLAN={right}")
    assert f"change your root URL ({code})" in str(blamed)
    elsewhere = CoinGecko(plan=right, api_key="k", base_url="https://proxy.example/cg/")
    blamed = refusal(elsewhere, answer(400, body), OperatorError)
    assert f"COINGECKO_PLAN={right} is right" in blamed.remedy
    assert "COINGECKO_BASE_URL=https://proxy.example/cg is not" in blamed.remedy
    assert blamed.remedy.endswith(address)


@pytest.mark.parametrize("number", ["9" * 5000, "²", "-1"], ids=lambda each: each[:9])
def test_a_code_that_is_no_number_leaves_the_words(answer, number):
    body = f'{{"error_code":"{number}","status":{{"error_message":"API Key."}}}}'.encode()
    assert "API Key." in str(refusal(CoinGecko(), answer(400, body), OperatorError))


def test_coingecko_401_in_the_nested_form(answer):
    error = refusal(CoinGecko(), answer(401, "coingecko_error_10012"), OperatorError)
    assert "exceeds the allowed time range" in str(error)
    assert "COINGECKO_API_KEY" in error.remedy


def test_coingecko_403_is_its_gate_and_worth_a_while(answer):
    error = refusal(CoinGecko(), answer(403, PAGE), BannedError)
    assert error.retry_after == 60
    assert "Attention Required! | Cloudflare" in str(error)
    assert refusal(CoinGecko(), answer(403, PAGE, retry_after="300"), BannedError).retry_after == 300


@pytest.mark.parametrize(
    ("status", "name", "said"),
    [(404, "coingecko_error_404", "coin not found"), (422, "coingecko_error_422", "Missing parameter vs_currency")],
)
def test_coingecko_refuses_the_request_itself(answer, status, name, said):
    assert said in str(refusal(CoinGecko(), answer(status, name), OperatorError))


def test_coingecko_500_whose_status_is_a_number(answer):
    assert "Internal Server Error" in str(refusal(CoinGecko(), answer(500, "coingecko_error_500"), TransientError))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 302])
@pytest.mark.parametrize("body", [b"wrong key CG-secret!", b'{"status":{"error_message":"key CG-secret is bad"}}'])
def test_a_key_is_never_in_a_text(answer, status, body):
    source = CoinGecko(plan=Plan.PRO, api_key="CG-secret")
    with pytest.raises((OperatorError, TransientError)) as caught:
        source.check(answer(status, body), now_ms=NOW_MS)
    assert "CG-secret" not in str(caught.value)


# Binance


def test_binance_429(answer):
    error = refusal(Binance(), answer(429, "binance_error_429", retry_after="11"), RefusedError)
    assert error.retry_after == 11
    assert "current limit is 1200 request weight per 1 MINUTE" in str(error)


def test_binance_418_is_a_ban_until_its_header_or_its_words_or_two_minutes(answer):
    banned = answer(418, "binance_error_418", retry_after="437")
    assert refusal(Binance(), banned, BannedError).retry_after == 437
    assert refusal(Binance(), answer(418, "binance_error_418"), BannedError).retry_after == pytest.approx(123.228)
    assert refusal(Binance(), answer(418, b"teapot"), BannedError).retry_after == 120
    over = answer(418, b'{"code":-1003,"msg":"IP banned until 1560090423228."}')
    assert refusal(Binance(), over, BannedError).retry_after == 120


def test_binance_429_that_names_the_end_of_a_ban_is_a_ban(answer):
    assert refusal(Binance(), answer(429, "binance_error_418"), BannedError).retry_after == pytest.approx(123.228)


def test_a_ban_beyond_all_reason_is_cut_at_the_longest(answer):
    assert refusal(Binance(), answer(418, retry_after="99999999"), BannedError).retry_after == 3 * 24 * 3600


def test_binance_does_not_know_a_symbol(answer):
    error = refusal(Binance(symbols=()), answer(400, "binance_error_1121"), OperatorError)
    assert "Invalid symbol (-1121)" in str(error)
    assert "BINANCE_SYMBOLS" in error.remedy


def test_binance_is_not_from_here(answer):
    error = refusal(
        Binance(), answer(451, b'{"code":0,"msg":"Service unavailable from a restricted location"}'), OperatorError
    )
    assert "restricted location" in str(error)
    assert "BINANCE_BASE_URL" in error.remedy


@pytest.mark.parametrize("status", [200, 400, 503])
def test_binances_own_faults_are_transient_and_too_many_requests_are_refused_whatever_the_status(answer, status):
    for code in (-1000, -1001, -1004, -1007, -1008):
        refusal(Binance(), answer(status, b'{"code":%d,"msg":"Internal error"}' % code), TransientError)
    too_many = b'{"code":-1003,"msg":"Too many requests queued."}'
    assert refusal(Binance(), answer(status, too_many), BannedError).retry_after == 60
    assert refusal(Binance(), answer(status, too_many, retry_after="9"), RefusedError).retry_after == 9


def test_binances_gate_is_worth_a_while(answer):
    assert refusal(Binance(), answer(403, PAGE), BannedError).retry_after == 60


# Bybit


def test_bybit_403_is_a_ban_of_ten_minutes(answer):
    error = refusal(Bybit("linear"), answer(403, b"access too frequent"), BannedError)
    assert error.retry_after == 600
    assert "access too frequent" in str(error)


def test_bybit_10001_comes_as_200_and_is_for_a_person(answer):
    error = refusal(Bybit("spot"), answer(200, "bybit_error_10001"), OperatorError)
    assert "retCode 10001: Not supported symbols" in str(error)
    assert "BYBIT_SYMBOLS" in error.remedy


def test_bybit_10006_waits_for_the_reset(answer):
    error = refusal(Bybit("spot"), answer(200, "bybit_error_10006"), RefusedError)
    assert (error.retry_after, error.least) == (1, 60)
    reset = answer(200, "bybit_error_10006", x_bapi_limit_reset_timestamp=str(NOW_MS + 2500))
    assert refusal(Bybit("spot"), reset, RefusedError).retry_after == 2.5


@pytest.mark.parametrize("unit", [1_000_000, 1_000, 1])
def test_bybits_statuses_know_its_reset_header_and_the_longest_time_counts(answer, unit):
    def reset(seconds):
        return {"x_bapi_limit_reset_timestamp": str((NOW_MS + seconds * 1000) * 1_000_000 // (unit * 1000))}

    assert refusal(Bybit("spot"), answer(429, b"{}", **reset(90)), RefusedError).retry_after == 90
    assert refusal(Bybit("spot"), answer(429, retry_after="5", **reset(90)), RefusedError).retry_after == 90
    assert refusal(Bybit("spot"), answer(429, retry_after="95", **reset(90)), RefusedError).retry_after == 95
    assert refusal(Bybit("spot"), answer(429, **reset(-1)), BannedError).retry_after == 60
    assert refusal(Bybit("spot"), answer(403, b"", **reset(90)), BannedError).retry_after == 600
    assert refusal(Bybit("spot"), answer(403, b"", **reset(1800)), BannedError).retry_after == 1800


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (429, TransientError),
        (10000, TransientError),
        (10002, TransientError),
        (10016, TransientError),
        (10019, TransientError),
        (10006, RefusedError),
        (10429, RefusedError),
        (10018, BannedError),
        (10009, BannedError),
        (10017, OperatorError),
        (-1, OperatorError),
    ],
)
@pytest.mark.parametrize("name", ["retCode", "ret_code"])
def test_bybits_other_codes_in_both_shapes(answer, name, code, kind):
    refusal(Bybit("linear"), answer(200, b'{"%s":%d,"result":{}}' % (name.encode(), code)), kind)


@pytest.mark.parametrize("code", [429, 10000, 10006, 10016, 10018, 10429, 10024, 10005, 10017, 99999])
def test_a_code_of_bybit_that_is_not_about_symbols_does_not_blame_them_and_says_what_it_is(answer, code):
    with pytest.raises((TransientError, OperatorError)) as caught:
        Bybit("linear").check(answer(200, b'{"retCode":%d,"retMsg":"Words.","result":{}}' % code), now_ms=NOW_MS)
    assert f"bybit answered retCode {code}: Words" in str(caught.value)
    assert "BYBIT_SYMBOLS" not in str(caught.value)
    assert len(str(caught.value)) > len(f"bybit answered retCode {code}: Words. ")


def test_a_200_that_is_no_envelope_is_left_to_whoever_reads_it(answer):
    for body in (b"", b"[]", b"{}", b'{"retCode":"what"}'):
        Bybit("linear").check(answer(200, body), now_ms=NOW_MS)


def test_a_code_that_is_told_as_text_is_the_code(answer):
    refusal(Bybit("linear"), answer(200, b'{"retCode":"10006","retMsg":"Too many visits!"}'), RefusedError)
    assert refusal(Binance(), answer(200, b'{"code":"-1003","msg":"Too many requests"}'), BannedError).least == 60


@pytest.mark.parametrize("code", [429, 10000, 10016, 10019])
@pytest.mark.parametrize("status", [200, 500, 503])
def test_bybit_codes_that_pass_wait_for_as_long_as_is_told(answer, code, status):
    body = b'{"retCode":%d,"retMsg":"busy","result":{}}' % code
    assert refusal(Bybit("linear"), answer(status, body, retry_after="30"), TransientError).retry_after == 30
    reset = answer(status, body, x_bapi_limit_reset_timestamp=str(NOW_MS + 4_000))
    assert refusal(Bybit("linear"), reset, TransientError).retry_after == 4
