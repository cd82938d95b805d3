"""How a session begins: what is asked, sent and believed, and what is never tried twice."""

from collections.abc import Generator
from datetime import datetime
from typing import Any

import pytest

from ordo_adapters.angelone import ANGELONE
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
from tests.adapters.angelone.making import said, sample, success

NOW = datetime(2025, 10, 13, 8, 30, tzinfo=IST)
FULL: dict[str, Any] = {
    "user_id": "A100001",
    "api_key": Secret("key0"),
    "pin": Secret("4821"),
    "totp_secret": Secret("JBSWY3DPEHPK3PXP"),
}
NEUTRAL = {
    "X-ClientLocalIP": "127.0.0.1",
    "X-ClientPublicIP": "127.0.0.1",
    "X-MACAddress": "00:00:00:00:00:00",
}


def login(**more: Any) -> Generator[Any, Any, Session]:
    return ANGELONE.login(Credentials(**(FULL | more)), NOW)


def end_of(dialogue: Generator[Any, Any, Session], answer: HttpResponse | str) -> Session:
    with pytest.raises(StopIteration) as end:
        dialogue.send(answer)
    session = end.value.value
    assert isinstance(session, Session)
    return session


def refused(dialogue: Generator[Any, Any, Any], *answers: HttpResponse | str) -> BrokerError:
    """What the login ends with, answered so; it asks for nothing more."""
    *before, last = (None, *answers)
    for answer in before:
        dialogue.send(answer)
    with pytest.raises(BrokerError) as error:
        dialogue.send(last)
    return error.value


def test_a_login_by_pin_and_code() -> None:
    dialogue = login()

    ask = next(dialogue)
    request = dialogue.send(" 331207\n")
    profile = dialogue.send(sample("login.json"))
    session = end_of(dialogue, sample("profile.json"))

    assert isinstance(ask, Ask)
    assert (ask.kind, "A100001" in ask.prompt) == ("totp", True)
    assert isinstance(request, HttpRequest)
    assert (request.method, request.path, request.group) == (
        "POST",
        "/rest/auth/angelbroking/user/v1/loginByPassword",
        "session",
    )
    assert request.json == {"clientcode": "A100001", "password": "4821", "totp": "331207"}
    sent = dict(request.headers)
    assert sent.items() >= NEUTRAL.items()
    assert (sent["X-PrivateKey"], "Authorization" in sent) == ("key0", False)
    assert profile.path.endswith("getProfile")
    assert session.user_id == "A100001"
    assert session.access_token == Secret("eyJhbGciOiJIUzUxMiJ9.AAA.BBB")
    assert session.extra["refresh_token"] == Secret("eyJhbGciOiJIUzUxMiJ9.CCC.DDD")
    assert session.extra["feed_token"] == Secret("eyJhbGciOiJIUzUxMiJ9.EEE.FFF")
    assert session.expires_at == datetime(2025, 10, 14, 0, 0, tzinfo=IST)


def test_what_the_broker_asks_about_the_machine_is_the_accounts_to_say() -> None:
    options = {
        "client_local_ip": "192.0.2.4",
        "client_public_ip": "192.0.2.10",
        "mac_address": "02:00:00:00:00:01",
    }
    dialogue = login(options=options)
    next(dialogue)

    first = dict(dialogue.send("331207").headers)
    second = dict(dialogue.send(sample("login.json")).headers)

    said_there = ("192.0.2.4", "192.0.2.10", "02:00:00:00:00:01")
    assert tuple(first[name] for name in NEUTRAL) == said_there
    assert tuple(second[name] for name in NEUTRAL) == said_there


@pytest.mark.parametrize("value", ["192.0.2.4 192.0.2.5", "1\r\nX-Evil: 1", "हाँ"])
def test_an_address_is_one_word(value: str) -> None:
    dialogue = login(options={"client_local_ip": value})

    assert refused(dialogue, "331207").fault is Fault.AUTH_DENIED


def test_whose_session_it_is_the_broker_says() -> None:
    dialogue = login(user_id="a100001")
    next(dialogue)
    dialogue.send("331207")
    dialogue.send(sample("login.json"))

    assert end_of(dialogue, sample("profile.json")).user_id == "A100001"


@pytest.mark.parametrize("name", ["user_id", "api_key", "pin"])
def test_what_is_missing_is_named_before_anything_is_asked(name: str) -> None:
    dialogue = login(**{name: None if name != "user_id" else ""})

    error = refused(dialogue)

    assert (error.fault, error.message) == (Fault.AUTH_DENIED, f"the account lacks {name}")


def test_another_way_of_logging_in_is_not_known() -> None:
    assert refused(login(mode="headless")).fault is Fault.UNSUPPORTED


@pytest.mark.parametrize("name", ["login_invalid_totp.json", "login_failed_as_text.json"])
def test_refused_credentials_are_denied_and_tried_once(name: str) -> None:
    assert refused(login(), "331207", sample(name)).fault is Fault.AUTH_DENIED


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (
            said(status=False, message="words", errorcode="AB1004", data=None),
            Fault.BROKER_UNAVAILABLE,
        ),
        (HttpResponse(502, (), b"<html>"), Fault.BROKER_UNAVAILABLE),
        (
            HttpResponse(403, (), b"Access denied because of exceeding access rate"),
            Fault.RATE_LIMITED,
        ),
        (said(status=False, message="words", errorcode="AB9999", data=None), Fault.UNREADABLE),
        (success({}), Fault.UNREADABLE),
        (success({"jwtToken": ""}), Fault.UNREADABLE),
        (HttpResponse(200, (), b""), Fault.UNREADABLE),
    ],
)
def test_an_answer_that_is_no_refusal_of_credentials_denies_nothing(
    answer: HttpResponse, fault: Fault
) -> None:
    assert refused(login(), "331207", answer).fault is fault


def test_a_session_that_names_no_user_is_none() -> None:
    error = refused(login(), "331207", sample("login.json"), success({"clientcode": ""}))

    assert error.fault is Fault.UNREADABLE


@pytest.mark.parametrize("text", ["jwt0", "Bearer jwt0"])
def test_a_ready_made_token_names_its_user(text: str) -> None:
    dialogue = login(access_token=Secret(text), pin=None, user_id="")

    request = next(dialogue)
    session = end_of(dialogue, sample("profile.json"))

    assert dict(request.headers)["Authorization"] == "Bearer jwt0"
    assert (session.user_id, session.access_token) == ("A100001", Secret("jwt0"))


def test_a_dead_ready_made_token_is_replaced_where_there_is_a_pin() -> None:
    dialogue = login(access_token=Secret("dead"))
    next(dialogue)

    assert isinstance(dialogue.send(sample("dead_session.json")), Ask)


def test_a_dead_ready_made_token_alone_is_an_end() -> None:
    error = refused(login(access_token=Secret("dead"), pin=None), sample("dead_session.json"))

    assert error.fault is Fault.AUTH_EXPIRED


def test_no_error_tells_a_pin_or_a_code() -> None:
    errors = [
        refused(login(), "331207", answer)
        for answer in (sample("login_invalid_totp.json"), HttpResponse(200, (), b"4821 331207"))
    ]

    assert not [error for error in errors if "4821" in str(error) or "331207" in str(error)]
