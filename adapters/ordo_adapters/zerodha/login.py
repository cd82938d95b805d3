"""How a session begins and ends (zerodha.md 2).

Three ways in: Zerodha's own page (`request_token` on the address it ends on), the same steps without a browser, which Zerodha
does not document, and a ready-made `access_token`. Nothing here is tried twice: wrong passwords lock an account. Redirects and
cookies are kept by hand for as long as the dialogue lasts and go to Zerodha's own host only.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from hashlib import sha256
from typing import TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

from msgspec import structs

from ordo_adapters.zerodha.rows import LoginAnswer, Profile, SessionAnswer, data_of, read
from ordo_adapters.zerodha.tables import LOGIN_FAULTS, OTHERS, SPEC
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
)
from ordod.adapter.logins import (
    Steps,
    asked,
    called,
    from_address,
    named,
    need,
    next_end,
    reveal,
    way_in,
)

__all__ = ["VERSION", "login", "profile_request", "signed"]

VERSION = ("X-Kite-Version", "3")
PAGE = "/connect/login"
HOPS_MAX = 5  # redirects of one page; zerodha.md 2.2
REQUEST_TOKEN = re.compile(r"[A-Za-z0-9]{8,64}")  # 32 in samples
Query: TypeAlias = tuple[tuple[str, str], ...]


def signed(session: Session) -> tuple[tuple[str, str], ...]:
    """The headers of every call in a session."""
    token = f"token {session.api_key}:{session.access_token.reveal()}"
    return (VERSION, ("Authorization", token))


def profile_request(session: Session) -> HttpRequest:
    return HttpRequest("GET", "rest", "/user/profile", OTHERS, signed(session))


def login(credentials: Credentials, now: datetime) -> LoginDialogue:
    """A session, by a ready-made token as long as it lives, else by the account's way of logging in."""

    def through(steps: Callable[[Credentials], Steps[str]]) -> LoginDialogue:
        request_token = yield from steps(credentials)
        return (yield from _exchange(credentials, request_token, now))

    return (
        yield from way_in(
            SPEC,
            credentials,
            lambda _: _by_token(credentials, now),
            {"": lambda: through(_official), "headless": lambda: through(_headless)},
        )
    )


def _by_token(credentials: Credentials, now: datetime) -> LoginDialogue:
    """The token proves itself by naming its user."""
    need(credentials, ("api_key",))
    assert credentials.access_token
    session = Session(
        user_id="",
        access_token=credentials.access_token,
        api_key=reveal(credentials.api_key),
        expires_at=next_end(now, SPEC.session_ends),
    )
    response = yield from called(profile_request(session))
    return named(session, read(response, Profile).user_id)


def _exchange(credentials: Credentials, request_token: str, now: datetime) -> LoginDialogue:
    """`POST /session/token`: the one-time token and the app's secret for an access token (zerodha.md 2.1)."""
    api_key, api_secret = reveal(credentials.api_key), reveal(credentials.api_secret)
    form = {
        "api_key": api_key,
        "request_token": request_token,
        "checksum": sha256(f"{api_key}{request_token}{api_secret}".encode()).hexdigest(),
    }
    response = yield from called(
        HttpRequest("POST", "rest", "/session/token", OTHERS, (VERSION,), form=form)
    )
    answer = read(response, SessionAnswer, LOGIN_FAULTS)
    if not answer.access_token:
        raise BrokerError(Fault.UNREADABLE, "a session without an access token")
    session = Session(
        user_id="",
        access_token=Secret(answer.access_token),
        api_key=api_key,
        expires_at=next_end(now, SPEC.session_ends),
    )
    return named(session, answer.user_id)


# Zerodha's page


def _official(credentials: Credentials) -> Steps[str]:
    query = urlencode(_page_query(credentials))
    answer = yield from asked(
        Ask(
            "page",
            "Log in to Zerodha; then give the address your browser ends on (it holds request_token)",
            url=f"{SPEC.hosts['web']}{PAGE}?{query}",
        )
    )
    return from_address(answer, "request_token", REQUEST_TOKEN)


def _token_in(url: str) -> str | None:
    try:
        return from_address(url, "request_token", REQUEST_TOKEN)
    except BrokerError:
        return None


def _page_query(credentials: Credentials) -> Query:
    return (("v", "3"), ("api_key", reveal(credentials.api_key)))


# Without a browser (zerodha.md 2.2)


def _headless(credentials: Credentials) -> Steps[str]:
    browser = _Browser()
    path, query = yield from browser.open(PAGE, _page_query(credentials))
    first = yield from browser.post(
        "/api/login",
        {"user_id": credentials.user_id, "password": reveal(credentials.password)},
    )
    step = read(first, LoginAnswer, LOGIN_FAULTS)
    if step.twofa_type != "totp":
        raise BrokerError(
            Fault.AUTH_DENIED,
            f"the account's second factor is {step.twofa_type!r}: set up external TOTP at Zerodha, or use its login page",
        )
    code = yield from asked(Ask("totp", f"TOTP code of {credentials.user_id} at Zerodha"))
    second = yield from browser.post(
        "/api/twofa",
        {
            "user_id": credentials.user_id,
            "request_id": step.request_id,
            "twofa_value": code,
            "twofa_type": step.twofa_type,
        },
    )
    data_of(second, LOGIN_FAULTS)
    return (yield from browser.authorised(path, (*query, ("skip_session", "true"))))


class _Browser:
    """What of a browser the headless login needs: the cookies of each answer go with the next request."""

    def __init__(self) -> None:
        self._cookies: dict[str, str] = {}

    def open(self, path: str, query: Query) -> Steps[tuple[str, Query]]:
        """Follow a page to where it ends."""
        for _ in range(HOPS_MAX):
            response = yield from self._send(HttpRequest("GET", "web", path, OTHERS, query=query))
            location = response.header("location")
            if response.status not in range(300, 400) or location is None:
                if response.status != 200:
                    data_of(response, LOGIN_FAULTS)
                return path, query
            path, query = _place(location, path)
        raise BrokerError(Fault.UNREADABLE, f"the login page redirects more than {HOPS_MAX} times")

    def post(self, path: str, form: dict[str, str]) -> Steps[HttpResponse]:
        """One of the two steps that take credentials. A page instead of an answer is a door closed to programs."""
        response = yield from self._send(HttpRequest("POST", "web", path, OTHERS, form=form))
        if response.status == 403 and not response.body.lstrip().startswith(b"{"):
            raise BrokerError(
                Fault.AUTH_DENIED,
                'Zerodha refused the headless login: use its login page (leave out login = "headless")',
            )
        return response

    def authorised(self, path: str, query: Query) -> Steps[str]:
        """Follow the page once more; the redirect that carries the request token is read and not requested."""
        for _ in range(HOPS_MAX):
            response = yield from self._send(HttpRequest("GET", "web", path, OTHERS, query=query))
            location = response.header("location")
            if response.status == 200:
                raise BrokerError(
                    Fault.AUTH_DENIED,
                    "Zerodha asks for consent to this app: open its login page once in a browser and authorise it",
                )
            if location is None:
                data_of(response, LOGIN_FAULTS)
                raise BrokerError(Fault.UNREADABLE, f"HTTP {response.status} without a redirect")
            token = _token_in(location)
            if token:
                return token
            path, query = _place(location, path)
        raise BrokerError(
            Fault.UNREADABLE, f"no request_token within {HOPS_MAX} redirects of the login page"
        )

    def _send(self, request: HttpRequest) -> Steps[HttpResponse]:
        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = (("Cookie", cookie),) if cookie else ()
        response = yield from called(structs.replace(request, headers=headers))
        self._keep(value for name, value in response.headers if name == "set-cookie")
        return response

    def _keep(self, set_cookies: Iterable[str]) -> None:
        for text in set_cookies:
            name, _, value = text.partition(";")[0].strip().partition("=")
            if value:
                self._cookies[name] = value
            else:
                self._cookies.pop(name, None)


def _place(location: str, path: str) -> tuple[str, Query]:
    """Where a redirect leads, at the host it came from: cookies go nowhere else."""
    target = urlsplit(location)
    return target.path or path, tuple(parse_qsl(target.query, keep_blank_values=True))
