"""The simulated Upstox by hand: its login page, codes, tokens, and the approval on the phone."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
import pyotp
import pytest

from ordod.sim.clock import IST
from ordod.sim.message import Answer
from ordod.sim.upstox import App, Client
from tests.sim.upstox_client import TEN, Hand

FORM = [("Content-Type", "application/x-www-form-urlencoded")]
PAGE = "/v2/login/authorization/dialog?" + urlencode(
    {
        "response_type": "code",
        "client_id": App().client_id,
        "redirect_uri": App().redirect_uri,
        "state": "s1",
    }
)


@pytest.fixture
def hand() -> Hand:
    return Hand()


def submit(hand: Hand, **spoilt: str) -> Answer:
    """What a person types on the page; the next code of the authenticator each time."""
    hand.now += timedelta(seconds=30)
    form = {
        "mobile": Client().mobile,
        "totp": pyotp.TOTP(Client().totp_secret).at(hand.now),
        "pin": Client().pin,
    }
    body = urlencode(form | spoilt).encode()
    return hand.sim.handle("POST", PAGE, FORM, body, hand.now)


def exchange(hand: Hand, code: str, **spoilt: str) -> tuple[int, dict[str, Any]]:
    form = {
        "code": code,
        "client_id": App().client_id,
        "client_secret": App().client_secret,
        "redirect_uri": App().redirect_uri,
        "grant_type": "authorization_code",
    }
    body = urlencode(form | spoilt).encode()
    answer = hand.sim.handle("POST", "/v2/login/authorization/token", FORM, body, hand.now)
    return answer.status, orjson.loads(answer.body)


def code_of(answer: Answer) -> str:
    assert answer.status == 302, answer.body
    query = parse_qs(urlsplit(dict(answer.headers)["location"]).query)
    assert query["state"] == ["s1"]
    return query["code"][0]


def test_the_page_leads_to_a_code_at_the_apps_address(hand: Hand) -> None:
    assert hand.sim.handle("GET", PAGE, [], b"", hand.now).status == 200

    status, said = exchange(hand, code_of(submit(hand)))

    assert (status, said["user_id"], said["extended_token"]) == (200, "ZZ0001", None)
    assert "status" not in said
    hand.token = said["access_token"]
    assert hand.ask("GET", "/v2/user/profile")["user_id"] == "ZZ0001"


def test_a_wrong_app_or_address_is_told_at_once(hand: Hand) -> None:
    page = PAGE.replace("callback", "elsewhere")

    answer = hand.sim.handle("GET", page, [], b"", hand.now)

    assert orjson.loads(answer.body)["errors"][0]["error_code"] == "UDAPI100068"


@pytest.mark.parametrize("spoilt", [{"pin": "000000"}, {"totp": "000000"}, {"mobile": "1"}])
def test_wrong_words_lead_nowhere(hand: Hand, spoilt: dict[str, str]) -> None:
    assert submit(hand, **spoilt).status == 200
    assert code_of(submit(hand))


def test_a_totp_code_is_good_once(hand: Hand) -> None:
    code_of(submit(hand))
    used = pyotp.TOTP(Client().totp_secret).at(hand.now)

    assert submit(hand, totp=used).status == 200


def test_the_fifth_wrong_pin_locks_the_account(hand: Hand) -> None:
    for _ in range(5):
        submit(hand, pin="000000")

    assert b"locked" in submit(hand).body


def test_a_code_is_spent_by_the_first_try_whatever_comes_of_it(hand: Hand) -> None:
    code = code_of(submit(hand))

    wrong = exchange(hand, code, client_secret="wrong")
    again = exchange(hand, code)

    assert (wrong[0], wrong[1]["errors"][0]["error_code"]) == (401, "UDAPI100016")
    assert (again[0], again[1]["errors"][0]["error_code"]) == (401, "UDAPI100057")


def test_a_code_grows_old(hand: Hand) -> None:
    code = code_of(submit(hand))
    hand.now += timedelta(minutes=11)

    assert exchange(hand, code)[0] == 401


def test_a_token_dies_at_half_past_three_and_others_live_beside_it(hand: Hand) -> None:
    other = hand.sim.access_token("ZZ0001", hand.now)

    assert hand.send("GET", "/v2/user/profile").status == 200
    hand.token = other
    assert hand.send("GET", "/v2/user/profile").status == 200
    hand.now = datetime(2026, 11, 26, 3, 29, tzinfo=IST)
    assert hand.send("GET", "/v2/user/profile").status == 200
    hand.now = datetime(2026, 11, 26, 3, 30, tzinfo=IST)
    assert hand.refused("GET", "/v2/user/profile") == (401, "UDAPI100050")


def test_a_logout_ends_one_token(hand: Hand) -> None:
    first, second = hand.token, hand.sim.access_token("ZZ0001", TEN)

    assert hand.ask("DELETE", "/v2/logout") is True

    assert hand.refused("GET", "/v2/user/profile") == (401, "UDAPI100050")
    hand.token = second
    assert hand.send("GET", "/v2/user/profile").status == 200
    assert first != second


def test_an_approval_is_asked_for_and_its_token_goes_to_the_webhook(hand: Hand) -> None:
    path = f"/v3/login/auth/token/request/{App().client_id}"
    with pytest.raises(ValueError, match="nothing was asked"):
        hand.sim.accounts.approve("ZZ0001", hand.now)

    asked = hand.ask("POST", path, {"client_secret": App().client_secret})
    hand.token = hand.sim.controls()["POST", "approve"]({"at": hand.now.isoformat()})[
        "access_token"
    ]

    assert int(asked["authorization_expiry"]) > hand.now.timestamp() * 1000
    assert hand.ask("GET", "/v2/user/profile")["user_id"] == "ZZ0001"
    assert hand.refused("POST", path, {"client_secret": "wrong"}) == (401, "UDAPI100016")


def test_secrets_are_not_kept_with_what_was_asked(hand: Hand) -> None:
    body = urlencode({"client_secret": App().client_secret, "code": "abc"}).encode()
    hand.sim.answer("POST", "/v2/login/authorization/token", FORM, body, hand.now)

    assert hand.sim.requests[-1].form == {}
