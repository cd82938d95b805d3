"""How a session begins, and that nothing secret is told on the way (dhan.md 2)."""

import base64
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ordo_adapters.dhan import DHAN
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
NOW = datetime(2026, 1, 1, 9, 5, 11, tzinfo=IST)
USER = "1000000401"
PIN = Credentials(user_id=USER, pin=Secret("482913"))
PAGE = Credentials(
    user_id=USER, api_key=Secret("app-key-01"), api_secret=Secret("app-secret"), mode="page"
)


def file(name: str) -> HttpResponse:
    return HttpResponse(200, (), (SAMPLES / name).read_bytes())


def said(status: int, value: Any) -> HttpResponse:
    return HttpResponse(status, (), json.dumps(value).encode())


def log_in(credentials: Credentials, *answers: HttpResponse | str) -> Played:
    return play(DHAN.login(credentials, NOW), answers)


def session_of(played: Played) -> Session:
    assert played.error is None, played.error
    assert isinstance(played.value, Session)
    return played.value


def refused(played: Played) -> BrokerError:
    assert played.error is not None
    return played.error


def jwt(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJ0eXAi.{body}.c2ln"


def test_pin_and_code_stand_in_the_query_of_an_empty_post() -> None:
    played = log_in(PIN, " 654321 ", file("token.json"))

    assert played.asks == [Ask("totp", f"TOTP code of {USER} at Dhan")]
    assert played.requests == [
        HttpRequest(
            "POST",
            "auth",
            "/app/generateAccessToken",
            "others",
            query=(("dhanClientId", USER), ("pin", "482913"), ("totp", "654321")),
        )
    ]
    assert session_of(played) == Session(
        user_id=USER,
        access_token=Secret("eyJ0eXAiOiJKV1Qi.AAA.BBB"),
        expires_at=datetime(2026, 1, 2, 9, 5, 11, tzinfo=IST),
    )


def test_the_token_itself_tells_its_end_better_than_the_answer() -> None:
    end = datetime(2026, 1, 2, 8, 0, tzinfo=IST)
    answer = {
        "dhanClientId": USER,
        "accessToken": jwt(exp=int(end.timestamp())),
        "expiryTime": "2026-01-02T09:05:11.000",
    }

    assert session_of(log_in(PIN, "654321", said(200, answer))).expires_at == end


@pytest.mark.parametrize("token", ["plain", jwt(sub="x"), jwt(exp="soon"), "a.%%%.b", "a.AAA.b"])
def test_without_any_end_a_token_lives_a_day(token: str) -> None:
    answer = {"dhanClientId": USER, "accessToken": token}

    session = session_of(log_in(PIN, "654321", said(200, answer)))

    assert session.expires_at == NOW + timedelta(hours=24)


def test_a_ready_made_token_is_proven_by_the_profile() -> None:
    credentials = Credentials(user_id=USER, access_token=Secret("ready"))

    played = log_in(credentials, file("profile.json"))

    (request,) = played.requests
    assert (request.method, request.host, request.path) == ("GET", "rest", "/profile")
    assert dict(request.headers)["access-token"] == "ready"
    session = session_of(played)
    assert session.user_id == "1100003626"
    assert session.expires_at == datetime(2026, 3, 30, 15, 37, tzinfo=IST)


DEAD = (
    said(401, {"errorType": "x", "errorCode": "DH-901", "errorMessage": "invalid or expired."}),
    said(400, {"errorType": "x", "errorCode": "DH-906", "errorMessage": "Invalid Token"}),
    said(401, {"data": {"808": "Authentication Failed"}, "status": "failed"}),
)


@pytest.mark.parametrize("dead", DEAD)
def test_a_dead_ready_made_token_gives_way_to_the_pin_where_there_is_one(
    dead: HttpResponse,
) -> None:
    both = Credentials(user_id=USER, pin=Secret("482913"), access_token=Secret("ready"))
    alone = Credentials(user_id=USER, access_token=Secret("ready"))

    assert session_of(log_in(both, dead, "654321", file("token.json"))).user_id == USER
    assert refused(log_in(alone, dead)).fault is Fault.AUTH_EXPIRED


def test_a_broken_broker_is_no_reason_to_log_in_again() -> None:
    both = Credentials(user_id=USER, pin=Secret("482913"), access_token=Secret("ready"))

    played = log_in(both, HttpResponse(502, (), b"<html>"))

    assert refused(played).fault is Fault.BROKER_UNAVAILABLE
    assert not played.asks


def test_the_page_is_one_consent_one_visit_one_token() -> None:
    back = "http://127.0.0.1:8800/?tokenId=4f0a1b2c3d4e5f60"

    played = log_in(PAGE, file("consent.json"), back, file("token.json"))

    app = (("app_id", "app-key-01"), ("app_secret", "app-secret"))
    assert [(r.method, r.path, r.query, r.headers) for r in played.requests] == [
        ("POST", "/app/generate-consent", (("client_id", USER),), app),
        ("GET", "/app/consumeApp-consent", (("tokenId", "4f0a1b2c3d4e5f60"),), app),
    ]
    (ask,) = played.asks
    assert ask.kind == "page"
    assert ask.url == (
        "https://auth.dhan.co/login/consentApp-login"
        "?consentAppId=940b0ca1-3ff4-4476-b46e-03a3ce7dc55d"
    )
    assert session_of(played).user_id == USER


def test_a_token_id_may_be_given_bare() -> None:
    played = log_in(PAGE, file("consent.json"), "4f0a1b2c3d4e5f60", file("token.json"))

    assert played.requests[-1].query == (("tokenId", "4f0a1b2c3d4e5f60"),)


@pytest.mark.parametrize(
    "pasted",
    ["", "http://127.0.0.1/?error=1", "http://[bad/?tokenId=x", "two words", "https://x/?tokenId="],
)
def test_what_holds_no_token_id_is_a_slip_and_not_quoted(pasted: str) -> None:
    error = refused(log_in(PAGE, file("consent.json"), pasted))

    assert error.fault is Fault.INVALID_INPUT
    assert not pasted or pasted not in str(error)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (said(200, {"status": "error", "message": "Invalid Pin"}), Fault.AUTH_DENIED),
        (said(400, {"errorCode": "DH-905", "errorMessage": "no"}), Fault.AUTH_DENIED),
        (said(200, {"dhanClientId": USER}), Fault.AUTH_DENIED),
        (said(200, {"dhanClientId": USER, "accessToken": ""}), Fault.AUTH_DENIED),
        (said(200, {"dhanClientId": "", "accessToken": "x"}), Fault.UNREADABLE),
        (said(200, ["x"]), Fault.UNREADABLE),
        (HttpResponse(200, (), b"<html>"), Fault.UNREADABLE),
        (HttpResponse(503, (), b""), Fault.BROKER_UNAVAILABLE),
        (said(500, {"errorCode": "DH-908", "errorMessage": "x"}), Fault.BROKER_UNAVAILABLE),
    ],
)
def test_a_refusal_is_the_credentials_unless_the_broker_is_broken(
    answer: HttpResponse, fault: Fault
) -> None:
    assert refused(log_in(PIN, "654321", answer)).fault is fault


def test_too_early_is_no_word_about_the_credentials() -> None:
    words = "Token can be generated once every 2 minutes."

    error = refused(log_in(PIN, "654321", said(200, {"status": "error", "message": words})))

    assert (error.fault, error.message) == (Fault.RATE_LIMITED, words)


def test_a_refusal_that_echoes_what_was_sent_is_masked() -> None:
    echo = f"bad request /app/generateAccessToken?dhanClientId={USER}&pin=482913&totp=654321"

    error = refused(log_in(PIN, "654321", said(400, {"status": "error", "message": echo})))

    assert "482913" not in str(error)
    assert "654321" not in str(error)


@pytest.mark.parametrize(
    ("credentials", "lacks"),
    [
        (Credentials(), "user_id, pin"),
        (Credentials(user_id=USER), "pin"),
        (Credentials(user_id=USER, mode="page"), "api_key, api_secret"),
    ],
)
def test_what_is_missing_is_named_before_any_request(credentials: Credentials, lacks: str) -> None:
    played = log_in(credentials)

    assert refused(played).fault is Fault.AUTH_DENIED
    assert str(refused(played)).endswith(lacks)
    assert not played.requests


def test_an_unknown_way_of_logging_in_is_named() -> None:
    error = refused(log_in(Credentials(user_id=USER, pin=Secret("482913"), mode="headless")))

    assert error.fault is Fault.UNSUPPORTED
    assert "headless" in str(error)
