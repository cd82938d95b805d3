"""How a session begins (upstox.md 2).

Three ways in: Upstox's own page (`code` on the address it ends on), its request for a token that the user approves on the
phone, and a ready-made `access_token`. There is no login without a person: Upstox keeps programs off its login pages.
"""

import re
from datetime import datetime
from urllib.parse import urlencode

from ordo_adapters.upstox.rows import Profile, PushAnswer, SessionAnswer, read, read_bare
from ordo_adapters.upstox.tables import ANY_VERSION, OTHERS, SPEC
from ordod.adapter import (
    Ask,
    BrokerError,
    Credentials,
    Fault,
    HttpRequest,
    LoginDialogue,
    Secret,
    Session,
)
from ordod.adapter.logins import asked, called, from_address, named, next_end, reveal, way_in

__all__ = ["headers", "login", "profile_request"]

ACCEPT = ("Accept", "application/json")
PAGE = "/v2/login/authorization/dialog"
CODE = re.compile(r"[A-Za-z0-9._-]{4,128}")
TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{20,4096}")


def headers(session: Session, path: str) -> tuple[tuple[str, str], ...]:
    """The headers of every call in a session."""
    signed = (ACCEPT, ("Authorization", f"Bearer {session.access_token.reveal()}"))
    return (*signed, ANY_VERSION) if path.startswith("/v2/") else signed


def profile_request(session: Session) -> HttpRequest:
    path = "/v2/user/profile"
    return HttpRequest("GET", "rest", path, OTHERS, headers(session, path))


def login(credentials: Credentials, now: datetime) -> LoginDialogue:
    """A session, by a ready-made token as long as it lives, else by the account's way of logging in."""
    return (
        yield from way_in(
            SPEC,
            credentials,
            lambda token: _by_token(token, now),
            {"": lambda: _official(credentials, now), "push": lambda: _pushed(credentials, now)},
        )
    )


def _by_token(token: Secret, now: datetime) -> LoginDialogue:
    """The token proves itself by naming its user."""
    session = Session(user_id="", access_token=token, expires_at=next_end(now, SPEC.session_ends))
    response = yield from called(profile_request(session))
    return named(session, read(response, Profile).user_id)


# Upstox's page (upstox.md 2.1)


def _official(credentials: Credentials, now: datetime) -> LoginDialogue:
    redirect_uri = credentials.options.get("redirect_uri", "")
    if not redirect_uri:
        raise BrokerError(
            Fault.AUTH_DENIED,
            "the account lacks redirect_uri: the app's redirect URL, as Upstox has it",
        )
    client_id, secret = reveal(credentials.api_key), reveal(credentials.api_secret)
    query = urlencode(
        {"response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri}
    )
    answer = yield from asked(
        Ask(
            "page",
            "Log in to Upstox; then give the address your browser ends on (it holds code)",
            url=f"{SPEC.hosts['rest']}{PAGE}?{query}",
        )
    )
    form = {
        "code": from_address(answer, "code", CODE),
        "client_id": client_id,
        "client_secret": secret,
        "redirect_uri": redirect_uri,
        "grant_type": "authorization_code",
    }
    path = "/v2/login/authorization/token"
    response = yield from called(
        HttpRequest("POST", "rest", path, OTHERS, (ACCEPT, ANY_VERSION), form=form)
    )
    answered = read_bare(response, SessionAnswer)
    if not answered.access_token:
        raise BrokerError(Fault.UNREADABLE, "a session without an access token")
    session = Session(
        user_id="",
        access_token=Secret(answered.access_token),
        expires_at=next_end(now, SPEC.session_ends),
    )
    return named(session, answered.user_id)


# By the phone (upstox.md 2.2)


def _pushed(credentials: Credentials, now: datetime) -> LoginDialogue:
    """Upstox sends the token to the app's webhook and nowhere else: a person, or a program, carries it here."""
    path = f"/v3/login/auth/token/request/{reveal(credentials.api_key)}"
    body = {"client_secret": reveal(credentials.api_secret)}
    response = yield from called(HttpRequest("POST", "rest", path, OTHERS, (ACCEPT,), json=body))
    read(response, PushAnswer)
    answer = yield from asked(
        Ask("otp", "Approve Upstox's request on the phone; then give the token its webhook got")
    )
    if not TOKEN.fullmatch(answer):
        raise BrokerError(Fault.INVALID_INPUT, "that is no access token")
    return (yield from _by_token(Secret(answer), now))
