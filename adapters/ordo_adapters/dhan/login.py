"""How a session begins (dhan.md 2). It lives 24 hours from then; Dhan has no logout.

Three ways in: a ready-made `access_token`, PIN and TOTP at the auth host, and Dhan's consent page. Nothing here is tried
twice. The PIN, the code and the one-time token stand in a query, as Dhan wants it: what is said of a refusal is Dhan's own
words with every number and token masked, and never the request.
"""

import base64
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

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
    if credentials.access_token:
        try:
            return (yield from _by_token(credentials.user_id, credentials.access_token, now))
        except BrokerError as error:
            if error.fault is not Fault.AUTH_EXPIRED or not (
                credentials.pin or credentials.api_key
            ):
                raise
    mode = credentials.mode
    if mode not in SPEC.logins:
        raise BrokerError(
            Fault.UNSUPPORTED, f'login = "{mode}" is not known here; leave it out, or "page"'
        )
    _need(credentials, SPEC.credentials[mode])
    steps = _by_page(credentials, now) if mode == "page" else _by_pin(credentials, now)
    return (yield from steps)


def _by_token(user_id: str, access_token: Secret, now: datetime) -> LoginDialogue:
    """The token proves itself by naming its user, and says how long it lives (dhan.md 2.6)."""
    response = yield profile_request(user_id, access_token)
    profile = read(_http(response), Profile)
    return _session(
        profile.dhan_client_id, access_token, profile.token_validity, "%d/%m/%Y %H:%M", now
    )


def _by_pin(credentials: Credentials, now: datetime) -> LoginDialogue:
    """`POST /app/generateAccessToken` (dhan.md 2.1)."""
    code = yield Ask("totp", f"TOTP code of {credentials.user_id} at Dhan")
    assert isinstance(code, str)
    query = (
        ("dhanClientId", credentials.user_id),
        ("pin", _reveal(credentials.pin)),
        ("totp", code.strip()),
    )
    response = yield HttpRequest("POST", "auth", "/app/generateAccessToken", OTHERS, query=query)
    return _granted(_http(response), now)


def _by_page(credentials: Credentials, now: datetime) -> LoginDialogue:
    """A consent, its page in a browser, and the token id on the address it ends on (dhan.md 2.3)."""
    app = (
        ("app_id", _reveal(credentials.api_key)),
        ("app_secret", _reveal(credentials.api_secret)),
    )
    query = (("client_id", credentials.user_id),)
    response = yield HttpRequest("POST", "auth", "/app/generate-consent", OTHERS, app, query=query)
    consent = _answer(_http(response), "consentAppId")["consentAppId"]
    ended_on = yield Ask(
        "page",
        "Log in to Dhan; then give the address your browser ends on (it holds tokenId)",
        url=f"{SPEC.hosts['auth']}/login/consentApp-login?consentAppId={consent}",
    )
    assert isinstance(ended_on, str)
    query = (("tokenId", _token_id(ended_on.strip())),)
    response = yield HttpRequest("GET", "auth", "/app/consumeApp-consent", OTHERS, app, query=query)
    return _granted(_http(response), now)


def _token_id(answer: str) -> str:
    """From the address the browser ended on, or bare. The answer is never quoted: it may be good for a session."""
    found = [answer]
    if "?" in answer:
        with suppress(ValueError):
            found = parse_qs(urlsplit(answer).query).get("tokenId", [])
    if len(found) != 1 or not TOKEN_ID.fullmatch(found[0]):
        raise BrokerError(
            Fault.INVALID_INPUT,
            "no tokenId in that: paste the whole address the browser ended on after the login",
        )
    return found[0]


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


# Pieces


def _http(response: HttpResponse | str) -> HttpResponse:
    assert isinstance(response, HttpResponse)
    return response


def _need(credentials: Credentials, names: Iterable[str]) -> None:
    missing = [name for name in names if not getattr(credentials, name)]
    if missing:
        raise BrokerError(Fault.AUTH_DENIED, f"the account lacks {', '.join(missing)}")


def _reveal(secret: Secret | None) -> str:
    assert secret is not None  # `_need` looked
    return secret.reveal()
