"""The three ways to a session, step by step."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ordo_adapters.upstox import UPSTOX
from ordod.adapter import IST, Ask, Credentials, Fault, HttpRequest, Secret
from ordod.adapter.suite import play
from tests.adapters.upstox.listed import NOW, answer

TOKEN = b'{"user_id":"ZZ0001","access_token":"new-token","extended_token":null}'
PROFILE = b'{"status":"success","data":{"user_id":"ZZ0001"}}'
PUSHED = b'{"status":"success","data":{"authorization_expiry":"1767593400000"}}'
DEAD = b'{"status":"error","errors":[{"error_code":"UDAPI100050","message":"Invalid token"}]}'
OPTIONS = {"redirect_uri": "http://127.0.0.1:8800/"}


def credentials(
    *,
    token: str = "",
    mode: str = "",
    secret: str = "secret0",
    options: Mapping[str, str] = OPTIONS,
) -> Credentials:
    return Credentials(
        api_key=Secret("client0"),
        api_secret=Secret(secret) if secret else None,
        access_token=Secret(token) if token else None,
        mode=mode,
        options=options,
    )


def test_the_page_is_upstoxs_with_the_apps_id_and_address() -> None:
    asked: Any = next(UPSTOX.login(credentials(), NOW))
    parts = urlsplit(asked.url)

    assert (asked.kind, parts.scheme, parts.netloc) == ("page", "https", "api.upstox.com")
    assert parts.path == "/v2/login/authorization/dialog"
    assert dict(parse_qsl(parts.query)) == {
        "response_type": "code",
        "client_id": "client0",
        "redirect_uri": "http://127.0.0.1:8800/",
    }


@pytest.mark.parametrize(
    "pasted", ["mk404xQ", " mk404xQ\n", "http://127.0.0.1:8800/?state=x&code=mk404xQ"]
)
def test_a_code_is_exchanged_for_a_session(pasted: str) -> None:
    played = play(UPSTOX.login(credentials(), NOW), [pasted, answer(TOKEN)])

    (request,) = played.requests
    assert request == HttpRequest(
        "POST",
        "rest",
        "/v2/login/authorization/token",
        "others",
        (("Accept", "application/json"), ("Api-Version", "2.0")),
        form={
            "code": "mk404xQ",
            "client_id": "client0",
            "client_secret": "secret0",
            "redirect_uri": "http://127.0.0.1:8800/",
            "grant_type": "authorization_code",
        },
    )
    assert played.value.user_id == "ZZ0001"
    assert played.value.access_token == Secret("new-token")


@pytest.mark.parametrize("pasted", ["", "http://127.0.0.1:8800/", "http://[", "?code=", "a b"])
def test_what_holds_no_code_is_a_slip_and_is_not_quoted(pasted: str) -> None:
    played = play(UPSTOX.login(credentials(), NOW), [pasted])

    assert played.requests == []
    assert played.error is not None
    assert played.error.fault is Fault.INVALID_INPUT
    assert "127" not in str(played.error)


@pytest.mark.parametrize(
    ("made", "ends"),
    [
        (datetime(2026, 1, 5, 8, 30, tzinfo=IST), datetime(2026, 1, 6, 3, 30, tzinfo=IST)),
        (datetime(2026, 1, 5, 2, 30, tzinfo=IST), datetime(2026, 1, 5, 3, 30, tzinfo=IST)),
        (datetime(2026, 1, 5, 3, 30, tzinfo=IST), datetime(2026, 1, 6, 3, 30, tzinfo=IST)),
    ],
)
def test_a_session_ends_at_the_next_half_past_three(made: datetime, ends: datetime) -> None:
    played = play(UPSTOX.login(credentials(), made), ["mk404xQ", answer(TOKEN)])

    assert played.value.expires_at == ends


def test_a_ready_made_token_is_proven_and_nothing_is_asked() -> None:
    played = play(UPSTOX.login(credentials(token="ready", secret=""), NOW), [answer(PROFILE)])

    (request,) = played.requests
    assert (request.method, request.path) == ("GET", "/v2/user/profile")
    assert dict(request.headers)["Authorization"] == "Bearer ready"
    assert played.asks == []
    assert played.value.user_id == "ZZ0001"


def test_a_dead_token_leads_to_the_page_where_the_secrets_allow_it() -> None:
    with_secret = play(UPSTOX.login(credentials(token="ready"), NOW), [answer(DEAD, 401)])
    without = play(UPSTOX.login(credentials(token="ready", secret=""), NOW), [answer(DEAD, 401)])

    assert [ask.kind for ask in with_secret.asks] == ["page"]
    assert without.error is not None
    assert without.error.fault is Fault.AUTH_EXPIRED


def test_a_token_that_could_not_be_proven_is_not_given_up() -> None:
    played = play(UPSTOX.login(credentials(token="ready"), NOW), [answer(b"<html>", 503)])

    assert played.asks == []
    assert played.error is not None
    assert played.error.fault is Fault.BROKER_UNAVAILABLE


def test_the_phone_is_asked_and_the_webhooks_token_proven() -> None:
    played = play(
        UPSTOX.login(credentials(mode="push"), NOW),
        [answer(PUSHED), "token-from-the-webhook-1234567890", answer(PROFILE)],
    )

    request, profile = played.requests
    assert (request.method, request.path) == ("POST", "/v3/login/auth/token/request/client0")
    assert request.json == {"client_secret": "secret0"}
    assert [ask.kind for ask in played.asks] == ["otp"]
    assert dict(profile.headers)["Authorization"] == "Bearer token-from-the-webhook-1234567890"
    assert played.value.user_id == "ZZ0001"


def test_what_is_no_token_is_not_sent() -> None:
    played = play(UPSTOX.login(credentials(mode="push"), NOW), [answer(PUSHED), "12\r\n34 56"])

    assert len(played.requests) == 1
    assert played.error is not None
    assert played.error.fault is Fault.INVALID_INPUT


@pytest.mark.parametrize(
    ("given", "lacks"),
    [
        (Credentials(), "api_key, api_secret"),
        (Credentials(mode="push", api_key=Secret("k")), "api_secret"),
        (credentials(options={}), "redirect_uri"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_asked(given: Credentials, lacks: str) -> None:
    played = play(UPSTOX.login(given, NOW), [])

    assert (played.requests, played.asks) == ([], [])
    assert played.error is not None
    assert (played.error.fault, lacks in str(played.error)) == (Fault.AUTH_DENIED, True)


def test_there_is_no_login_without_a_person() -> None:
    played = play(UPSTOX.login(credentials(mode="headless"), NOW), [])

    assert played.error is not None
    assert played.error.fault is Fault.UNSUPPORTED


@pytest.mark.parametrize(
    "body", [b'{"user_id":"","access_token":"x"}', b'{"user_id":"Z","access_token":""}', b"{}"]
)
def test_a_session_without_a_user_or_a_token_is_none(body: bytes) -> None:
    played = play(UPSTOX.login(credentials(), NOW), ["mk404xQ", answer(body)])

    assert played.error is not None
    assert played.error.fault is Fault.UNREADABLE


def test_the_session_shows_no_secret() -> None:
    played = play(UPSTOX.login(credentials(), NOW + timedelta(1)), ["mk404xQ", answer(TOKEN)])

    assert "new-token" not in repr(played.value)
    assert isinstance(played.asks[0], Ask)
