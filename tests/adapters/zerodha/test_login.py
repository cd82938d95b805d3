"""How a session with Kite begins: by its page, without a browser, by a ready-made token (zerodha.md 2)."""

import json
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from ordo_adapters.zerodha import ZERODHA
from ordod.adapter import (
    IST,
    Ask,
    BrokerError,
    Credentials,
    Fault,
    HttpRequest,
    HttpResponse,
    Secret,
    Session,
)
from ordod.adapter.suite import Played, play

SAMPLES = Path(__file__).parent / "samples"
NOW = datetime(2026, 1, 5, 8, 30, tzinfo=IST)
REQUEST_TOKEN = "r7Q2kLm9XcV4bN8sD1fG6hJ3pW5tZ0yA"
OFFICIAL = Credentials(api_key=Secret("appkey"), api_secret=Secret("app-secret-kept"))
HEADLESS = structs.replace(
    OFFICIAL, user_id="AB1234", password=Secret("pass-word-kept"), mode="headless"
)
KITE = (("X-Kite-Version", "3"),)


def answer(name: str) -> HttpResponse:
    return HttpResponse(200, (), (SAMPLES / name).read_bytes())


def success(data: Any, *headers: tuple[str, str]) -> HttpResponse:
    return HttpResponse(200, headers, json.dumps({"status": "success", "data": data}).encode())


def refusal(status: int, code: str, message: str) -> HttpResponse:
    body = {"status": "error", "message": message, "data": None, "error_type": code}
    return HttpResponse(status, (), json.dumps(body).encode())


def redirect(location: str, *cookies: str) -> HttpResponse:
    kept = tuple(("set-cookie", cookie) for cookie in cookies)
    return HttpResponse(302, (("location", location), *kept))


def login(credentials: Credentials, *answers: HttpResponse | str, now: datetime = NOW) -> Played:
    return play(ZERODHA.login(credentials, now), list(answers))


def failure(played: Played) -> BrokerError:
    assert played.error is not None
    return played.error


SESSION_ANSWER = answer("generate_session.json")


# Zerodha's page


def test_the_page_is_shown_and_its_token_exchanged() -> None:
    back = f"http://127.0.0.1:8800/?action=login&status=success&request_token={REQUEST_TOKEN}"

    played = login(OFFICIAL, back, SESSION_ANSWER)

    assert played.asks == [
        Ask(
            "page",
            "Log in to Zerodha; then give the address your browser ends on (it holds request_token)",
            url="https://kite.zerodha.com/connect/login?v=3&api_key=appkey",
        )
    ]
    checksum = sha256(f"appkey{REQUEST_TOKEN}app-secret-kept".encode()).hexdigest()
    assert played.requests == [
        HttpRequest(
            "POST",
            "rest",
            "/session/token",
            "others",
            KITE,
            form={"api_key": "appkey", "request_token": REQUEST_TOKEN, "checksum": checksum},
        )
    ]
    assert played.value == Session(
        user_id="XX0000",
        access_token=Secret("XXXXXX"),
        api_key="appkey",
        expires_at=datetime(2026, 1, 6, 6, 0, tzinfo=IST),
    )


@pytest.mark.parametrize(
    "pasted",
    [
        REQUEST_TOKEN,
        f"  {REQUEST_TOKEN}\n",
        f"https://app.example/?status=success&request_token={REQUEST_TOKEN}&x=1",
        f"/?request_token={REQUEST_TOKEN}",
    ],
)
def test_a_token_is_found_in_whatever_is_pasted(pasted: str) -> None:
    played = login(OFFICIAL, pasted, SESSION_ANSWER)

    assert (played.requests[0].form or {})["request_token"] == REQUEST_TOKEN


@pytest.mark.parametrize(
    "pasted",
    [
        "",
        "https://app.example/?status=cancelled",
        "https://app.example/?request_token=",
        "https://app.example/?request_token=../../x",
        "http://[broken/?request_token",
        "two words",
    ],
)
def test_an_address_without_a_token_is_refused_without_a_request_or_a_quote(pasted: str) -> None:
    played = login(OFFICIAL, pasted)

    assert failure(played).fault is Fault.INVALID_INPUT
    assert played.requests == []
    assert not pasted or pasted not in str(failure(played))


@pytest.mark.parametrize(
    ("now", "end"),
    [
        (datetime(2026, 1, 5, 5, 59, tzinfo=IST), datetime(2026, 1, 5, 6, 0, tzinfo=IST)),
        (datetime(2026, 1, 5, 6, 0, tzinfo=IST), datetime(2026, 1, 6, 6, 0, tzinfo=IST)),
        (datetime(2026, 1, 31, 23, 59, tzinfo=IST), datetime(2026, 2, 1, 6, 0, tzinfo=IST)),
    ],
)
def test_a_session_ends_at_the_next_six_in_the_morning(now: datetime, end: datetime) -> None:
    assert login(OFFICIAL, REQUEST_TOKEN, SESSION_ANSWER, now=now).value.expires_at == end


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        (refusal(403, "TokenException", "Token is invalid or has expired."), Fault.AUTH_DENIED),
        (refusal(400, "InputException", "Missing or empty field"), Fault.AUTH_DENIED),
        (refusal(429, "NetworkException", "Too many requests"), Fault.RATE_LIMITED),
        (refusal(503, "NetworkException", "Gateway"), Fault.BROKER_UNAVAILABLE),
        (HttpResponse(502, (), b"<html>"), Fault.BROKER_UNAVAILABLE),
        (HttpResponse(200, (), b"<html>"), Fault.UNREADABLE),
        (success({"user_id": "AB1234"}), Fault.UNREADABLE),
        (success({"user_id": "", "access_token": "x"}), Fault.UNREADABLE),
        (success({"user_id": "AB1234", "access_token": ""}), Fault.UNREADABLE),
    ],
)
def test_an_exchange_that_fails_says_what_may_be_done(response: HttpResponse, fault: Fault) -> None:
    error = failure(login(OFFICIAL, REQUEST_TOKEN, response))

    assert error.fault is fault
    assert REQUEST_TOKEN not in str(error)
    assert "app-secret-kept" not in str(error)


# A ready-made token

READY = Credentials(api_key=Secret("appkey"), access_token=Secret("ready-made"))
DEAD = refusal(403, "TokenException", "Incorrect `api_key` or `access_token`.")


def test_a_ready_made_token_proves_itself_by_naming_its_user() -> None:
    played = login(READY, answer("profile.json"))

    assert played.requests == [
        HttpRequest(
            "GET",
            "rest",
            "/user/profile",
            "others",
            (*KITE, ("Authorization", "token appkey:ready-made")),
        )
    ]
    assert (played.value.user_id, played.value.access_token) == ("AB1234", Secret("ready-made"))
    assert played.value.expires_at == datetime(2026, 1, 6, 6, 0, tzinfo=IST)


def test_a_dead_ready_made_token_is_told_where_nothing_else_allows_a_login() -> None:
    assert failure(login(READY, DEAD)).fault is Fault.AUTH_EXPIRED


def test_a_dead_ready_made_token_gives_way_to_the_account_s_login() -> None:
    credentials = structs.replace(READY, api_secret=Secret("app-secret-kept"))

    played = login(credentials, DEAD, REQUEST_TOKEN, SESSION_ANSWER)

    assert played.value.access_token == Secret("XXXXXX")


def test_a_broker_that_is_away_does_not_end_a_ready_made_token() -> None:
    credentials = structs.replace(READY, api_secret=Secret("app-secret-kept"))

    played = login(credentials, HttpResponse(503, (), b""))

    assert failure(played).fault is Fault.BROKER_UNAVAILABLE
    assert played.asks == []


# Without a browser

PAGE = HttpResponse(200, (("set-cookie", "kf_session=k1; Path=/; HttpOnly"),), b"<html>Kite</html>")
CREDENTIALS_TAKEN = success(
    {"user_id": "AB1234", "request_id": "req-1", "twofa_type": "totp", "twofa_types": ["totp"]},
    ("set-cookie", "sess=s1; Secure"),
)
CODE_TAKEN = success({}, ("set-cookie", "enctoken=e1; path=/"), ("set-cookie", "sess=; Max-Age=0"))
BACK = f"https://app.example/?action=login&status=success&request_token={REQUEST_TOKEN}"


def test_the_headless_login_walks_the_steps_with_its_cookies() -> None:
    played = login(
        HEADLESS,
        redirect("/connect/login?v=3&api_key=appkey&sess_id=S1", "first=f0; Path=/"),
        PAGE,
        CREDENTIALS_TAKEN,
        "123456",
        CODE_TAKEN,
        redirect("https://kite.zerodha.com/connect/finish?sess_id=S1"),
        redirect(BACK),
        SESSION_ANSWER,
    )

    assert played.error is None
    assert played.asks == [Ask("totp", "TOTP code of AB1234 at Zerodha")]
    assert [
        (request.method, request.host, request.target(), dict(request.headers).get("Cookie"))
        for request in played.requests
    ] == [
        ("GET", "web", "/connect/login?v=3&api_key=appkey", None),
        ("GET", "web", "/connect/login?v=3&api_key=appkey&sess_id=S1", "first=f0"),
        ("POST", "web", "/api/login", "first=f0; kf_session=k1"),
        ("POST", "web", "/api/twofa", "first=f0; kf_session=k1; sess=s1"),
        (
            "GET",
            "web",
            "/connect/login?v=3&api_key=appkey&sess_id=S1&skip_session=true",
            "first=f0; kf_session=k1; enctoken=e1",
        ),
        (
            "GET",
            "web",
            "/connect/finish?sess_id=S1",
            "first=f0; kf_session=k1; enctoken=e1",
        ),
        ("POST", "rest", "/session/token", None),
    ]
    assert played.requests[2].form == {"user_id": "AB1234", "password": "pass-word-kept"}
    assert played.requests[3].form == {
        "user_id": "AB1234",
        "request_id": "req-1",
        "twofa_value": "123456",
        "twofa_type": "totp",
    }
    assert played.value.user_id == "XX0000"


def test_the_address_with_the_request_token_is_read_and_never_requested() -> None:
    played = login(
        HEADLESS, PAGE, CREDENTIALS_TAKEN, "123456", CODE_TAKEN, redirect(BACK), SESSION_ANSWER
    )

    assert played.value is not None
    assert not any("request_token" in request.target() for request in played.requests)
    assert {request.host for request in played.requests} == {"web", "rest"}


@pytest.mark.parametrize("kind", ["app_code", "sms", ""])
def test_a_second_factor_that_needs_a_phone_is_denied_before_a_code_is_asked(kind: str) -> None:
    taken = success({"request_id": "req-1", "twofa_type": kind})

    played = login(HEADLESS, PAGE, taken)

    assert failure(played).fault is Fault.AUTH_DENIED
    assert "external TOTP" in str(played.error)
    assert played.asks == []


def test_a_page_that_wants_consent_is_denied_with_what_to_do() -> None:
    played = login(HEADLESS, PAGE, CREDENTIALS_TAKEN, "123456", CODE_TAKEN, PAGE)

    assert failure(played).fault is Fault.AUTH_DENIED
    assert "authorise" in str(played.error)


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ([PAGE, refusal(400, "InputException", "Invalid username or password")], Fault.AUTH_DENIED),
        ([PAGE, refusal(403, "UserException", "The account is locked")], Fault.AUTH_DENIED),
        ([PAGE, HttpResponse(403, (), b"<html>Attention required</html>")], Fault.AUTH_DENIED),
        ([PAGE, HttpResponse(503, (), b"<html>")], Fault.BROKER_UNAVAILABLE),
        ([PAGE, success({"request_id": "r"})], Fault.UNREADABLE),
        (
            [PAGE, CREDENTIALS_TAKEN, "123456", refusal(403, "TwoFAException", "Invalid TOTP")],
            Fault.AUTH_DENIED,
        ),
        (
            [PAGE, CREDENTIALS_TAKEN, "123456", CODE_TAKEN, HttpResponse(302)],
            Fault.UNREADABLE,
        ),
        (
            [PAGE, CREDENTIALS_TAKEN, "123456", CODE_TAKEN, HttpResponse(504, (), b"")],
            Fault.BROKER_UNAVAILABLE,
        ),
        (
            [PAGE, CREDENTIALS_TAKEN, "123456", CODE_TAKEN, *[redirect("/connect/again")] * 5],
            Fault.UNREADABLE,
        ),
        ([redirect("/connect/again")] * 5, Fault.UNREADABLE),
        ([HttpResponse(502, (), b"")], Fault.BROKER_UNAVAILABLE),
    ],
)
def test_a_headless_step_that_fails_ends_the_login_and_tries_nothing_twice(
    answers: list[HttpResponse | str], fault: Fault
) -> None:
    played = login(HEADLESS, *answers)

    error = failure(played)
    assert error.fault is fault
    assert len(played.requests) + len(played.asks) == len(answers)
    posts = [request.path for request in played.requests if request.method == "POST"]
    assert len(posts) == len(set(posts))
    for secret in ("pass-word-kept", "123456", "app-secret-kept", "req-1"):
        assert secret not in str(error)


# What is missing


@pytest.mark.parametrize(
    ("credentials", "names"),
    [
        (Credentials(), "api_key, api_secret"),
        (Credentials(api_key=Secret("k")), "api_secret"),
        (structs.replace(OFFICIAL, mode="headless"), "user_id, password"),
        (Credentials(access_token=Secret("t")), "api_key"),
    ],
)
def test_a_missing_credential_is_denied_by_name(credentials: Credentials, names: str) -> None:
    played = login(credentials)

    assert failure(played).fault is Fault.AUTH_DENIED
    assert str(played.error) == f"the account lacks {names}"


def test_another_way_of_logging_in_is_unsupported() -> None:
    assert failure(login(structs.replace(OFFICIAL, mode="magic"))).fault is Fault.UNSUPPORTED
