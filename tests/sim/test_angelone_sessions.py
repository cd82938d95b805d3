"""Simulated Angel One: who comes in, for how long, and how often one may ask."""

from datetime import timedelta

import orjson
import pytest

from ordod.sim.angelone import Client
from tests.sim.angelone import ORDER, SECURE, TEN, Smart

LOGIN = "/rest/auth/angelbroking/user/v1/loginByPassword"
RENEW = "/rest/auth/angelbroking/jwt/v1/generateTokens"
PROFILE = f"{SECURE}/user/v1/getProfile"


@pytest.fixture
def smart() -> Smart:
    return Smart()


def test_pin_and_code_make_a_session(smart: Smart) -> None:
    smart.jwt = ""
    tokens = smart.ask("POST", LOGIN, smart.login_body(state="mine"))

    smart.jwt = tokens["jwtToken"]

    assert set(tokens) == {"jwtToken", "refreshToken", "feedToken", "state"}
    assert tokens["state"] == "mine"
    assert tokens["jwtToken"].count(".") == 2
    assert smart.ask("GET", PROFILE)["clientcode"] == "A100001"


def test_a_code_is_good_once(smart: Smart) -> None:
    body = smart.login_body()
    smart.ask("POST", LOGIN, body)

    again = smart.refused("POST", LOGIN, body)
    smart.now += timedelta(seconds=30)

    assert again == "AB1050"
    assert "jwtToken" in smart.ask("POST", LOGIN, smart.login_body())


def test_the_fifth_wrong_try_blocks_the_account(smart: Smart) -> None:
    wrong = [smart.refused("POST", LOGIN, smart.login_body(password="0000")) for _ in range(4)]
    wrong.append(smart.refused("POST", LOGIN, smart.login_body(totp="000000")))

    assert wrong == ["AB1007"] * 4 + ["AB1050"]
    assert smart.refused("POST", LOGIN, smart.login_body()) == "AB1006"


def test_a_stranger_is_told_what_a_wrong_pin_is_told(smart: Smart) -> None:
    assert smart.refused("POST", LOGIN, smart.login_body(clientcode="B2")) == "AB1007"


def test_a_session_ends_at_midnight(smart: Smart) -> None:
    smart.now = TEN.replace(hour=23, minute=59, second=58)
    before = smart.ask("GET", PROFILE)

    assert before["clientcode"] == "A100001"
    assert smart.dead("GET", PROFILE) == "AG8002"
    assert smart.dead("GET", PROFILE) == "AG8002"


def test_a_dead_session_by_its_cause(smart: Smart) -> None:
    good, smart.jwt = smart.jwt, "made-up"
    invalid = smart.dead("GET", PROFILE)
    smart.jwt = ""
    missing = smart.dead("GET", PROFILE)
    smart.jwt = good
    logged_out = smart.ask("POST", f"{SECURE}/user/v1/logout", {"clientcode": "A100001"})

    assert (invalid, missing, logged_out) == ("AG8001", "AG8003", "")
    assert smart.dead("GET", PROFILE) == "AG8001"


def test_a_refresh_token_makes_new_tokens_once(smart: Smart) -> None:
    tokens = smart.ask("POST", LOGIN, smart.login_body())
    smart.jwt = tokens["jwtToken"]

    fresh = smart.ask("POST", RENEW, {"refreshToken": tokens["refreshToken"]})
    old = smart.dead("GET", PROFILE)
    smart.jwt = fresh["jwtToken"]

    assert old == "AG8001"
    assert smart.ask("GET", PROFILE)["clientcode"] == "A100001"
    assert smart.refused("POST", RENEW, {"refreshToken": tokens["refreshToken"]}) == "AB8050"


@pytest.mark.parametrize(
    "name", ["X-ClientLocalIP", "X-ClientPublicIP", "X-MACAddress", "X-UserType", "Accept"]
)
def test_every_header_is_asked_for(smart: Smart, name: str) -> None:
    del smart.headers[name]

    assert smart.refused("GET", PROFILE) == "AB1004"


def test_an_app_nobody_knows_is_refused(smart: Smart) -> None:
    smart.headers["X-PrivateKey"] = "nope"

    assert smart.dead("GET", PROFILE) == "AG8004"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [(f"{ORDER}/getOrderBook", 1), (f"{SECURE}/user/v1/getRMS", 2), (PROFILE, 3)],
)
def test_a_full_second_is_refused_in_plain_words(smart: Smart, path: str, allowed: int) -> None:
    answers = [smart.send("GET", path, wait_s=0.01) for _ in range(allowed + 1)]
    later = smart.send("GET", path, wait_s=1)

    assert [answer.status for answer in answers] == [200] * allowed + [403]
    assert answers[-1].body == b"Access denied because of exceeding access rate"
    assert dict(answers[-1].headers)["content-type"] == "text/plain"
    assert later.status == 200


def test_orders_of_all_kinds_are_counted_together(smart: Smart) -> None:
    kinds = ("placeOrder", "modifyOrder", "cancelOrder")

    answers = [
        smart.send("POST", f"{ORDER}/{kinds[n % 3]}", {"orderid": "1"}, wait_s=0.01)
        for n in range(10)
    ]

    assert [answer.status for answer in answers] == [200] * 9 + [403]


def test_secrets_are_not_kept_among_the_requests(smart: Smart) -> None:
    body = orjson.dumps(smart.login_body())
    smart.sim.answer("POST", LOGIN, list(smart.headers.items()), body, smart.now)

    kept = smart.sim.requests[-1]
    assert kept.form == {"clientcode": "A100001"}
    assert Client().pin not in repr(smart.sim.requests)
