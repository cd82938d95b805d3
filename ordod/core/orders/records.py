"""What the journal holds: one type of record for each thing that happened, or was about to.

The state of the daemon is the fold of its records; a live daemon and a replay apply the same ones. `id` names what a record
is about: an order (`o...`) or a change (`c...`: modify, cancel, GTT, conversion). Field names are the journal's format.
"""

from datetime import datetime
from typing import TypeAlias

from msgspec import Struct

from ordod.domain.gtt import NewGtt
from ordod.domain.orders import BrokerOrder, Fill, OrderChanges, OrderTerms, Status
from ordod.domain.portfolio import Conversion

__all__ = [
    "FORMAT",
    "Accepted",
    "AccountNote",
    "Admin",
    "Cancel",
    "Close",
    "Doubt",
    "Entry",
    "Evidence",
    "Filled",
    "Intent",
    "Kill",
    "Modify",
    "Note",
    "Open",
    "Record",
    "Rejected",
    "Release",
    "Seal",
    "Settled",
    "Unsent",
    "Update",
]

FORMAT = 1


class Open(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="open"):
    """A segment begins here.

    Args:
        format: of the lines; a daemon that does not know it does not start.
        epoch: names what clients may count on: a number of it never comes to mean another record.
        machine: the id of the machine that wrote it.
        inode: of the state directory: another one may be a copy.
        installation: which one; its first characters begin the tags of its orders.
        version: the daemon's.
        previous: the hash it goes on from; left out: the first of all.
        behind: why the daemon that wrote this may have forgotten what it told; whoever starts next hears it again until
            a `kill` stands after it.
    """

    format: int
    epoch: str
    machine: str
    inode: int
    installation: str
    version: str = ""
    previous: str = ""
    behind: tuple[str, ...] = ()


class Intent(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="intent"):
    """Something will be sent. Durable before the first byte leaves.

    Args:
        id: Ordo's, of the order or change.
        operation: place, place_gtt, modify_gtt, cancel_gtt, convert.
        user: the broker's name of the user: keys belong to it.
        fingerprint: of what was asked: the same key with another is KEY_REUSED.
        caller: who asked.
        tag: stands on the broker's order.
        symbol_written: as the caller wrote it.
        order: of `place`.
        gtt: of `place_gtt` and `modify_gtt`.
        conversion: of `convert`.
        target: the broker's id of a GTT to change.
        before: the signed quantity of the position that a conversion takes from, read before it is sent.
    """

    id: str
    operation: str
    account: str
    user: str
    key: str
    fingerprint: str
    caller: str
    tag: str | None = None
    strategy: str | None = None
    symbol_written: str = ""
    order: OrderTerms | None = None
    gtt: NewGtt | None = None
    conversion: Conversion | None = None
    target: str | None = None
    before: int | None = None


class Modify(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="modify"):
    """A change of an order will be sent.

    Args:
        id: the change's.
        changes: the fields that change.
        caller: who asked.
        key: the caller's own name of the change.
        fingerprint: of what was asked under it.
    """

    id: str
    order_id: str
    changes: OrderChanges
    caller: str
    key: str | None = None
    fingerprint: str = ""


class Cancel(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="cancel"):
    """An order's cancel will be sent, or, for one in doubt, as soon as it appears.

    Args:
        id: the change's.
        caller: who asked.
    """

    id: str
    order_id: str
    caller: str


class Unsent(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="unsent"):
    """It surely had no effect and never will. Of an order: the key is free again.

    Args:
        id: what it was.
        kind: the error's that was told.
        sends: how often it was handed over all the same, and surely not taken: the broker counts those in its limits.
    """

    id: str
    kind: str
    message: str = ""
    sends: int = 0


class Accepted(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="accepted"):
    """The broker's sure yes.

    Args:
        id: what was taken.
        broker_id: the broker's id of the order or GTT; of another change left out (acknowledged, not yet seen).
    """

    id: str
    broker_id: str = ""


class Rejected(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="rejected"):
    """The broker's sure no, white-listed.

    Args:
        id: what was refused.
        kind: the error's that was told.
        message: the broker's words.
        code: the broker's own.
    """

    id: str
    kind: str
    message: str = ""
    code: str = ""


class Doubt(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="doubt"):
    """Sent, and nobody knows. Ended by `settled` only.

    Args:
        id: what is in doubt.
        why: no sure answer came.
        sent_at: when it was sent.
        died_at: when its connection ended.
    """

    id: str
    why: str
    sent_at: datetime
    died_at: datetime


class Evidence(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="evidence"):
    """A look at the broker's books. Twice complete and not found may end a doubt.

    Args:
        id: what was looked for.
        source: book, push, gtts or positions.
        begun_at: when the look began.
        complete: read whole.
        found: it was there.
        broker_id: the broker's id of what was found.
    """

    id: str
    source: str
    begun_at: datetime
    complete: bool
    found: bool
    broker_id: str = ""


class Settled(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="settled"):
    """A doubt's end.

    Args:
        id: what was in doubt.
        outcome: placed, not_placed (orders); done, not_done (changes); lapsed: no doubt is ended, the order's book day
            ended before its own end was seen.
        by: book, push, gtts, positions or person.
        broker_id: the broker's id of it.
        caller: the person.
        reason: the person's.
    """

    id: str
    outcome: str
    by: str
    broker_id: str = ""
    caller: str = ""
    reason: str = ""


class Update(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="update"):
    """How the broker shows an order now.

    Args:
        id: the order's.
        row: the broker's, in our words.
        status: how the order stands by it.
        account: where the order is new to us: placed elsewhere, or (`tag`) ours and missing in this journal.
        user: likewise.
        tag: likewise.
    """

    id: str
    row: BrokerOrder
    status: Status
    account: str = ""
    user: str = ""
    tag: str | None = None


class Filled(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="fill"):
    """One execution.

    Args:
        id: the order's.
        fill: counts once by (broker_order_id, trade_id).
    """

    id: str
    fill: Fill


class Kill(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="kill"):
    """The switch was engaged for this scope.

    Args:
        caller: who did it.
        account: null with `strategy`: everything.
        strategy: null with `account`: everything.
        cancel_open: and everything open is to be cancelled; left out: yes.
    """

    caller: str
    account: str | None = None
    strategy: str | None = None
    reason: str = ""
    cancel_open: bool = True


class Release(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="release"):
    """The switch was released for this scope.

    Args:
        caller: who did it.
        account: as of `kill`.
        strategy: as of `kill`.
    """

    caller: str
    account: str | None = None
    strategy: str | None = None
    reason: str = ""


class AccountNote(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="account"):
    """An account's life.

    Args:
        event: active, expired, refused, denied (also: a person logged out), released (a person asked for a login) and totp
            (`message`: the step that is used up), of its session; added, removed, by a reload.
        user: the broker's name of the user.
    """

    account: str
    event: str
    user: str = ""
    message: str = ""


class Admin(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="admin"):
    """What an admin asked for.

    Args:
        caller: who did it.
        method: of the wire.
        params: its parameters, without secrets.
    """

    caller: str
    method: str
    params: dict[str, str | int | bool | None]


class Note(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="note"):
    """Something a person should find here: a torn tail, a state that may be behind.

    Args:
        text: in words.
    """

    text: str


class Seal(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="seal"):
    """All before was told, or could have been. A batch of its own."""


class Close(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="close"):
    """An orderly end."""


Record: TypeAlias = (
    Open
    | Intent
    | Modify
    | Cancel
    | Unsent
    | Accepted
    | Rejected
    | Doubt
    | Evidence
    | Settled
    | Update
    | Filled
    | Kill
    | Release
    | AccountNote
    | Admin
    | Note
    | Seal
    | Close
)


class Entry(Struct, frozen=True):
    """A record as it stands in the journal."""

    seq: int
    at: datetime
    record: Record
