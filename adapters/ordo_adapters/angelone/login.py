"""How a session begins and ends (angelone.md 2): client code, PIN and TOTP code in one call, or a ready-made token.

Nothing here is tried twice: wrong PINs lock an account.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

from msgspec import structs

from ordo_adapters.angelone.rows import Profile, SessionAnswer, read
from ordo_adapters.angelone.tables import LOGIN_FAULTS, SESSION, SPEC, USER
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
from ordod.adapter.logins import Steps, asked, called, named, need, next_end, reveal, way_in

__all__ = ["asking", "login", "profile_request", "signed", "streaming"]

Headers: TypeAlias = tuple[tuple[str, str], ...]

LOGIN = "/rest/auth/angelbroking/user/v1/loginByPassword"
PROFILE = "/rest/secure/angelbroking/user/v1/getProfile"
BEARER = "Bearer "  # the SDK hands its caller the token with this word before it (angelone.md 2.1)
UNSAID = {  # honest where nothing is known; the values are not verified (angelone.md 3)
    "client_local_ip": "127.0.0.1",
    "client_public_ip": "127.0.0.1",
    "mac_address": "00:00:00:00:00:00",
}


def signed(session: Session) -> Headers:
    """The headers of every call in a session."""
    bearer = ("Authorization", BEARER + session.access_token.reveal())
    return (*_known(session.api_key, session.options), bearer)


def asking(session: Session) -> Headers:
    """The same for a GET, which the broker wants to name a content type too (angelone.md 3)."""
    return (*signed(session), ("Content-Type", "application/json"))


def profile_request(session: Session) -> HttpRequest:
    return HttpRequest("GET", "rest", PROFILE, USER, asking(session))


def streaming(session: Session) -> tuple[tuple[str, str], ...]:
    """The headers of both sockets (angelone.md 9)."""
    feed_token = session.extra.get("feed_token")
    headers = (
        ("Authorization", f"{BEARER}{session.access_token.reveal()}"),
        ("x-api-key", session.api_key),
        ("x-client-code", session.user_id),
    )
    return headers if feed_token is None else (*headers, ("x-feed-token", feed_token.reveal()))


def login(credentials: Credentials, now: datetime) -> LoginDialogue:
    """A session, by a ready-made token as long as it lives, else by PIN and TOTP."""
    return (
        yield from way_in(
            SPEC,
            credentials,
            lambda _: _by_token(credentials, now),
            {"": lambda: _by_pin(credentials, now)},
        )
    )


def _by_token(credentials: Credentials, now: datetime) -> LoginDialogue:
    """The token proves itself by naming its user. Of the others of a login the feed's may come with it."""
    need(credentials, ("api_key",))
    token = reveal(credentials.access_token).removeprefix(BEARER)
    session = _session(credentials, token, now)
    feed_token = credentials.secrets.get("feed_token")
    extra = {} if feed_token is None else {"feed_token": feed_token}
    return (yield from _named(structs.replace(session, extra=extra)))


def _by_pin(credentials: Credentials, now: datetime) -> LoginDialogue:
    """`POST loginByPassword` (angelone.md 2.1); whose session it is tells the profile, as in the broker's SDK."""
    code = yield from asked(Ask("totp", f"TOTP code of {credentials.user_id} at Angel One"))
    body = {
        "clientcode": credentials.user_id,
        "password": reveal(credentials.pin),
        "totp": code,
    }
    headers = _known(reveal(credentials.api_key), _client(credentials))
    response = yield from called(HttpRequest("POST", "rest", LOGIN, SESSION, headers, json=body))
    answer = read(response, SessionAnswer, LOGIN_FAULTS)
    if not answer.jwt_token:
        raise BrokerError(Fault.UNREADABLE, "a session without a token")
    session = _session(credentials, answer.jwt_token.removeprefix(BEARER), now)
    more = {"refresh_token": answer.refresh_token, "feed_token": answer.feed_token}
    tokens = {name: Secret(text) for name, text in more.items() if text}
    return (yield from _named(structs.replace(session, extra=tokens)))


def _named(session: Session) -> Steps[Session]:
    response = yield from called(profile_request(session))
    return named(session, read(response, Profile).clientcode)


def _session(credentials: Credentials, token: str, now: datetime) -> Session:
    return Session(
        user_id="",
        access_token=Secret(token),
        api_key=reveal(credentials.api_key),
        options=_client(credentials),
        expires_at=next_end(now, SPEC.session_ends),  # angelone.md 2.4
    )


def _client(credentials: Credentials) -> dict[str, str]:
    """What the broker asks about this machine, as the account says it."""
    said = {name: credentials.options.get(name) or unsaid for name, unsaid in UNSAID.items()}
    if any(len(word.split()) != 1 or not word.isascii() for word in said.values()):
        raise BrokerError(Fault.AUTH_DENIED, f"{', '.join(UNSAID)}: each is one word, an address")
    return said


def _known(api_key: str, client: Mapping[str, str]) -> Headers:
    """The headers of every call (angelone.md 3)."""
    return (
        ("Accept", "application/json"),
        ("X-UserType", "USER"),
        ("X-SourceID", "WEB"),
        ("X-ClientLocalIP", client["client_local_ip"]),
        ("X-ClientPublicIP", client["client_public_ip"]),
        ("X-MACAddress", client["mac_address"]),
        ("X-PrivateKey", api_key),
    )
