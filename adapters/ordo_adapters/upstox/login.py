"""How a session begins (upstox.md 2).

Three ways in: Upstox's own page (`code` on the address it ends on), its request for a token that the user approves on the
phone, and a ready-made `access_token`. There is no login without a person: Upstox keeps programs off its login pages.
"""

import re
from collections.abc import Generator, Iterable
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

from msgspec import structs

from ordo_adapters.upstox.rows import Profile, PushAnswer, SessionAnswer, read, read_bare
from ordo_adapters.upstox.tables import ANY_VERSION, OTHERS, SPEC
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

__all__ = ["headers", "login", "profile_request"]

T = TypeVar("T")
Steps: TypeAlias = Generator[HttpRequest | Ask, HttpResponse | str, T]

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
    mode = credentials.mode
    if mode not in SPEC.logins:
        raise BrokerError(
            Fault.UNSUPPORTED,
            f'login = "{mode}" is not known here; leave it out, or "push". Upstox has no login without a person',
        )
    if credentials.access_token:
        try:
            return (yield from _by_token(credentials.access_token, now))
        except BrokerError as error:
            if error.fault is not Fault.AUTH_EXPIRED or not credentials.api_secret:
                raise
    _need(credentials, SPEC.credentials[mode])
    steps = _pushed if mode == "push" else _official
    return (yield from steps(credentials, now))


def _by_token(token: Secret, now: datetime) -> LoginDialogue:
    """The token proves itself by naming its user."""
    session = Session(user_id="", access_token=token, expires_at=_end(now))
    response = yield from _call(profile_request(session))
    return _named(session, read(response, Profile).user_id)


# Upstox's page (upstox.md 2.1)


def _official(credentials: Credentials, now: datetime) -> LoginDialogue:
    redirect_uri = credentials.options.get("redirect_uri", "")
    if not redirect_uri:
        raise BrokerError(
            Fault.AUTH_DENIED,
            "the account lacks redirect_uri: the app's redirect URL, as Upstox has it",
        )
    client_id, secret = _reveal(credentials.api_key), _reveal(credentials.api_secret)
    query = urlencode(
        {"response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri}
    )
    answer = yield from _ask(
        Ask(
            "page",
            "Log in to Upstox; then give the address your browser ends on (it holds code)",
            url=f"{SPEC.hosts['rest']}{PAGE}?{query}",
        )
    )
    form = {
        "code": _code(answer.strip()),
        "client_id": client_id,
        "client_secret": secret,
        "redirect_uri": redirect_uri,
        "grant_type": "authorization_code",
    }
    path = "/v2/login/authorization/token"
    response = yield from _call(
        HttpRequest("POST", "rest", path, OTHERS, (ACCEPT, ANY_VERSION), form=form)
    )
    answered = read_bare(response, SessionAnswer)
    if not answered.access_token:
        raise BrokerError(Fault.UNREADABLE, "a session without an access token")
    session = Session(user_id="", access_token=Secret(answered.access_token), expires_at=_end(now))
    return _named(session, answered.user_id)


def _code(answer: str) -> str:
    """From the address the browser ended on, or bare. The answer is never quoted: it may be good for a session."""
    if CODE.fullmatch(answer):
        return answer
    try:
        code = parse_qs(urlsplit(answer).query).get("code", [""])[0]
    except ValueError:
        code = ""
    if not CODE.fullmatch(code):
        raise BrokerError(
            Fault.INVALID_INPUT,
            "no code in that: paste the whole address the browser ended on after the login",
        )
    return code


# By the phone (upstox.md 2.2)


def _pushed(credentials: Credentials, now: datetime) -> LoginDialogue:
    """Upstox sends the token to the app's webhook and nowhere else: a person, or a program, carries it here."""
    path = f"/v3/login/auth/token/request/{_reveal(credentials.api_key)}"
    body = {"client_secret": _reveal(credentials.api_secret)}
    response = yield from _call(HttpRequest("POST", "rest", path, OTHERS, (ACCEPT,), json=body))
    read(response, PushAnswer)
    answer = yield from _ask(
        Ask("otp", "Approve Upstox's request on the phone; then give the token its webhook got")
    )
    token = answer.strip()
    if not TOKEN.fullmatch(token):
        raise BrokerError(Fault.INVALID_INPUT, "that is no access token")
    return (yield from _by_token(Secret(token), now))


# Pieces


def _ask(ask: Ask) -> Steps[str]:
    answer = yield ask
    assert isinstance(answer, str)
    return answer


def _call(request: HttpRequest) -> Steps[HttpResponse]:
    response = yield request
    assert isinstance(response, HttpResponse)
    return response


def _need(credentials: Credentials, names: Iterable[str]) -> None:
    missing = [name for name in names if not getattr(credentials, name)]
    if missing:
        raise BrokerError(Fault.AUTH_DENIED, f"the account lacks {', '.join(missing)}")


def _named(session: Session, user_id: str) -> Session:
    if not user_id:
        raise BrokerError(Fault.UNREADABLE, "a session that names no user")
    return structs.replace(session, user_id=user_id)


def _reveal(secret: Secret | None) -> str:
    assert secret is not None  # `_need` looked
    return secret.reveal()


def _end(now: datetime) -> datetime:
    """Every token dies at the first 03:30 IST after it was made (upstox.md 2.5)."""
    assert SPEC.session_ends is not None
    today = now.astimezone(IST)
    end = datetime.combine(today.date(), SPEC.session_ends, IST)
    return end if today < end else end + timedelta(days=1)
