"""`system.authenticate`: who is calling, and what they may do.

Over TCP it is the first message of a connection of lines, and the wire carries it out: before it nobody is anybody. Later, and
on the Unix socket, it only tells.
"""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from ordod.errors import Kind, OrdoError
from ordod.service.methods import BY_TOKEN, Call, Caller, Example, Method, Role
from ordod.service.params import Private

__all__ = ["AUTHENTICATE", "Authenticate", "Identity", "identity", "methods"]

AUTHENTICATE = "system.authenticate"


class Authenticate(Struct, frozen=True, forbid_unknown_fields=True):
    """Who wants to come in.

    Args:
        token: as `ordoctl token new` printed it
    """

    token: Private


class Identity(Struct, frozen=True, kw_only=True):
    """Who is calling, and what they may do.

    Args:
        caller: as the journal names it: `token:NAME`, or the user
        role: `read`, `trade` or `admin`; `nobody`: only what `accounts` says
        accounts: the role at single accounts, where it differs from `role`
        expires_at: when the token ends; null: never, or there is none
    """

    caller: str
    role: str
    accounts: dict[str, str]
    expires_at: datetime | None


def identity(caller: Caller, expires_at: datetime | None = None) -> Identity:
    return Identity(
        caller=caller.name,
        role=caller.role.name.lower(),
        accounts={name: role.name.lower() for name, role in caller.roles.items()},
        expires_at=expires_at,
    )


async def _tell(call: Call, _: Authenticate) -> Identity:
    if call.caller.name.startswith(BY_TOKEN):
        raise OrdoError(
            Kind.INVALID_PARAMS,
            f"this connection is {call.caller.name} already: for another token make another connection",
            field="token",
        )
    return identity(call.caller)


def methods() -> Iterable[Method]:
    yield Method(
        name=AUTHENTICATE,
        role=Role.READ,
        summary="Over TCP the first message of a connection: who is calling, by a token. On the Unix socket the user is who the "
        "kernel says, and no token is looked at.",
        params=Authenticate,
        result=Identity,
        run=_tell,
        accounts=lambda _: (),
        examples=(Example({"token": "ordo_" + 43 * "x"}, {"expires_at": None}),),
    )
