"""What a method of the wire is: its name, who may call it, its types, and the function behind it.

The table of these is all that the wire and the OpenRPC document know of Ordo. Parameters are msgspec structs with
`forbid_unknown_fields`; prices in them are `Rupees`.
"""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from enum import IntEnum
from typing import Any, Protocol

from msgspec import Struct, field

from ordod.errors import Kind, OrdoError

__all__ = ["BY_TOKEN", "Call", "Caller", "Example", "Method", "Outbox", "Role", "Rupees"]


BY_TOKEN = "token:"  # noqa: S105 - a name's beginning
"""Before the names of callers that a token let in; others are `uid:`."""


class Role(IntEnum):
    """Each includes the ones before it (WIRE 7)."""

    NOBODY = 0
    READ = 1
    TRADE = 2
    ADMIN = 3


class _PlainDecimal(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, Decimal)


class Rupees(Decimal, metaclass=_PlainDecimal):
    """A price parameter: a JSON number or a decimal string; no exponent, nan, inf, sign or boolean.

    It only marks a field for `params.read`; what is read is a plain Decimal, so that it can be journaled as it is (msgspec
    encodes no subclass of Decimal).
    """


class Caller(Struct, frozen=True):
    """Who is at the other end. `roles` by account, where it differs from `role`; `name` as journaled: `uid:1000 (asha)`,
    `token:scalper`.
    """

    name: str
    role: Role
    roles: Mapping[str, Role] = field(default_factory=dict)

    def role_for(self, account: str | None) -> Role:
        return self.roles.get(account, self.role) if account is not None else self.role


class Outbox(Protocol):
    """A connection's way back, for events."""

    def push(self, message: bytes) -> bool:
        """Queue one whole line, with or without its `\\n`. False: the queue was full and the connection is being closed."""
        ...

    @property
    def is_free(self) -> bool:
        """What is pushed now is handed to the system at once; nothing waits before it."""
        ...

    def on_free(self, react: Callable[[], None]) -> None:
        """`react` is called once, when it is free again; never where the connection ends before."""
        ...

    async def until_free(self) -> bool:
        """Wait until it is free; False: it was closed."""
        ...

    def on_close(self, react: Callable[[], None]) -> None:
        """`react` is called once, when the connection is gone; at once if it is."""
        ...


def _at_once(react: Callable[[], None]) -> None:
    react()


class Call(Struct, frozen=True):
    """One call's surroundings. `outbox` is None over HTTP.

    `on_answered` takes what is to be done right after the answer is queued; of a batch it is one, after the last member.
    `only_urgent`: there was no room for this connection but to stop something.
    """

    caller: Caller
    outbox: Outbox | None = None
    on_answered: Callable[[Callable[[], None]], None] = _at_once
    only_urgent: bool = False


class Example(Struct, frozen=True):
    """A call that works against the paper broker of `ordod.conf.example`, and a part of what it answers.

    Those of all methods tell one story: they work in the document's order on a fresh daemon, over one connection; only
    system.shutdown comes last.
    """

    params: Mapping[str, Any]
    result: Mapping[str, Any]


class Method(Struct, frozen=True, kw_only=True):
    """One row of the table.

    Args:
        params: a struct type; `result`: the type of the answer, for the document's schema.
        run: the function behind it: gives a `result`, or the JSON of one; raises OrdoError, and nothing else but bugs.
        accounts: the accounts a call touches, from its parameters (None: all); the caller needs `role` for each.
        unseen: what is wrong with parameters that name what this caller may not see, or what he may not learn not to be there.
        changes: it changes something, so that a notification (no id) of it is not carried out.
        urgent: it stops or ends something (kill, cancel), and passes where the daemon is OVERLOADED for others.
        heavy: it holds the loop for over a millisecond, or a thread. Of one caller a few are worked on at a time.
        errors: the kinds it may answer besides INVALID_PARAMS, FORBIDDEN, OVERLOADED and INTERNAL.
    """

    name: str
    role: Role
    summary: str
    params: type[Any]
    result: Any
    run: Callable[[Call, Any], Awaitable[Any]]
    accounts: Callable[[Any], tuple[str | None, ...]] = lambda params: (
        getattr(params, "account", None),
    )
    unseen: Callable[[Caller, Any], OrdoError | None] = lambda caller, params: None
    changes: bool = False
    urgent: bool = False
    heavy: bool = False
    errors: tuple[Kind, ...] = ()
    examples: tuple[Example, ...] = ()
