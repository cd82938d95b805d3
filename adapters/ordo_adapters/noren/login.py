"""How a session begins (noren.md 2): the member's page in a browser, a code on the address it ends on, a token for the code.

Nothing here is tried twice. None of the members documents a login without a browser.
"""

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus

import msgspec
from msgspec import Struct

from ordo_adapters.noren.members import Member
from ordo_adapters.noren.rows import answered
from ordo_adapters.noren.tables import LOGIN_FAULTS, OTHERS
from ordod.adapter import (
    IST,
    Ask,
    BrokerError,
    Credentials,
    Dialogue,
    Fault,
    HttpRequest,
    LoginDialogue,
    Secret,
    Session,
    shaped,
)
from ordod.adapter.logins import Steps, asked, called, from_address, need, reveal, way_in

__all__ = ["call", "login", "whose"]

CODE = re.compile(r"[A-Za-z0-9_.-]{8,}")
ABSOLUTE = 10**9  # above it `expires_in` is a time, below it a number of seconds (2b)


def call(
    member: Member,
    session: Session,
    endpoint: str,
    group: str,
    body: dict[str, Any],
    *,
    writes: bool = False,
) -> HttpRequest:
    """`POST /ENDPOINT`: `jData=<JSON>`, and the token where the member wants it (noren.md 3).

    An ampersand would cut the body: where a caller has not encoded it, it goes as JSON's escape.
    """
    said = msgspec.json.encode({"uid": session.user_id} | body).replace(b"&", rb"\u0026")
    token = session.access_token.reveal()
    key = f"&jKey={token}".encode() if member.is_keyed else b""
    headers = () if member.is_keyed else (("Authorization", f"Bearer {token}"),)
    content = (member.content_type, b"jData=" + said + key)
    path = f"/{endpoint}"
    return HttpRequest("POST", "rest", path, group, headers, content=content, writes=writes)


class UserRow(Struct):
    """`UserDetails` (noren.md 6)."""

    actid: str
    uid: str = ""


def whose(member: Member, session: Session) -> Dialogue[UserRow]:
    """Whose session it is, by the cheapest call: the session's user is the one it was asked for, or it is refused."""
    request = call(member, session, "UserDetails", OTHERS, {})
    response = yield msgspec.structs.replace(request, looks=True)
    row = shaped(answered(response), UserRow)
    if not row.actid or row.uid not in {"", session.user_id}:
        raise BrokerError(Fault.UNREADABLE, "a session of another user, or of none")
    return row


def login(member: Member, credentials: Credentials, now: datetime) -> LoginDialogue:
    """A session, by a ready-made token as long as it lives, else by the page."""

    def by_token(token: Secret, ends: datetime | None = None) -> LoginDialogue:
        need(credentials, ("user_id",))
        session = Session(user_id=credentials.user_id, access_token=token, expires_at=ends)
        row = yield from whose(member, session)
        return msgspec.structs.replace(session, options={"actid": row.actid})

    def by_page() -> LoginDialogue:
        token, ends = yield from _exchanged(member, credentials, now)
        return (yield from by_token(token, ends))

    return (yield from way_in(member.spec, credentials, by_token, {"": by_page}))


def _exchanged(
    member: Member, credentials: Credentials, now: datetime
) -> Steps[tuple[Secret, datetime | None]]:
    key, secret = reveal(credentials.api_key), reveal(credentials.api_secret)
    answer = yield from asked(
        Ask(
            "page",
            f"Log in to {member.name}; then give the address your browser ends on (it holds code)",
            url=member.login_page + quote_plus(key),
        )
    )
    code = _code(answer)
    if member.token_service:  # noren.md 2c
        proof = sha256(f"{key}{code}{secret}".encode()).hexdigest()
        body = {"api_key": key, "request_code": code, "api_secret": proof}
        request = HttpRequest("POST", "auth", "/apitoken", OTHERS, json=body)
    else:  # 2b
        proof = sha256(f"{key}{secret}{code}".encode()).hexdigest()
        body = {"code": code, "checksum": proof, "uid": credentials.user_id}
        content = (member.content_type, b"jData=" + msgspec.json.encode(body))
        request = HttpRequest("POST", "rest", "/GenAcsTok", OTHERS, content=content)
    row = shaped(answered((yield from called(request)), LOGIN_FAULTS), TokenRow)
    if not (token := row.access_token or row.token):
        raise BrokerError(Fault.UNREADABLE, "a session without an access token")
    return Secret(token), _end(row.expires_in, now)


class TokenRow(Struct):
    """Of `GenAcsTok`, or `token` of flattrade's."""

    access_token: str = ""
    token: str = ""
    expires_in: int | None = None


def _code(answer: str) -> str:
    """Flattrade documents `request_code`, and sends `code`."""
    name = "request_code" if "request_code=" in answer else "code"
    return from_address(answer, name, CODE)


def _end(said: int | None, now: datetime) -> datetime | None:
    if not said:
        return None
    if said < ABSOLUTE:
        return now + timedelta(seconds=said)
    try:
        return datetime.fromtimestamp(said, UTC).astimezone(IST)
    except (ValueError, OverflowError, OSError):
        return None
