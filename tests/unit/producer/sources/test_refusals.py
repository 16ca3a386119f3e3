"""What each upstream's refusal means, from the bodies that they really sent."""

from __future__ import annotations

import pytest

from cryptoproxy.common.errors import OperatorError, TransientError
from cryptoproxy.producer.sources.base import BannedError
from cryptoproxy.producer.sources.binance import Binance
from cryptoproxy.producer.sources.bybit import Bybit
from cryptoproxy.producer.sources.coingecko import CoinGecko
from cryptoproxy.producer.sources.coingecko_calls import Plan

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
    for status in (500, 502, 503, 504, 520, 408, 204):
        refusal(source, answer(status, b"<html>"), TransientError)
    assert refusal(source, answer(503, retry_after="7"), TransientError).retry_after == 7
    assert refusal(source, answer(429), TransientError).retry_after is None
    assert refusal(source, answer(429, retry_after="119"), TransientError).retry_after == 119
    date = "Wed, 10 Aug 2022 00:12:10 GMT"
    assert refusal(source, answer(429, retry_after=date), TransientError).retry_after == 30
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


# CoinGecko


def test_coingecko_429_in_all_its_forms(answer):
    error = refusal(CoinGecko(), answer(429, "coingecko_error_429", retry_after="119"), TransientError)
    assert error.retry_after == 119
    assert "You've exceeded the Rate Limit" in str(error)
    assert "Throttled" in str(refusal(CoinGecko(), answer(429, b"Throttled"), TransientError))
    assert "Attention Required!" in str(refusal(CoinGecko(), answer(429, PAGE), TransientError))


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


def test_coingecko_401_in_the_nested_form(answer):
    error = refusal(CoinGecko(), answer(401, "coingecko_error_10012"), OperatorError)
    assert "exceeds the allowed time range" in str(error)
    assert "COINGECKO_API_KEY" in error.remedy


def test_coingecko_403_is_its_gate_and_worth_a_while(answer):
    error = refusal(CoinGecko(), answer(403, PAGE), TransientError)
    assert error.retry_after == 60
    assert "Attention Required! | Cloudflare" in str(error)
    assert refusal(CoinGecko(), answer(403, PAGE, retry_after="300"), TransientError).retry_after == 300


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
    error = refusal(Binance(), answer(429, "binance_error_429", retry_after="11"), TransientError)
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


@pytest.mark.parametrize("code", [-1000, -1001, -1003, -1007, -1008])
def test_binances_own_faults_are_transient_whatever_the_status(answer, code):
    refusal(Binance(), answer(400, b'{"code":%d,"msg":"Internal error"}' % code), TransientError)


def test_binances_gate_is_worth_a_while(answer):
    assert refusal(Binance(), answer(403, PAGE), TransientError).retry_after == 60


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
    error = refusal(Bybit("spot"), answer(200, "bybit_error_10006"), TransientError)
    assert error.retry_after is None
    reset = answer(200, "bybit_error_10006", x_bapi_limit_reset_timestamp=str(NOW_MS + 2500))
    assert refusal(Bybit("spot"), reset, TransientError).retry_after == 2.5


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (10000, TransientError),
        (10016, TransientError),
        (10429, TransientError),
        (10018, BannedError),
        (10009, BannedError),
        (10017, OperatorError),
        (-1, OperatorError),
    ],
)
@pytest.mark.parametrize("name", ["retCode", "ret_code"])
def test_bybits_other_codes_in_both_shapes(answer, name, code, kind):
    refusal(Bybit("linear"), answer(200, b'{"%s":%d,"result":{}}' % (name.encode(), code)), kind)


def test_a_200_that_is_no_envelope_is_left_to_whoever_reads_it(answer):
    for body in (b"", b"<html>", b"[]", b"{}", b'{"retCode":"what"}'):
        Bybit("linear").check(answer(200, body), now_ms=NOW_MS)
