"""Accounts that come, go and change with the file, in a real daemon: what its user, its broker and its system see."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ordod.sim.process import SimProcess, running
from tests.promises.daemon import PAPER, Daemon, Refused, until, zerodha

Make = Callable[..., Daemon]

SECOND = '[accounts.second]\nbroker = "paper"\n'


@pytest.fixture
def own() -> Iterator[SimProcess]:
    """A broker of its own: what happens to its sessions harms no other test."""
    with running("--no-limits") as sim:
        yield sim


def configure(daemon: Daemon, *accounts: str) -> None:
    """The file as it was at first, with these accounts."""
    head = daemon.config.read_text().partition("[accounts")[0]
    daemon.config.write_text(head + "\n".join(accounts))


def reload(daemon: Daemon, *accounts: str) -> Any:
    configure(daemon, *accounts)
    return daemon.call("system.reload")


def names(daemon: Daemon) -> list[str]:
    return [account["account"] for account in daemon.call("account.list")["accounts"]]


def logins(sim: SimProcess) -> int:
    return sum(r["path"] == "/session/token" and r["method"] == "POST" for r in sim.requests())


def test_an_account_that_comes_logs_in_alone_and_goes_with_its_session(
    make: Make, own: SimProcess
) -> None:
    daemon = make(PAPER).ready()
    broker = zerodha(own, login=True)
    with daemon.client() as watching:
        watching.call("events.subscribe", topics=["accounts", "orders"])
        before = len(daemon.records("account"))

        added = reload(daemon, PAPER, broker)
        daemon.wait_ready()
        daemon.place("there", type="MARKET", price=None)
        until(lambda: daemon.get("there")["status"] == "FILLED")
        again = reload(daemon, PAPER, broker)
        removed = reload(daemon, PAPER)
        own_logins = logins(own)
        with pytest.raises(Refused) as refused:
            daemon.call("order.place", **daemon.order("gone", price=1400))

        until(lambda: _of_account(daemon, watching, "removed"))

    assert added == {"changed": ["accounts.zerodha (added)"], "needs_restart": [], "waits": []}
    assert again == {"changed": [], "needs_restart": [], "waits": []}
    assert removed["changed"] == ["accounts.zerodha (removed)"]
    assert own_logins == 1
    assert [r["method"] for r in own.requests() if r["path"] == "/session/token"][-1] == "DELETE"
    assert refused.value.kind == "UNKNOWN_ACCOUNT"
    told = [event["account"] for event in watching.events if event["topic"] == "accounts"]
    assert {each["account"] for each in told} == {"zerodha"}
    assert [each["event"] for each in told] == ["added", "active", "removed"]
    numbers = [event["seq"] for event in watching.events]
    assert [event["prev"] for event in watching.events][1:] == numbers[:-1]
    of_paper = [r for r in daemon.records("account")[before:] if r["account"] == "paper"]
    assert of_paper == []
    callers = {record["caller"] for record in daemon.records("admin", method="system.reload")}
    assert all(caller.startswith("uid:") for caller in callers)


def _of_account(daemon: Daemon, watching: Any, event: str) -> bool:
    watching.call("system.ping")
    return any(e["topic"] == "accounts" and e["account"]["event"] == event for e in watching.events)


def test_an_order_of_an_account_that_just_came_is_settled_after_sigkill(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(PAPER).ready()
    reload(daemon, PAPER, broker)
    daemon.wait_ready()
    daemon.place("echo")
    before = len(sim.placements())
    sim.fault("lose_after", "POST", "/orders")
    with daemon.client() as client:
        client.send("order.place", **daemon.order("lost"))
        until(lambda: len(sim.placements()) > before)
        daemon.kill()

    daemon.ready()
    order = daemon.settled("lost")

    assert names(daemon) == ["paper", "zerodha"]
    assert order["status"] == "OPEN"
    assert sum(deed["tag"] == order["tag"] for deed in sim.placements()) == 1
    assert daemon.place("lost")["replayed"]


def test_a_doubt_keeps_its_account_and_one_who_comes_under_another_name_takes_it_over(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(PAPER + broker).ready()
    # Nothing echoed a tag today, so absence proves nothing yet: the doubt stays.
    sim.fault("lose_before", "POST", "/orders")
    doubtful = daemon.place("lost", timeout_ms=1000)["order"]

    going = reload(daemon, PAPER)
    with pytest.raises(Refused) as refused:
        daemon.place("new")
    renamed = reload(daemon, PAPER, broker.replace("accounts.zerodha", "accounts.kite"))
    daemon.wait_ready()
    replayed = daemon.place("lost", account="kite", price=doubtful["price"])
    daemon.place("echo", account="kite")
    order = daemon.settled("lost", account="kite")

    [waits] = going["waits"]
    assert waits.startswith("accounts.zerodha (removed): it takes nothing new, and goes after")
    assert refused.value.kind == "UNKNOWN_ACCOUNT"
    assert renamed["changed"] == ["accounts.kite (added)", "accounts.zerodha (removed)"]
    assert doubtful["status"] == "IN_DOUBT"
    assert replayed["replayed"]
    assert (order["status"], order["account"]) == ("NOT_PLACED", "kite")
    assert order["order_id"] == doubtful["order_id"]
    assert not any(deed["tag"] == order["tag"] for deed in sim.placements())


@pytest.mark.parametrize(
    ("account", "line", "words"),
    [
        ('broker = "zerodah"', 1, 'did you mean "zerodha"?'),
        ('broker = "zerodha"\napi_key = "file:/nowhere/key"', 2, "No such file"),
        ('broker = "paper"\nhours = "market"', 0, "give them the same hours"),
    ],
    ids=["broker", "secret", "hours"],
)
def test_one_new_account_that_cannot_begin_changes_nothing_and_its_line_is_told(
    bystander: Daemon, account: str, line: int, words: str
) -> None:
    limits = bystander.call("risk.limits")
    configure(bystander, PAPER, "[accounts.new]", account, "[risk]\nmax_quantity = 1\n")
    text = bystander.config.read_text()

    with pytest.raises(Refused) as refused:
        bystander.call("system.reload")

    message = str(refused.value)
    assert refused.value.kind == "INVALID_PARAMS"
    assert words in message
    if line:
        at = text.partition("[accounts.new]")[0].count("\n") + 1 + line
        assert f"{bystander.config}:{at}: " in message
    assert names(bystander) == ["paper"]
    assert bystander.call("risk.limits") == limits


@pytest.fixture(scope="module")
def bystander(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("b"), PAPER).ready()
    yield daemon
    daemon.kill()


def test_a_kill_holds_for_who_comes_later(bystander: Daemon) -> None:
    bystander.signal(signal.SIGUSR1)
    until(lambda: bystander.call("kill.status")["engaged"])

    reload(bystander, PAPER, SECOND)
    bystander.wait_ready()
    with pytest.raises(Refused) as refused:
        bystander.call("order.place", **bystander.order("k", account="second"))
    is_killed = bystander.call("kill.status")["engaged"]
    bystander.call("kill.release", reason="test")
    placed = bystander.place("k", account="second")
    waits = reload(bystander, PAPER)["waits"]
    bystander.call("order.cancel", account="second", key="k")
    until(lambda: names(bystander) == ["paper"])

    assert refused.value.kind == "KILLED"
    assert is_killed
    assert placed["order"]["account"] == "second"
    assert len(waits) == 1


@pytest.mark.parametrize("count", [20, pytest.param(1000, marks=pytest.mark.slow)])
def test_comings_and_goings_leave_memory_and_files_as_they_were(
    make: Make, sim: SimProcess, shared_token: str, count: int
) -> None:
    daemon = make(PAPER).ready()
    broker = zerodha(sim, token=shared_token)
    warm_up = count // 5

    def turn(with_orders: bool) -> None:
        reload(daemon, PAPER, SECOND, broker)
        if with_orders:
            daemon.wait_ready()
        reload(daemon, PAPER)

    for number in range(warm_up):
        turn(number % 4 == 0)
    before = _files(daemon), _memory_mib(daemon)
    for number in range(count):
        turn(number % 4 == 0)
    until(lambda: _files(daemon) <= before[0])

    assert names(daemon) == ["paper"]
    assert _memory_mib(daemon) - before[1] < 8


def _files(daemon: Daemon) -> int:
    assert daemon.process is not None
    return sum(1 for _ in Path(f"/proc/{daemon.process.pid}/fd").iterdir())


def _memory_mib(daemon: Daemon) -> float:
    assert daemon.process is not None
    pages = int(Path(f"/proc/{daemon.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
