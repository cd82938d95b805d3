"""Many connections at once: who opens them keeps nobody from his orders, and nobody from the kill switch."""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.promises.daemon import PAPER, Daemon, until
from tests.security.hostile import (
    MALLORY,
    STRANGER,
    Mallory,
    files_of,
    needs_root,
    resident,
)

Make = Callable[..., Daemon]

pytestmark = pytest.mark.skipif(not needs_root, reason="only root can be another user")

CALLER_MAX = 256
TOTAL_MAX = 4096
MEGABYTE = 1 << 20


@pytest.fixture
def with_few_files(make: Make) -> Callable[[int], Daemon]:
    """A daemon that may have so many files and no more, where MALLORY and the user after him may trade."""

    def start(files: int) -> Daemon:
        users = "".join(f'"{MALLORY - n}" = "trade"\n' for n in (0, 2, 3, 4))
        daemon = make(f"[access.users]\n{users}{PAPER}")
        for each in (daemon.folder.parent, daemon.folder):
            each.chmod(0o755)
        with daemon.log.open("ab") as log:
            daemon.process = subprocess.Popen(
                [sys.executable, "-m", "ordod", "--config", str(daemon.config)],
                stderr=log,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)),
            )
        daemon.wait_ready()
        daemon.socket.chmod(0o666)
        return daemon

    return start


def test_a_thousand_connections_of_another_user_leave_orders_and_memory_as_they_were(
    watched: Daemon, mallory: Callable[..., Mallory]
) -> None:
    before = resident(watched)
    files = files_of(watched)

    mallory().do("connect", 1000)
    placed = [watched.place(f"k{n}", account="paper")["order"] for n in range(20)]

    assert len({order["broker_order_id"] for order in placed}) == 20
    assert len(watched.records("accepted")) == 20
    assert files_of(watched) - files < CALLER_MAX + 100
    assert resident(watched) - before < 16 * MEGABYTE


@pytest.mark.slow
def test_ten_thousand_connections_of_forty_users_leave_orders_and_memory_as_they_were(
    make: Make,
) -> None:
    users = range(MALLORY - 40, MALLORY)
    granted = "".join(f'"{user}" = "trade"\n' for user in users)
    daemon = make(f"[access.users]\n{granted}{PAPER}")
    for each in (daemon.folder.parent, daemon.folder):
        each.chmod(0o755)
    daemon.ready()
    daemon.socket.chmod(0o666)
    before = resident(daemon)

    hogs = [Mallory(daemon.socket, user) for user in users]
    try:
        for hog in hogs:
            hog.do("connect", 250)
        placed = [daemon.place(f"k{n}", account="paper")["order"] for n in range(20)]
        grown = resident(daemon) - before
        stopped = daemon.call("kill.engage", reason="ten thousand connections")
    finally:
        for hog in hogs:
            hog.close()

    assert len({order["broker_order_id"] for order in placed}) == 20
    assert grown < 64 * MEGABYTE
    assert stopped["durable"]
    assert "Traceback" not in daemon.log_text()


def test_where_files_are_few_clients_take_none_that_orders_and_the_kill_switch_need(
    with_few_files: Callable[[int], Daemon],
) -> None:
    daemon = with_few_files(600)
    hogs = [Mallory(daemon.socket, MALLORY - n) for n in (0, 2, 3, 4)]

    try:
        for hog in hogs:
            hog.do("connect", 300)
        order = daemon.place("in-spite-of-it", account="paper")["order"]
        stopped = daemon.call("kill.engage", reason="all places are taken")
        open_files = files_of(daemon)
    finally:
        for hog in hogs:
            hog.close()

    assert order["broker_order_id"]
    assert (stopped["durable"], stopped["cancelled"]) == (True, 1)
    assert open_files < 600 - 100
    assert "Too many open files" not in daemon.log_text()


def test_a_trader_whose_places_others_have_taken_can_still_stop_everything(
    with_few_files: Callable[[int], Daemon],
) -> None:
    daemon = with_few_files(460)
    hogs = [Mallory(daemon.socket, MALLORY - n) for n in (0, 2, 3)]
    trader = Mallory(daemon.socket, MALLORY - 4)

    try:
        for hog in hogs:
            hog.do("connect", 300)
        refused = trader.call("system.status")
        stopped = trader.call("kill.engage", reason="who are all these")
    finally:
        for each in (*hogs, trader):
            each.close()

    assert refused["error"]["data"]["kind"] == "OVERLOADED"
    assert "kill.engage" in refused["error"]["message"]
    assert stopped["result"]["durable"]


def test_a_user_whose_bot_leaks_connections_can_stop_everything_and_nothing_else(
    watched: Daemon, mallory: Callable[..., Mallory]
) -> None:
    leaking = mallory()
    leaking.do("connect", 2 * CALLER_MAX)

    order = leaking.call("order.place", **watched.order("one-more", account="paper"))
    stopped = leaking.call("kill.engage", reason="my bot has gone mad")

    assert order["error"]["data"]["kind"] == "OVERLOADED"
    assert stopped["result"]["durable"]
    assert not watched.records("intent")


def test_strangers_who_say_nothing_hold_a_few_connections_and_are_told_what_would_help(
    watched: Daemon, mallory: Callable[..., Mallory]
) -> None:
    files = files_of(watched)
    strangers = [mallory(STRANGER), mallory(STRANGER - 10)]

    for each in strangers:
        each.do("connect", 200)
    told = json.loads(strangers[1].do("hear"))
    until(lambda: files_of(watched) - files < 50)

    assert told["error"]["data"]["kind"] == "UNAUTHENTICATED"
    assert "[access]" in told["error"]["message"]
    assert watched.call("system.ping")


def test_a_flood_of_connections_is_a_few_lines_in_the_log(
    watched: Daemon, mallory: Callable[..., Mallory]
) -> None:
    hog = mallory()
    hog.do("connect", CALLER_MAX)

    hog.do("flood", 2000, "")

    until(lambda: "no_room_for_connection" in watched.log_text())
    assert watched.log_text().count("no_room_for_connection") < 20


def test_a_daemon_takes_more_files_than_a_shell_gives(make: Make) -> None:
    daemon = make()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))

    try:
        daemon.ready()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert daemon.process is not None
    limits = Path(f"/proc/{daemon.process.pid}/limits").read_text()
    (files,) = [line.split() for line in limits.splitlines() if line.startswith("Max open files")]
    assert int(files[3]) == min(hard, 65_536)
