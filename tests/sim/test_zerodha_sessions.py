"""The simulated login pages and tokens."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
import pyotp
import pytest

from ordod.sim.message import Answer
from ordod.sim.zerodha import App, Client, ZerodhaSim

SAMPLES = Path(__file__).parents[1] / "adapters" / "zerodha" / "samples"
LOGIN_PAGE = "/connect/login?v=3&api_key=simkey0123456789"
FORM = ("Content-Type", "application/x-www-form-urlencoded")


class Browser:
    """Keeps cookies, follows nothing."""

    def __init__(self, sim: ZerodhaSim, now: Any) -> None:
        self.sim = sim
        self.now = now
        self.cookies: dict[str, str] = {}

    def send(self, method: str, target: str, **form: str) -> Answer:
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = [("Cookie", jar), FORM]
        answer = self.sim.handle(method, target, headers, urlencode(form).encode(), self.now)
        for name, value in answer.headers:
            if name == "set-cookie":
                pair = value.partition(";")[0].partition("=")
                self.cookies[pair[0]] = pair[2]
        return answer

    def password(self, password: str = Client().password) -> Answer:
        return self.send("POST", "/api/login", user_id="ZX0001", password=password)

    def code(self, request_id: str, value: str, kind: str = "totp") -> Answer:
        return self.send(
            "POST",
            "/api/twofa",
            user_id="ZX0001",
            request_id=request_id,
            twofa_value=value,
            twofa_type=kind,
        )

    def totp(self) -> str:
        return pyotp.TOTP(Client().totp_secret).at(self.now)

    def log_in(self) -> None:
        request_id = orjson.loads(self.password().body)["data"]["request_id"]
        assert self.code(request_id, self.totp()).status == 200

    def chain(self, target: str) -> str:
        """Where the redirects lead: the first address that is not the broker's."""
        for _ in range(5):
            answer = self.send("GET", target)
            assert answer.status == 302, answer.body
            target = dict(answer.headers)["location"]
            if not target.startswith("/"):
                return target
        raise AssertionError("the chain has no end")


@pytest.fixture
def browser(sim: ZerodhaSim, kite: Any) -> Browser:
    return Browser(sim, kite.now)


def said(answer: Answer) -> tuple[int, str]:
    return answer.status, orjson.loads(answer.body)["error_type"]


def test_password_and_totp_lead_to_a_request_token_at_the_apps_address(browser: Browser) -> None:
    page = browser.send("GET", LOGIN_PAGE)
    kept = dict(page.headers)["location"]
    form = browser.send("GET", kept)
    browser.log_in()

    landed = browser.chain(kept + "&skip_session=true")

    assert (page.status, form.status) == (302, 200)
    assert "sess_id=" in kept
    query = parse_qs(urlsplit(landed).query)
    assert landed.startswith(App().redirect_url)
    assert (query["status"], query["action"]) == (["success"], ["login"])
    assert len(query["request_token"][0]) == 32


def test_redirect_params_come_back_unchanged(browser: Browser) -> None:
    browser.log_in()

    landed = browser.chain(LOGIN_PAGE + "&redirect_params=" + "a%3D1%26b%3D2")

    assert landed.endswith("&a=1&b=2")


def test_a_user_who_never_opened_the_app_gets_the_consent_page_first(browser: Browser) -> None:
    browser.sim.accounts.consents.clear()
    browser.log_in()
    sess = dict(browser.send("GET", LOGIN_PAGE).headers)["location"]
    finish = dict(browser.send("GET", sess).headers)["location"]

    asked = browser.send("GET", finish)
    sess_id = parse_qs(urlsplit(sess).query)["sess_id"][0]
    agreed = browser.send("POST", "/connect/authorize", sess_id=sess_id)

    assert (asked.status, agreed.status) == (200, 302)
    assert "request_token=" in browser.chain(LOGIN_PAGE)


def test_a_totp_code_is_good_once(browser: Browser) -> None:
    browser.log_in()
    request_id = orjson.loads(browser.password().body)["data"]["request_id"]

    again = browser.code(request_id, browser.totp())
    browser.now += timedelta(seconds=30)
    later = browser.code(request_id, browser.totp())

    assert said(again) == (403, "TwoFAException")
    assert later.status == 200


def test_a_wrong_code_and_a_wrong_kind_are_refused(browser: Browser) -> None:
    request_id = orjson.loads(browser.password().body)["data"]["request_id"]
    wrong = "000000" if browser.totp() != "000000" else "111111"

    assert said(browser.code(request_id, wrong)) == (403, "TwoFAException")
    assert said(browser.code(request_id, browser.totp(), "app_code")) == (400, "InputException")


def test_the_code_goes_with_the_cookie_of_the_password(browser: Browser) -> None:
    request_id = orjson.loads(browser.password().body)["data"]["request_id"]
    browser.cookies.clear()

    assert said(browser.code(request_id, browser.totp())) == (403, "TwoFAException")


def test_the_fifth_wrong_password_locks_the_account(browser: Browser) -> None:
    wrong = [said(browser.password("nope")) for _ in range(5)]

    right = browser.password()

    assert wrong == [(403, "UserException")] * 5
    assert b"locked" in right.body
    browser.sim.accounts.unlock("ZX0001")
    assert browser.password().status == 200


def test_without_an_external_authenticator_no_code_is_accepted(kite: Any) -> None:
    sim = ZerodhaSim(now=kite.now, clients=(Client(twofa_type="app_code"),))
    browser = Browser(sim, kite.now)

    told = orjson.loads(browser.password().body)["data"]
    refusal = browser.code(told["request_id"], browser.totp(), "app_code")

    assert told["twofa_type"] == "app_code"
    assert said(refusal) == (403, "TwoFAException")


def test_the_session_answer_has_the_keys_of_the_sample(kite: Any) -> None:
    token = kite.sim.accounts.grant(App().api_key, "ZX0001", kite.now)
    data = kite.ask("POST", "/session/token", kite.session_form(token))

    sample = orjson.loads((SAMPLES / "generate_session.json").read_bytes())["data"]
    assert set(data) == set(sample)
    assert data["login_time"] == "2026-11-25 10:00:01"


@pytest.mark.parametrize("spoilt", ["request_token", "checksum", "api_key"])
def test_a_wrong_exchange_is_a_token_exception(kite: Any, spoilt: str) -> None:
    form = kite.session_form(kite.sim.accounts.grant(App().api_key, "ZX0001", kite.now))

    refusal = kite.refused("POST", "/session/token", form | {spoilt: "x" * 32})

    assert refusal[:2] == (403, "TokenException")


def test_a_request_token_is_used_once_and_grows_old(kite: Any) -> None:
    used = kite.session_form(kite.sim.accounts.grant(App().api_key, "ZX0001", kite.now))
    old = kite.session_form(kite.sim.accounts.grant(App().api_key, "ZX0001", kite.now))
    kite.ask("POST", "/session/token", used)

    again = kite.refused("POST", "/session/token", used)
    kite.now += timedelta(minutes=6)
    late = kite.refused("POST", "/session/token", old)

    assert again[:2] == late[:2] == (403, "TokenException")


def test_a_new_token_ends_the_older_one_of_the_same_app_and_user(kite: Any) -> None:
    older = kite.access_token

    kite.login()

    assert kite.ask("GET", "/user/profile")["user_id"] == "ZX0001"
    kite.access_token = older
    assert kite.refused("GET", "/user/profile")[:2] == (403, "TokenException")


def test_a_session_dies_at_six_in_the_morning(kite: Any) -> None:
    kite.now = kite.now.replace(hour=5, minute=59, second=0) + timedelta(days=1)
    alive = kite.send("GET", "/user/profile").status

    kite.now += timedelta(minutes=1)

    assert alive == 200
    assert kite.refused("GET", "/user/profile")[:2] == (403, "TokenException")


def test_logout_ends_the_token(kite: Any) -> None:
    query = urlencode({"api_key": App().api_key, "access_token": kite.access_token})

    assert kite.ask("DELETE", f"/session/token?{query}") is True
    assert kite.refused("GET", "/orders")[1] == "TokenException"


def test_the_profile_has_the_keys_of_the_sample(kite: Any) -> None:
    sample = orjson.loads((SAMPLES / "profile.json").read_bytes())["data"]

    assert set(kite.ask("GET", "/user/profile")) == set(sample)


def test_the_version_header_is_demanded(kite: Any) -> None:
    headers = [header for header in kite.headers if header[0] != "X-Kite-Version"]

    answer = kite.sim.handle("GET", "/user/profile", headers, b"", kite.now)

    assert answer.status == 400
