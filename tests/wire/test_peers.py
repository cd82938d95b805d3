"""Who is there: the kernel's word, and what `[access]` makes of it."""

import json
import os
import pwd
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from ordod.service.methods import Role
from ordod.wire.peers import Access, Grant, Peers

OWN = 4242
SCRIPT = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b"\\n")
sys.stdout.buffer.write(s.makefile("rb").read())
"""


class Connection:
    """Answers as the kernel would."""

    def __init__(self, uid: int, gid: int = 1, groups: tuple[int, ...] = ()) -> None:
        self._options = {
            socket.SO_PEERCRED: struct.pack("3I", 99, uid, gid),
            59: struct.pack(f"{len(groups)}I", *groups),
        }

    def getsockopt(self, level: int, option: int, length: int, /) -> bytes:
        assert level == socket.SOL_SOCKET
        return self._options[option]


def role(access: Access, *who: Any) -> Role:
    return Peers(access, OWN).caller(Connection(*who)).role


def test_root_and_the_daemons_own_user_are_admin_and_nobody_else_gets_in() -> None:
    assert role(Access(), 0) is Role.ADMIN
    assert role(Access(), OWN) is Role.ADMIN
    assert role(Access(), 4243) is Role.NOBODY


def test_a_user_is_named_by_number_or_name_and_shown_with_both() -> None:
    name = pwd.getpwuid(1).pw_name
    access = Access(users={name: Grant(Role.TRADE), "5555": Grant(Role.READ)})

    assert Peers(access, OWN).caller(Connection(1)).name == f"uid:1 ({name})"
    assert role(access, 1) is Role.TRADE
    assert Peers(access, OWN).caller(Connection(5555)).name == "uid:5555"
    assert role(access, 5555) is Role.READ


def test_a_users_name_is_looked_up_once_and_anew_after_a_reload(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def look_up(uid: int) -> Any:
        asked.append(uid)
        return SimpleNamespace(pw_name=f"name-{len(asked)}")

    monkeypatch.setattr(pwd, "getpwuid", look_up)
    first, reloaded = Peers(Access(), OWN), Peers(Access(), OWN)

    names = [peers.caller(Connection(7)).name for peers in (first, first, reloaded)]

    assert names == ["uid:7 (name-1)", "uid:7 (name-1)", "uid:7 (name-2)"]
    assert asked == [7, 7]


def test_a_users_own_entry_may_also_take_away() -> None:
    access = Access(users={str(OWN): Grant(Role.READ)}, groups={"7": Grant(Role.ADMIN)})

    assert role(access, OWN, 7) is Role.READ


def test_groups_add_up_account_by_account() -> None:
    access = Access(
        groups={
            "7": Grant(Role.READ, {"main": Role.TRADE}),
            "8": Grant(Role.TRADE, {"main": Role.READ, "vip": Role.READ}),
        }
    )

    caller = Peers(access, OWN).caller(Connection(4243, 7, (8, 9)))
    assert caller.role is Role.TRADE
    assert caller.roles == {"main": Role.TRADE, "vip": Role.READ}


def test_a_name_that_does_not_exist_grants_nothing_and_is_logged() -> None:
    with capture_logs() as logs:
        access = Access(users={"no-such-user": Grant(Role.ADMIN)})
        assert role(access, 4243) is Role.NOBODY

    assert logs[0]["event"] == "access_unknown"


async def as_user(uid: int, path: Path, message: str) -> list[Any]:
    """What another user's process is answered until it is hung up on."""
    python = getattr(sys, "_base_executable", sys.executable)
    command = ["setpriv", f"--reuid={uid}", "--regid=7777", "--clear-groups"]
    process = await anyio.run_process([*command, python, "-c", SCRIPT, str(path), message])
    return [json.loads(line) for line in process.stdout.splitlines()]


@pytest.fixture
def reachable(path: Path) -> Path:
    """The socket, so that file modes keep nobody out and the daemon has to."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv to be somebody else")
    path.chmod(0o666)
    for folder in path.parents[:3]:
        folder.chmod(0o755)
    probe = subprocess.run(
        ["setpriv", "--reuid=7777", "--clear-groups", "test", "-w", str(path)], check=False
    )
    if probe.returncode != 0:
        pytest.skip("the temporary folder keeps other users out")
    return path


async def test_an_unknown_user_is_told_what_would_help_and_hung_up_on(
    server: Any, reachable: Path
) -> None:
    ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}'

    (answer,) = await as_user(7777, reachable, ping)

    assert answer["error"]["code"] == 1001
    assert "uid:7777" in answer["error"]["message"]
    assert server.tally.refused == {("uid:7777", "UNAUTHENTICATED"): 1}


async def test_a_user_whose_access_is_taken_away_is_hung_up_on(
    start: Any, desk: Any, reachable: Path
) -> None:
    server = await start(desk.table(), access=Access(users={"7777": Grant(Role.READ)}))
    answers: list[Any] = []

    async def ask() -> None:
        answers.extend(await as_user(7777, reachable, '{"jsonrpc":"2.0","id":1,"method":"ping"}'))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await desk.heard.wait()
        server.identify_by(Peers(Access(), OWN).caller)

    assert answers[0]["result"] == {"pong": "uid:7777"}
