"""How a session begins (xts.md 2): one of the interactive API and one of market data, each with keys of its own.

At two brokers a page comes first. Nothing here is tried twice: a second login with the same keys kills the first session.
"""

from collections.abc import Generator
from urllib.parse import parse_qs, urlencode, urlsplit

from msgspec import Struct, field, structs

from ordo_adapters.xts.members import Member, Page
from ordo_adapters.xts.rows import result
from ordo_adapters.xts.tables import LOGIN_FAULTS, MARKET_KEYS, OTHERS
from ordod.adapter import (
    Ask,
    BrokerError,
    BrokerSpec,
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
from ordod.adapter.logins import Steps, asked, called, named, need, reveal, way_in

__all__ = ["MARKET", "login", "profile", "signed"]

MARKET = "market_token"  # the market-data session's, in `Session.extra`


class Opened(Struct):
    """`result` of a login (xts.md 2a, 2d)."""

    token: str
    is_investor: bool = field(name="isInvestorClient", default=True)


class Profile(Struct):
    """`result` of `GET /user/profile` (xts.md 6)."""

    client_id: str = field(name="ClientId")


def signed(token: Secret) -> tuple[tuple[str, str], ...]:
    """The header of every call: the bare token (xts.md 3)."""
    return (("Authorization", token.reveal()),)


def profile(session: Session) -> Generator[HttpRequest, HttpResponse, str]:
    """Whose session it is (xts.md 6)."""
    response = yield HttpRequest(
        "GET", "interactive", "/user/profile", OTHERS, signed(session.access_token)
    )
    return shaped(result(response), Profile).client_id


def login(member: Member, spec: BrokerSpec, credentials: Credentials) -> LoginDialogue:
    """A session, by a ready-made token as long as it lives, else by the keys, behind the page where there is one."""

    def by_token(token: Secret) -> LoginDialogue:
        need(credentials, MARKET_KEYS)
        session = Session(user_id="", access_token=token)
        session = named(session, (yield from profile(session)))
        try:
            opened = yield from _opened("market", "/auth/login", _market_body(credentials))
        except BrokerError as error:
            raise BrokerError(
                error.fault, f"market data: {error.message}", code=error.code
            ) from None
        return structs.replace(session, extra={MARKET: opened})

    def by_keys() -> LoginDialogue:
        return (yield from by_token((yield from _token(member, spec, credentials))))

    return (yield from way_in(spec, credentials, by_token, {"": by_keys}))


def _token(member: Member, spec: BrokerSpec, credentials: Credentials) -> Steps[Secret]:
    body = {
        "appKey": reveal(credentials.api_key),
        "secretKey": reveal(credentials.api_secret),
        **member.session_body,
    }
    if member.page is not None:
        given = yield from _from_page(member.page, spec, credentials)
        if member.page is Page.SESSION:
            return Secret(given)
        body["accessToken"] = given
    return (yield from _opened("interactive", "/user/session", body))


def _market_body(credentials: Credentials) -> dict[str, str]:
    key, secret = (credentials.secrets[name].reveal() for name in MARKET_KEYS)
    return {"appKey": key, "secretKey": secret, "source": "WEBAPI"}


def _opened(host: str, path: str, body: dict[str, str]) -> Steps[Secret]:
    response = yield from called(HttpRequest("POST", host, path, OTHERS, json=body))
    opened = shaped(result(response, LOGIN_FAULTS), Opened)
    if not opened.token:
        raise BrokerError(Fault.UNREADABLE, "a session without a token")
    if not opened.is_investor and host == "interactive":
        raise BrokerError(
            Fault.UNSUPPORTED, "these are a dealer's keys; use the keys of an investor client"
        )
    return Secret(opened.token)


def _from_page(page: Page, spec: BrokerSpec, credentials: Credentials) -> Steps[str]:
    """What stands in the `session` that the page ends with: a query value, a form's field, or its bare JSON (xts.md 2b)."""
    back = {
        "appKey": reveal(credentials.api_key),
        "returnURL": credentials.options["redirect_uri"],
    }
    answer = yield from asked(
        Ask(
            "page",
            f"Log in to {spec.name}; then give the address your browser ends on, or the `session` it was sent",
            url=f"{spec.hosts['interactive']}/thirdparty?{urlencode(back)}",
        )
    )
    said = from_json(_session_text(answer).encode())
    if isinstance(said, str):  # it may be encoded twice
        said = from_json(said.encode())
    match said:
        case {page.value: str(token)} if token:
            return token
        case _:
            raise BrokerError(
                Fault.INVALID_INPUT,
                f"no session with {page.value} in that: paste the address or the `session` the login ended with",
            )


def _session_text(answer: str) -> str:
    if answer.startswith(("{", '"')):
        return answer
    try:
        query = answer if answer.startswith("session=") else urlsplit(answer).query
        return parse_qs(query).get("session", [""])[-1]
    except ValueError:
        return ""
