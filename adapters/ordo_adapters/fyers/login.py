"""How a session begins (fyers.md 2).

Three ways in: FYERS' own page (`auth_code` on the address it ends on), the same steps without a browser, which FYERS does not
document, and a ready-made `access_token`. Nothing here is tried twice: wrong PINs and codes lock an account.
"""

import base64
import re
from collections.abc import Callable, Generator
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from ordo_adapters.fyers.rows import Profile, envelope, instant, read
from ordo_adapters.fyers.tables import LOGIN_FAULTS, OTHERS, SPEC
from ordod.adapter import (
    Ask,
    BrokerError,
    Credentials,
    Fault,
    HttpRequest,
    HttpResponse,
    LoginDialogue,
    Secret,
    Session,
    from_json,
    shaped,
)
from ordod.adapter.logins import Steps, asked, called, from_address, named, need, reveal, way_in

__all__ = ["claim", "login", "profile", "signed"]

AUTH_CODE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")  # a JWT


def signed(session: Session) -> tuple[tuple[str, str], ...]:
    """The header of every call in a session (fyers.md 2.4)."""
    return (("Authorization", f"{session.api_key}:{session.access_token.reveal()}"),)


def profile(session: Session) -> Generator[HttpRequest, HttpResponse, str]:
    """Whose session it is, by the cheapest call (fyers.md 6)."""
    response = yield HttpRequest("GET", "rest", "/profile", OTHERS, signed(session))
    return read(response, "data", Profile).fy_id


def login(credentials: Credentials, now: datetime) -> LoginDialogue:
    """A session, by a ready-made token as long as it lives, else by the account's way of logging in."""

    def through(steps: Callable[[Credentials], Steps[str]]) -> LoginDialogue:
        auth_code = yield from steps(credentials)
        token = yield from _exchange(credentials, auth_code)
        return (yield from _by_token(credentials, token))

    return (
        yield from way_in(
            SPEC,
            credentials,
            lambda token: _by_token(credentials, token),
            {"": lambda: through(_official), "headless": lambda: through(_headless)},
        )
    )


def _by_token(credentials: Credentials, token: Secret) -> LoginDialogue:
    """The token proves itself by naming its user, and tells its own end."""
    need(credentials, ("api_key",))
    session = Session(
        user_id="",
        access_token=token,
        api_key=reveal(credentials.api_key),
        expires_at=_end(token),
    )
    return named(session, (yield from profile(session)))


def _end(token: Secret) -> datetime | None:
    """`exp` of the JWT (fyers.md 2.4); None: it does not say."""
    try:
        return instant(int(claim(token, "exp")))
    except (LookupError, TypeError, ValueError, OverflowError, OSError):
        return None


def claim(token: Secret, name: str) -> Any:
    """What a JWT says of itself, its signature not looked at (fyers.md 2.4). Raises LookupError, TypeError, ValueError."""
    payload = token.reveal().split(".")[1:2]
    return from_json(base64.urlsafe_b64decode("".join(payload) + "=="))[name]


def _exchange(credentials: Credentials, auth_code: str) -> Steps[Secret]:
    """`POST /validate-authcode`: the one-time code and the app's secret for an access token (fyers.md 2.1)."""
    app = f"{reveal(credentials.api_key)}:{reveal(credentials.api_secret)}"
    body = {
        "grant_type": "authorization_code",
        "appIdHash": sha256(app.encode()).hexdigest(),
        "code": auth_code,
    }
    response = yield from called(
        HttpRequest("POST", "rest", "/validate-authcode", OTHERS, json=body)
    )
    return _token(read(response, "access_token", str, LOGIN_FAULTS))


def _token(text: str) -> Secret:
    if not text:
        raise BrokerError(Fault.UNREADABLE, "a session without an access token")
    return Secret(text)


def _official(credentials: Credentials) -> Steps[str]:
    query = urlencode(
        {
            "client_id": reveal(credentials.api_key),
            "redirect_uri": credentials.options["redirect_uri"],
            "response_type": "code",
            "state": "ordo",
        }
    )
    answer = yield from asked(
        Ask(
            "page",
            "Log in to FYERS; then give the address your browser ends on (it holds auth_code)",
            url=f"{SPEC.hosts['rest']}/generate-authcode?{query}",
        )
    )
    return from_address(answer, "auth_code", AUTH_CODE)


# Without a browser (fyers.md 2.3)


def _headless(credentials: Credentials) -> Steps[str]:
    user = credentials.user_id
    first = yield from _step("/send_login_otp_v2", {"fy_id": _base64(user), "app_id": "2"})
    code = yield from asked(Ask("totp", f"TOTP code of {user} at FYERS"))
    body = {"request_key": shaped(first.get("request_key"), str), "otp": code}
    second = yield from _step("/verify_otp", body)
    body = {
        "request_key": shaped(second.get("request_key"), str),
        "identity_type": "pin",
        "identifier": _base64(reveal(credentials.pin)),
    }
    third = yield from _step("/verify_pin_v2", body)
    trade_login = shaped(third.get("data"), dict[str, Any]).get("access_token")
    app_id, _, app_type = reveal(credentials.api_key).partition("-")
    response = yield from called(
        HttpRequest(
            "POST",
            "rest",
            "/token",
            OTHERS,
            (("Authorization", f"Bearer {shaped(trade_login, str)}"),),
            json={
                "fyers_id": user,
                "app_id": app_id,
                "redirect_uri": credentials.options["redirect_uri"],
                "appType": app_type,
                "code_challenge": "",
                "state": "None",
                "scope": "",
                "nonce": "",
                "response_type": "code",
                "create_cookie": True,
            },
        )
    )
    return _auth_code(_said(response))


def _step(path: str, body: dict[str, str]) -> Steps[dict[str, Any]]:
    return _said((yield from called(HttpRequest("POST", "vagator", path, OTHERS, json=body))))


def _said(response: HttpResponse) -> dict[str, Any]:
    """A step's JSON, also under the 308 that its last one had; these answers need not say `s`."""
    said = from_json(response.body)
    if response.status in {200, 308} and isinstance(said, dict) and said.get("s") != "error":
        return said
    return envelope(response, LOGIN_FAULTS)


def _auth_code(said: dict[str, Any]) -> str:
    """Of `Url`, or `data.auth` as older scripts read it."""
    match said:
        case {"Url": str(url)}:
            found = url
        case {"data": {"auth": str(code)}}:
            found = code
        case _:
            raise BrokerError(Fault.UNREADABLE, "the last step of the login named no auth_code")
    return from_address(found, "auth_code", AUTH_CODE)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
