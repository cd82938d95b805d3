"""Who is at the other end of a Unix socket: what the kernel says, looked up in `[access]`."""

import grp
import os
import pwd
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Protocol

import structlog
from msgspec import Struct, field

from ordod.service.methods import Caller, Role

__all__ = ["Access", "Grant", "HasSocketOptions", "Peers"]

SO_PEERGROUPS = 59  # Linux 4.13; Python has no name for it
GROUPS_BYTES_MAX = (
    1024  # what `getsockopt` gives: 256 groups; who has more is looked up in the group database
)

NAMES_KEPT = 256  # of users; a reload asks anew

log = structlog.get_logger()


class Grant(Struct, frozen=True):
    """A role, and by account where it differs."""

    role: Role = Role.NOBODY
    accounts: Mapping[str, Role] = field(default_factory=dict)


class Access(Struct, frozen=True):
    """`[access]`: users and groups, by name or number, and what they may do."""

    users: Mapping[str, Grant] = field(default_factory=dict)
    groups: Mapping[str, Grant] = field(default_factory=dict)


class HasSocketOptions(Protocol):
    """A socket, or what asyncio and uvloop hand out for one."""

    def getsockopt(self, level: int, option: int, length: int, /) -> bytes: ...


class Peers:
    """Makes a caller of a connection.

    A user's own entry decides alone (so it may also take away). Else root and the daemon's own user are admin. Else the
    entries of the user's groups add up. Else it is a stranger: a caller with no role.
    """

    def __init__(self, access: Access, own_uid: int) -> None:
        self._users = dict(_by_number(access.users, _uid, "user"))
        self._groups = dict(_by_number(access.groups, _gid, "group"))
        self._always = {0, own_uid}
        # Asked once, not at each connection: the answer may come over a network, and the loop waits for it.
        self._name = lru_cache(NAMES_KEPT)(_name)

    def caller(self, connection: HasSocketOptions) -> Caller:
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, gid = struct.unpack("3I", raw)
        name = self._name(uid)
        grant = self._users.get(uid)
        if grant is None and uid in self._always:
            grant = Grant(Role.ADMIN)
        if grant is None:
            groups = {gid, *_groups(connection, name, gid)} if self._groups else set()
            grant = _sum([self._groups[each] for each in groups if each in self._groups])
        shown = f"uid:{uid} ({name})" if name else f"uid:{uid}"
        return Caller(shown, grant.role, grant.accounts)


def _by_number(
    grants: Mapping[str, Grant], look_up: Callable[[str], int], what: str
) -> Iterable[tuple[int, Grant]]:
    for name, grant in grants.items():
        try:
            yield (int(name) if name.isdecimal() else look_up(name)), grant
        except KeyError:
            # Closed, not open: the entry grants nothing. No reason to stop a daemon that holds positions.
            log.warning("access_unknown", **{what: name})


def _uid(name: str) -> int:
    return pwd.getpwnam(name).pw_uid


def _gid(name: str) -> int:
    return grp.getgrnam(name).gr_gid


def _name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def _groups(connection: HasSocketOptions, name: str | None, gid: int) -> Iterable[int]:
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, GROUPS_BYTES_MAX)
    except OSError:  # more groups than fit, or an old kernel
        return os.getgrouplist(name, gid) if name else ()
    return struct.unpack(f"{len(raw) // 4}I", raw)


def _sum(grants: list[Grant]) -> Grant:
    """The most that any of them gives, account by account."""
    role = max((grant.role for grant in grants), default=Role.NOBODY)
    accounts = {name for grant in grants for name in grant.accounts}
    return Grant(
        role,
        {name: max(grant.accounts.get(name, grant.role) for grant in grants) for name in accounts},
    )
