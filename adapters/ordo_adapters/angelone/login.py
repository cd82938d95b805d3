"""How a session begins and ends (angelone.md 2): client code, PIN and TOTP code in one call, or a ready-made token.

Nothing here is tried twice: wrong PINs lock an account.
"""

from collections.abc import Generator, Iterable
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar

from msgspec import structs

from ordo_adapters.angelone.rows import Profile, SessionAnswer, read
from ordo_adapters.angelone.tables import LOGIN_FAULTS, SESSION, SPEC, USER
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
)

__all__ = ["asking", "login", "profile_request", "signed"]

T = TypeVar("T")
Steps: TypeAlias = Generator[HttpRequest | Ask, HttpResponse | str, T]
Headers: TypeAlias = tuple[tuple[str, str], ...]

LOGIN = "/rest/auth/angelbroking/user/v1/loginByPassword"
PROFILE = "/rest/secure/angelbroking/user/v1/getProfile"
BEARER = "Bearer "  # the SDK hands its caller the token with this word before it (angelone.md 2.1)
CLIENT = (
    "client"  # in Session.extra: what the broker asks about this machine, one text of three words
)
UNSAID = {  # honest where nothing is known; the values are not verified (angelone.md 3)
    "client_local_ip": "127.0.0.1",
    "client_public_ip": "127.0.0.1",
    "mac_address": "00:00:00:00:00:00",
}


def signed(session: Session) -> Headers:
    """The headers of every call in a session."""
    bearer = ("Authorization", BEARER + session.access_token.reveal())
    return (*_known(session.api_key, session.extra[CLIENT]), bearer)


def asking(session: Session) -> Headers:
    """The same for a GET, which the broker wants to name a content type too (angelone.md 3)."""
    return (*signed(session), ("Content-Type", "application/json"))


def profile_request(session: Session) -> HttpRequest:
    return HttpRequest("GET", "rest", PROFILE, USER, asking(session))


def login(credentials: Credentials, now: datetime) -> LoginDialogue:
    """A session, by a ready-made token as long as it lives, else by PIN and TOTP."""
    if credentials.mode not in SPEC.logins:
        raise BrokerError(
            Fault.UNSUPPORTED, f'login = "{credentials.mode}" is not known here; leave it out'
        )
    if credentials.access_token:
        try:
            return (yield from _by_token(credentials, now))
        except BrokerError as error:
            if error.fault is not Fault.AUTH_EXPIRED or not credentials.pin:
                raise
    _need(credentials, SPEC.credentials[""])
    return (yield from _by_pin(credentials, now))


def _by_token(credentials: Credentials, now: datetime) -> LoginDialogue:
    """The token proves itself by naming its user. It comes without the others of a login."""
    _need(credentials, ("api_key",))
    token = _reveal(credentials.access_token).removeprefix(BEARER)
    return (yield from _named(_session(credentials, token, now)))


def _by_pin(credentials: Credentials, now: datetime) -> LoginDialogue:
    """`POST loginByPassword` (angelone.md 2.1); whose session it is tells the profile, as in the broker's SDK."""
    code = yield Ask("totp", f"TOTP code of {credentials.user_id} at Angel One")
    assert isinstance(code, str)
    body = {
        "clientcode": credentials.user_id,
        "password": _reveal(credentials.pin),
        "totp": code.strip(),
    }
    headers = _known(_reveal(credentials.api_key), _client(credentials))
    response = yield HttpRequest("POST", "rest", LOGIN, SESSION, headers, json=body)
    assert isinstance(response, HttpResponse)
    answer = read(response, SessionAnswer, LOGIN_FAULTS)
    if not answer.jwt_token:
        raise BrokerError(Fault.UNREADABLE, "a session without a token")
    session = _session(credentials, answer.jwt_token.removeprefix(BEARER), now)
    more = {"refresh_token": answer.refresh_token, "feed_token": answer.feed_token}
    tokens = {name: Secret(text) for name, text in more.items() if text}
    return (yield from _named(structs.replace(session, extra={**session.extra, **tokens})))


def _named(session: Session) -> Steps[Session]:
    response = yield profile_request(session)
    assert isinstance(response, HttpResponse)
    user_id = read(response, Profile).clientcode
    if not user_id:
        raise BrokerError(Fault.UNREADABLE, "a session that names no user")
    return structs.replace(session, user_id=user_id)


def _session(credentials: Credentials, token: str, now: datetime) -> Session:
    midnight = now.astimezone(IST).replace(hour=0, minute=0, second=0, microsecond=0)
    return Session(
        user_id="",
        access_token=Secret(token),
        api_key=_reveal(credentials.api_key),
        extra={CLIENT: _client(credentials)},
        expires_at=midnight + timedelta(days=1),  # angelone.md 2.4
    )


def _client(credentials: Credentials) -> Secret:
    words = [credentials.options.get(name) or unsaid for name, unsaid in UNSAID.items()]
    if any(len(word.split()) != 1 or not word.isascii() for word in words):
        raise BrokerError(Fault.AUTH_DENIED, f"{', '.join(UNSAID)}: each is one word, an address")
    return Secret(" ".join(words))


def _known(api_key: str, client: Secret) -> Headers:
    """The headers of every call (angelone.md 3)."""
    local_ip, public_ip, mac_address = client.reveal().split()
    return (
        ("Accept", "application/json"),
        ("X-UserType", "USER"),
        ("X-SourceID", "WEB"),
        ("X-ClientLocalIP", local_ip),
        ("X-ClientPublicIP", public_ip),
        ("X-MACAddress", mac_address),
        ("X-PrivateKey", api_key),
    )


def _need(credentials: Credentials, names: Iterable[str]) -> None:
    missing = [name for name in names if not getattr(credentials, name)]
    if missing:
        raise BrokerError(Fault.AUTH_DENIED, f"the account lacks {', '.join(missing)}")


def _reveal(secret: Secret | None) -> str:
    assert secret is not None  # `_need` looked
    return secret.reveal()
