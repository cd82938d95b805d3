"""What logins are made of, whichever broker's: their steps, their credentials, their ends.

Nothing here is tried twice: a repeated wrong password locks an account. What a person pastes is never quoted: it may be good
for a session.
"""

import re
from collections.abc import Callable, Generator, Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import TypeAlias, TypeVar
from urllib.parse import parse_qs, urlsplit

from msgspec import structs

from ordod.adapter import (
    Ask,
    BrokerSpec,
    Credentials,
    HttpRequest,
    HttpResponse,
    LoginDialogue,
    Secret,
    Session,
)
from ordod.adapter.codes import BrokerError, Fault
from ordod.adapter.reading import IST

__all__ = [
    "Steps",
    "asked",
    "called",
    "from_address",
    "named",
    "need",
    "next_end",
    "reveal",
    "way_in",
]

T = TypeVar("T")
Steps: TypeAlias = Generator[HttpRequest | Ask, HttpResponse | str, T]


def way_in(
    spec: BrokerSpec,
    credentials: Credentials,
    by_token: Callable[[Secret], LoginDialogue],
    by_mode: Mapping[str, Callable[[], LoginDialogue]],
) -> LoginDialogue:
    """By the ready-made token as long as it lives, else by the account's way of logging in, where it has all that takes.

    Args:
        by_token: proves the token, best by the call that names its user; AUTH_EXPIRED where it is dead.
        by_mode: one for each of `spec.logins`.
    Raises:
        BrokerError: UNSUPPORTED, no such mode; AUTH_DENIED, with what is missing.
    """
    mode = credentials.mode
    if mode not in by_mode:
        others = "".join(f', or "{name}"' for name in by_mode if name)
        raise BrokerError(
            Fault.UNSUPPORTED, f'login = "{mode}" is not known here; leave it out{others}'
        )
    needed = spec.credentials[mode]
    if credentials.access_token:
        try:
            return (yield from by_token(credentials.access_token))
        except BrokerError as error:
            if error.fault is not Fault.AUTH_EXPIRED or _missing(credentials, needed):
                raise
    need(credentials, needed)
    return (yield from by_mode[mode]())


def asked(ask: Ask) -> Steps[str]:
    """What the daemon or a person answers, without blanks around it."""
    answer = yield ask
    assert isinstance(answer, str)
    return answer.strip()


def called(request: HttpRequest) -> Steps[HttpResponse]:
    response = yield request
    assert isinstance(response, HttpResponse)
    return response


def need(credentials: Credentials, names: Iterable[str]) -> None:
    """Raises BrokerError: AUTH_DENIED, naming what the account lacks."""
    if missing := _missing(credentials, names):
        raise BrokerError(Fault.AUTH_DENIED, f"the account lacks {', '.join(missing)}")


def _missing(credentials: Credentials, names: Iterable[str]) -> list[str]:
    """Of names of the credentials, of options and of a broker's own secrets alike."""
    more = {**credentials.options, **credentials.secrets}
    return [name for name in names if not (getattr(credentials, name, None) or more.get(name))]


def reveal(secret: Secret | None) -> str:
    """A secret that `need` looked for."""
    assert secret is not None
    return secret.reveal()


def named(session: Session, user_id: str) -> Session:
    """The session with its user. Raises BrokerError: UNREADABLE where the broker named none."""
    if not user_id:
        raise BrokerError(Fault.UNREADABLE, "a session that names no user")
    return structs.replace(session, user_id=user_id)


def from_address(answer: str, name: str, pattern: re.Pattern[str]) -> str:
    """A one-time code: of the address a browser ended on its query value `name`, or bare.

    Raises:
        BrokerError: INVALID_INPUT, and what to paste.
    """
    if pattern.fullmatch(answer):
        return answer
    try:
        found = parse_qs(urlsplit(answer).query).get(name, [])
    except ValueError:
        found = []
    if len(found) != 1 or not pattern.fullmatch(found[0]):
        raise BrokerError(
            Fault.INVALID_INPUT,
            f"no {name} in that: paste the whole address the browser ended on after the login",
        )
    return found[0]


def next_end(now: datetime, at: time | None) -> datetime:
    """The next time of this hour, IST: when a session dies that is made now."""
    assert at is not None
    today = now.astimezone(IST)
    end = datetime.combine(today.date(), at, IST)
    return end if today < end else end + timedelta(days=1)
