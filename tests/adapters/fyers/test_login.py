"""How a session at FYERS begins (fyers.md 2); refusals stand in `suite.json`."""

from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ordo_adapters.fyers import FYERS
from ordod.adapter import IST, Ask, Credentials, Fault, HttpResponse, Secret
from ordod.adapter.suite import Played, play

SAMPLES = Path(__file__).parent / "samples"
NOW = datetime(2026, 1, 5, 8, 45, tzinfo=IST)
BACK = "https://app.example/back"
CODE = "eyJ0.eyJzdWIi.c2ln"


def credentials(**more: Any) -> Credentials:
    terms: dict[str, Any] = {
        "api_key": Secret("ABCD1234XY-100"),
        "api_secret": Secret("SECRET1234"),
        "options": {"redirect_uri": BACK},
    }
    return Credentials(**(terms | more))


def answer(name: str) -> HttpResponse:
    return HttpResponse(200, (), (SAMPLES / name).read_bytes())


def said(text: str, status: int = 200) -> HttpResponse:
    return HttpResponse(status, (), text.encode())


def logged_in(given: Credentials, *answers: HttpResponse | str) -> Played:
    return play(FYERS.login(given, NOW), answers)


def test_the_page_is_the_apps_and_its_code_is_not_the_status() -> None:
    address = f"{BACK}?s=ok&code=200&auth_code={CODE}&state=ordo"
    played = logged_in(credentials(), address, answer("token.json"), answer("profile.json"))

    (ask,) = played.asks
    page = urlsplit(ask.url)
    assert f"{page.scheme}://{page.netloc}{page.path}" == (
        "https://api-t1.fyers.in/api/v3/generate-authcode"
    )
    assert parse_qs(page.query) == {
        "client_id": ["ABCD1234XY-100"],
        "redirect_uri": [BACK],
        "response_type": ["code"],
        "state": ["ordo"],
    }
    exchange, profile = played.requests
    assert exchange.json["code"] == CODE
    assert profile.headers[0][1].startswith("ABCD1234XY-100:eyJ")
    assert played.value.user_id == "XA00001"


def test_the_token_tells_its_own_end() -> None:
    token = said('{"s":"ok","code":200,"access_token":"aGVhZA.eyJleHAiOjE3Njc2NTk0MDB9.c2ln"}')
    played = logged_in(credentials(), CODE, token, answer("profile.json"))

    assert played.value.expires_at == datetime(2026, 1, 6, 6, 0, tzinfo=IST)


@pytest.mark.parametrize(
    "token",
    ["opaque", "a.b", "a.!!.c", "a.eyJleHAiOm51bGx9.c", "a.eyJleHAiOjFlOTl9.c", "a.W10.c", ".."],
)
def test_a_token_that_does_not_is_good_all_the_same(token: str) -> None:
    played = logged_in(credentials(access_token=Secret(token)), answer("profile.json"))

    assert played.value.expires_at is None
    assert played.value.access_token.reveal() == token


def test_the_steps_without_a_browser_send_what_they_must() -> None:
    given = credentials(mode="headless", user_id="XA00001", pin=Secret("4829"))
    played = logged_in(
        given,
        said('{"request_key":"one"}'),
        "654321",
        said('{"request_key":"two"}'),
        said('{"data":{"access_token":"trade"}}'),
        said(f'{{"s":"ok","Url":"{BACK}?s=ok&code=200&auth_code={CODE}&state=None"}}', 308),
        answer("token.json"),
        answer("profile.json"),
    )

    assert played.asks == [Ask("totp", "TOTP code of XA00001 at FYERS")]
    first, second, third, fourth, exchange, _ = played.requests
    assert (first.host, first.path) == ("vagator", "/send_login_otp_v2")
    assert first.json == {"fy_id": "WEEwMDAwMQ==", "app_id": "2"}
    assert second.json == {"request_key": "one", "otp": "654321"}
    assert third.json == {"request_key": "two", "identity_type": "pin", "identifier": "NDgyOQ=="}
    assert fourth.headers == (("Authorization", "Bearer trade"),)
    assert (fourth.json["app_id"], fourth.json["appType"]) == ("ABCD1234XY", "100")
    assert exchange.json["code"] == CODE


def test_credentials_are_tried_once() -> None:
    given = credentials(mode="headless", user_id="XA00001", pin=Secret("0000"))
    refused = said('{"s":"error","code":-1026,"message":"Invalid PIN"}', 401)
    played = logged_in(
        given, said('{"request_key":"one"}'), "654321", said('{"request_key":"two"}'), refused
    )

    assert len(played.requests) == 3
    assert played.error is not None
    assert (played.error.fault, str(played.error)) == (Fault.AUTH_DENIED, "Invalid PIN")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (credentials(options={}), "lacks redirect_uri"),
        (credentials(api_secret=None), "lacks api_secret"),
        (credentials(mode="headless"), "lacks user_id, pin"),
        (credentials(mode="magic"), 'login = "magic" is not known'),
    ],
)
def test_what_is_missing_is_named_before_anything_is_sent(given: Credentials, words: str) -> None:
    played = logged_in(given)

    assert played.error is not None
    assert words in str(played.error)
    assert (played.requests, played.asks) == ([], [])
