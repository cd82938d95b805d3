"""How a session begins (dhan.md 2). It lives 24 hours from then; Dhan has no logout.

Three ways in: a ready-made `access_token`, PIN and TOTP at the auth host, and Dhan's consent page. Nothing here is tried
twice. The PIN, the code and the one-time token stand in a query, as Dhan wants it: what is said of a refusal is Dhan's own
words with every number and token masked, and never the request.
"""

import base64
import re
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ordo_adapters.dhan.rows import Profile, TokenAnswer, data_of, read
from ordo_adapters.dhan.tables import LOGIN_FAULTS, OTHERS, SPEC
from ordod.adapter import (
    IST,
    Ask,
    BrokerError,
    Credentials,
    Fault,
    HttpRequest,
    HttpResponse,
    LoginDialogue,
    Secret,
    Session,
    ist_datetime,
    shaped,
)
from ordod.adapter.logins import asked, called, from_address, reveal, way_in

__all__ = ["login", "profile_request", "signed"]

JSON = ("Content-Type", "application/json")
LIFE = timedelta(hours=24)  # dhan.md 2.5
SECRETS = re.compile(r"[A-Za-z0-9_.-]{20,}|\d{4,}")  # tokens and ids; PIN and code have six digits
TOKEN_ID = re.compile(r"[A-Za-z0-9._~-]{8,200}")


def signed(user_id: str, access_token: Secret) -> tuple[tuple[str, str], ...]:
    """The headers of every call in a session, with a body or without, as the SDK sends them (dhan.md 3)."""
    return (
        ("access-token", access_token.reveal()),
        ("client-id", user_id),
        JSON,
        ("Accept", "application/json"),
    )


def profile_request(user_id: str, access_token: Secret) -> HttpRequest:
    return HttpRequest("GET", "rest", "/profile", OTHERS, signed(user_id, access_token))


def login(credentials: Credentials, now: datetime) -> LoginDialogue:
    """A session, by a ready-made token as long as it lives, else by the account's way of logging in."""
    return (
        yield from way_in(
            SPEC,
            credentials,
            lambda token: _by_token(credentials.user_id, token, now),
            {"": lambda: _by_pin(credentials, now), "page": lambda: _by_page(credentials, now)},
        )
    )


def _by_token(user_id: str, access_token: Secret, now: datetime) -> LoginDialogue:
    """The token proves itself by naming its user, and says how long it lives (dhan.md 2.6)."""
    response = yield from called(profile_request(user_id, access_token))
    profile = read(response, Profile)
    return _session(
        profile.dhan_client_id, access_token, profile.token_validity, "%d/%m/%Y %H:%M", now
    )


def _by_pin(credentials: Credentials, now: datetime) -> LoginDialogue:
    """`POST /app/generateAccessToken` (dhan.md 2.1)."""
    code = yield from asked(Ask("totp", f"TOTP code of {credentials.user_id} at Dhan"))
    query = (
        ("dhanClientId", credentials.user_id),
        ("pin", reveal(credentials.pin)),
        ("totp", code),
    )
    path = "/app/generateAccessToken"
    response = yield from called(HttpRequest("POST", "auth", path, OTHERS, query=query))
    return _granted(response, now)


def _by_page(credentials: Credentials, now: datetime) -> LoginDialogue:
    """A consent, its page in a browser, and the token id on the address it ends on (dhan.md 2.3)."""
    app = (
        ("app_id", reveal(credentials.api_key)),
        ("app_secret", reveal(credentials.api_secret)),
    )
    query = (("client_id", credentials.user_id),)
    path = "/app/generate-consent"
    response = yield from called(HttpRequest("POST", "auth", path, OTHERS, app, query=query))
    consent = _answer(response, "consentAppId")["consentAppId"]
    ended_on = yield from asked(
        Ask(
            "page",
            "Log in to Dhan; then give the address your browser ends on (it holds tokenId)",
            url=f"{SPEC.hosts['auth']}/login/consentApp-login?consentAppId={consent}",
        )
    )
    query = (("tokenId", from_address(ended_on, "tokenId", TOKEN_ID)),)
    path = "/app/consumeApp-consent"
    response = yield from called(HttpRequest("GET", "auth", path, OTHERS, app, query=query))
    return _granted(response, now)


# Answers


def _granted(response: HttpResponse, now: datetime) -> Session:
    answer = shaped(_answer(response, "accessToken"), TokenAnswer)
    return _session(
        answer.dhan_client_id,
        Secret(answer.access_token),
        answer.expiry_time or "",
        "%Y-%m-%dT%H:%M:%S.%f",
        now,
    )


def _answer(response: HttpResponse, needed: str) -> dict[str, Any]:
    """An answer of the auth host, which holds what is needed or is a refusal, whatever its status (dhan.md 2.1)."""
    value = data_of(response, LOGIN_FAULTS, SECRETS)
    match value:
        case dict() if value.get(needed) and isinstance(value[needed], str):
            return value
        case dict():
            raise BrokerError(Fault.AUTH_DENIED, f"Dhan gave no {needed}, and no reason")
        case _:
            raise BrokerError(Fault.UNREADABLE, f"a login's answer without {needed}")


def _session(user_id: str, access_token: Secret, ends: str, pattern: str, now: datetime) -> Session:
    if not user_id:
        raise BrokerError(Fault.UNREADABLE, "a session that names no user")
    expires_at = _expiry(access_token.reveal()) or (
        ist_datetime(ends, pattern) if ends else now + LIFE
    )
    return Session(user_id=user_id, access_token=access_token, expires_at=expires_at)


def _expiry(access_token: str) -> datetime | None:
    """The token's own `exp`, UTC seconds, where it is a JWT: exact, and without a zone to be guessed (dhan.md 2.5)."""
    try:
        claims = access_token.split(".")[1]
        padded = claims + "=" * (-len(claims) % 4)
        exp = msgspec.json.decode(base64.urlsafe_b64decode(padded))["exp"]
        return datetime.fromtimestamp(exp, IST)
    except (ValueError, LookupError, TypeError, OverflowError, OSError, msgspec.MsgspecError):
        return None
