"""A simulated Dhan's logins, sessions and limits, by hand (dhan.md 2, 10)."""

from datetime import timedelta

import orjson
import pyotp
import pytest

from ordod.sim.dhan import Client, DhanSim
from tests.sim.dhan_client import TEN, USER, DhanClient


@pytest.fixture
def sim() -> DhanSim:
    return DhanSim(seed=7, now=TEN)


@pytest.fixture
def dhan(sim: DhanSim) -> DhanClient:
    return DhanClient(sim)


def test_a_login_gives_a_token_for_a_day_and_ends_the_one_before(dhan: DhanClient) -> None:
    said = dhan.log_in()

    assert said["expiryTime"] == "2026-11-26T10:00:01.000"
    assert dhan.refused("GET", "/profile")[:2] == (401, "DH-901")
    dhan.access_token = said["accessToken"]
    assert dhan.ask("GET", "/profile")["tokenValidity"] == "26/11/2026 10:00"
    dhan.now += timedelta(hours=24)
    assert dhan.refused("GET", "/profile")[:2] == (401, "DH-901")


def test_a_token_is_given_once_in_two_minutes(dhan: DhanClient) -> None:
    dhan.log_in()
    dhan.now += timedelta(seconds=60)
    early = dhan.log_in()
    dhan.now += timedelta(seconds=60)
    late = dhan.log_in()

    assert early == {
        "status": "error",
        "message": "Token can be generated once every 2 minutes.",
    }
    assert "accessToken" in late


@pytest.mark.parametrize(
    ("wrong", "words"), [({"pin": "000000"}, "Invalid Pin"), ({"code": "000000"}, "Invalid TOTP")]
)
def test_a_wrong_pin_or_code_is_told_in_a_200(
    dhan: DhanClient, wrong: dict[str, str], words: str
) -> None:
    assert dhan.log_in(**wrong) == {"status": "error", "message": words}


def test_a_code_is_good_once(dhan: DhanClient) -> None:
    code = pyotp.TOTP(USER.totp_secret).at(TEN)
    dhan.log_in(code=code)
    dhan.now += timedelta(minutes=2)

    assert dhan.log_in(code=code)["message"] == "Invalid TOTP"


def test_five_wrong_pins_lock_the_account(dhan: DhanClient) -> None:
    for _ in range(5):
        dhan.log_in(pin="000000")

    assert "locked" in dhan.log_in()["message"]


def test_a_consent_is_a_token_id_that_is_good_once(dhan: DhanClient, sim: DhanSim) -> None:
    app = [("app_id", USER.app_id), ("app_secret", USER.app_secret)]
    consent = dhan.send("POST", f"/app/generate-consent?client_id={USER.client_id}", headers=app)
    token_id = sim.request_token(USER.client_id, dhan.now)

    first, again = (
        dhan.send("GET", f"/app/consumeApp-consent?tokenId={token_id}", headers=app)
        for _ in range(2)
    )

    assert orjson.loads(consent.body)["consentAppStatus"] == "GENERATED"
    assert (first.status, again.status) == (200, 401)
    dhan.access_token = orjson.loads(first.body)["accessToken"]
    assert dhan.ask("GET", "/profile")["dhanClientId"] == USER.client_id


def test_an_app_is_known_by_its_secret(dhan: DhanClient) -> None:
    for headers in ([("app_id", USER.app_id), ("app_secret", "x")], []):
        answer = dhan.send(
            "POST", f"/app/generate-consent?client_id={USER.client_id}", headers=headers
        )
        assert answer.status == 401


def test_a_living_token_renews_itself_once(dhan: DhanClient) -> None:
    renewed = dhan.ask("GET", "/RenewToken")

    assert set(renewed) == {"token", "createTime", "expiryTime"}
    assert dhan.refused("GET", "/RenewToken")[0] == 401


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/orders", 400, "DH-906"),
        ("POST", "/orders", 400, "DH-906"),
        ("GET", "/fundlimit", 400, "DH-906"),
        ("GET", "/holdings", 401, "DH-901"),
        ("POST", "/marketfeed/ltp", 401, "808"),
        ("POST", "/charts/intraday", 401, "808"),
    ],
)
def test_a_dead_session_has_a_shape_for_each_place(
    dhan: DhanClient, sim: DhanSim, method: str, path: str, status: int, code: str
) -> None:
    sim.end_sessions(USER.client_id)

    assert dhan.refused(method, path, {})[:2] == (status, code)


def test_quotes_want_the_client_id_and_the_data_plan(dhan: DhanClient) -> None:
    asked = {"NSE_EQ": [1]}
    bare = dhan.send(
        "POST", "/marketfeed/ltp", asked, headers=[("access-token", dhan.access_token)]
    )
    poor = DhanClient(DhanSim(now=TEN, clients=(Client(data_plan=False),)))

    assert (bare.status, orjson.loads(bare.body)["data"]) == (401, {"810": "Client ID is invalid"})
    assert poor.refused("POST", "/marketfeed/ltp", asked)[:2] == (401, "806")
    assert poor.ask("GET", "/orders") == []


def test_the_eleventh_order_of_a_second_is_one_too_many(dhan: DhanClient) -> None:
    low = dhan.low()
    dhan.now += timedelta(seconds=1)
    answers = []
    for _ in range(11):
        dhan.now -= timedelta(seconds=1)
        body = dhan.order(orderType="LIMIT", price=low)
        answers.append(dhan.send("POST", "/orders", body).status)

    assert answers == [200] * 10 + [429]


def test_the_second_quote_of_a_second_is_told_by_a_key(dhan: DhanClient) -> None:
    dhan.last_price()
    dhan.now -= timedelta(seconds=1)

    assert dhan.refused("POST", "/marketfeed/ltp", {"NSE_EQ": [1]}) == (
        429,
        "805",
        "Too many requests",
    )


def test_without_limits_nothing_is_counted() -> None:
    free = DhanClient(DhanSim(now=TEN, limits=False))
    for _ in range(3):
        free.now -= timedelta(seconds=1)
        assert free.send("GET", "/profile").status == 200
    first, second = (
        free.log_in(),
        free.log_in(code=pyotp.TOTP(USER.totp_secret).at(TEN + timedelta(seconds=30))),
    )

    assert "accessToken" in first
    assert "accessToken" in second
