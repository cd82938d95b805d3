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
    """A segment begins here. `previous` is the hash it goes on from ("": the first of all).

    `epoch` names what clients may count on: a number of it never comes to mean another record. `behind`: why the daemon
    that wrote this may have forgotten what it told; whoever starts next hears it again until a `kill` stands after it.
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

    `operation`: place, place_gtt, modify_gtt, cancel_gtt, convert. `user` is the broker's user id: keys belong to it.
    `symbol_written`: as the caller wrote it. `tag` is on the broker's order. `target`: the broker's id of a GTT to change.
    `before`: the signed quantity of the position that a conversion takes from, read before it is sent.
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
    """A change of an order will be sent. `id` is the change's."""

    id: str
    order_id: str
    changes: OrderChanges
    caller: str
    key: str | None = None
    fingerprint: str = ""


class Cancel(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="cancel"):
    """An order's cancel will be sent, or, for one in doubt, as soon as it appears. `id` is the change's."""

    id: str
    order_id: str
    caller: str


class Unsent(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="unsent"):
    """It surely had no effect and never will. Of an order: the key is free again. `kind` is the error's that was told.

    `sends`: how often it was handed over all the same, and surely not taken: the broker counts those in its limits.
    """

    id: str
    kind: str
    message: str = ""
    sends: int = 0


class Accepted(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="accepted"):
    """The broker's sure yes. `broker_id`: its id of the order or GTT; of another change "" (acknowledged, not yet seen)."""

    id: str
    broker_id: str = ""


class Rejected(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="rejected"):
    """The broker's sure no, white-listed."""

    id: str
    kind: str
    message: str = ""
    code: str = ""


class Doubt(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="doubt"):
    """Sent, and nobody knows. Ended by `settled` only. Times are the send's and its connection's death."""

    id: str
    why: str
    sent_at: datetime
    died_at: datetime


class Evidence(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="evidence"):
    """A look at the broker's books. `complete`: read whole; `found`: it was there. Twice complete and not found may end a doubt."""

    id: str
    source: str
    begun_at: datetime
    complete: bool
    found: bool
    broker_id: str = ""


class Settled(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="settled"):
    """A doubt's end. `outcome`: placed, not_placed (orders); done, not_done (changes). `by`: book, trail, trades, person.

    `lapsed` ends no doubt: the order's book day ended before its own end was seen.
    """

    id: str
    outcome: str
    by: str
    broker_id: str = ""
    caller: str = ""
    reason: str = ""


class Update(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="update"):
    """How the broker shows an order now.

    `account` and `user` stand where the order is new to us: placed elsewhere, or (`tag`) ours and missing in this journal.
    """

    id: str
    row: BrokerOrder
    status: Status
    account: str = ""
    user: str = ""
    tag: str | None = None


class Filled(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="fill"):
    id: str
    fill: Fill


class Kill(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="kill"):
    """The switch was engaged for this scope (both None: everything). `cancel_open`: and everything open is to be cancelled."""

    caller: str
    account: str | None = None
    strategy: str | None = None
    reason: str = ""
    cancel_open: bool = True


class Release(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="release"):
    caller: str
    account: str | None = None
    strategy: str | None = None
    reason: str = ""


class AccountNote(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="account"):
    """An account's life: `event` is active, expired, denied, refused, released, totp of its session; added, removed by a reload."""

    account: str
    event: str
    user: str = ""
    message: str = ""


class Admin(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="admin"):
    caller: str
    method: str
    params: dict[str, str | int | bool | None]


class Note(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="note"):
    """Something a person should find here: a torn tail, a state that may be behind."""

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
