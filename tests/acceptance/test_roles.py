"""Who may do what, by the peer of the socket (WIRE 7)."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Client, Daemon, running

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")

READER, TRADER, ADMIN, ONE_ACCOUNT, MORE_AT_ONE, LESS_AT_ONE, STRANGER = range(50_001, 50_008)
IN_GROUP, GROUP = 50_010, 50_100
CONFIG = f"""
[access.users]
{READER} = "read"
{TRADER} = "trade"
{ADMIN} = "admin"
[access.users.{ONE_ACCOUNT}]
accounts = {{ paper = "trade" }}
[access.users.{MORE_AT_ONE}]
role = "read"
accounts = {{ paper = "trade" }}
[access.users.{LESS_AT_ONE}]
role = "trade"
accounts = {{ second = "read" }}
[access.groups]
{GROUP} = "read"
[accounts.paper]
broker = "paper"
[accounts.second]
broker = "paper"
"""
TERMS: dict[str, Any] = {
    "symbol": "NSE:INFY",
    "side": "BUY",
    "quantity": 1,
    "type": "SL-M",
    "trigger_price": 2900,
    "product": "CNC",
}
RANK = {"read": 1, "trade": 2, "admin": 3}


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """Where the group of the socket can reach it: pytest's own folders are closed to all but their owner."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running(folder, CONFIG) as started:
            folder.chmod(0o711)
            started.socket.chmod(0o666)  # as an operator may, who lets [access] decide alone
            yield started


@contextmanager
def somebody(daemon: Daemon, uid: int, gid: int = 50_000) -> Iterator[Client]:
    """A connection of another user: the kernel notes who connects, at that moment."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(gid)
    os.seteuid(uid)
    try:
        manager = daemon.connect()
        client = manager.__enter__()
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
    try:
        yield client
    finally:
        manager.__exit__(None, None, None)


@pytest.mark.parametrize(("uid", "role"), [(READER, "read"), (TRADER, "trade"), (ADMIN, "admin")])
def test_a_role_opens_its_methods_and_no_others(daemon: Daemon, uid: int, role: str) -> None:
    assert daemon.contract is not None
    methods = daemon.contract.methods

    with somebody(daemon, uid) as client:
        for name, method in methods.items():
            # What each method needs is missing, so that nothing happens; the role is asked for before.
            required = {each["name"] for each in method["params"] if each["required"]}
            if required and name != "kill.release":
                continue
            if name in ("system.shutdown", "kill.engage") and RANK[role] >= RANK[method["x-role"]]:
                continue
            answer = client.answer(client.begin(name, **dict.fromkeys(required, "x")))
            kind = answer.get("error", {}).get("data", {}).get("kind")

            assert (kind == "FORBIDDEN") is (RANK[role] < RANK[method["x-role"]]), (name, answer)


def test_a_refusal_says_what_is_needed_and_who_can_help(daemon: Daemon) -> None:
    with somebody(daemon, READER) as client:
        error = client.refused("order.place", **TERMS, account="paper", key="r-1")

    assert (error["data"]["kind"], error["data"]["account"]) == ("FORBIDDEN", "paper")
    for word in ("order.place", "trade", "paper", str(READER), "read", "[access]"):
        assert word in error["message"]
    assert f"uid:{READER}" in daemon.log()
    with daemon.connect() as client:
        assert client.refused("order.get", account="paper", key="r-1")


def test_a_stranger_is_told_once_what_would_help_and_is_hung_up_on(daemon: Daemon) -> None:
    with somebody(daemon, STRANGER) as client:
        error = client.refused("system.ping")

        assert error["data"]["kind"] == "UNAUTHENTICATED"
        assert "[access]" in error["message"]
        with pytest.raises(ConnectionError):
            client.read()


def test_a_group_lets_its_members_in(daemon: Daemon) -> None:
    with somebody(daemon, IN_GROUP, GROUP) as client:
        assert client.ask("order.list")
        assert client.refused("order.cancel_all")["data"]["kind"] == "FORBIDDEN"


def test_a_trader_of_one_account_trades_there_and_does_not_see_the_other(daemon: Daemon) -> None:
    with daemon.connect() as owner:
        other = owner.ask("order.place", **TERMS, account="second", key="other")["order"]

    with somebody(daemon, ONE_ACCOUNT) as client:
        placed = client.ask("order.place", **TERMS, account="paper", key="one-1")
        assert client.ask("order.list", account="paper")["orders"]
        assert client.ask("portfolio.positions", account="paper")
        assert client.ask("order.cancel", order_id=placed["order"]["order_id"])["change"] == "done"
        assert client.ask("system.ping")
        status = client.ask("system.status")
        assert [each["account"] for each in status["accounts"]] == ["paper"]
        forbidden: tuple[tuple[str, dict[str, Any]], ...] = (
            ("order.place", {**TERMS, "account": "second", "key": "one-2"}),
            ("order.place", {**TERMS, "accounts": ["paper", "second"], "key": "one-3"}),
            ("order.get", {"account": "second", "key": "other"}),
            ("order.get", {"order_id": other["order_id"]}),
            ("order.history", {"order_id": other["order_id"]}),
            ("order.cancel", {"order_id": other["order_id"]}),
            ("order.list", {}),
            ("order.trades", {"account": "second"}),
            ("order.cancel_all", {}),
            ("portfolio.funds", {}),
            ("account.list", {}),
            ("account.login", {"account": "paper"}),
            ("events.subscribe", {"topics": ["orders"]}),
            ("events.subscribe", {"topics": ["orders"], "accounts": ["paper", "second"]}),
            ("kill.engage", {}),
            ("journal.tail", {}),
            ("risk.limits", {"account": "second"}),
            ("gtt.list", {"account": "second"}),
        )
        for method, params in forbidden:
            assert client.refused(method, **params)["data"]["kind"] == "FORBIDDEN", method


def test_a_subscriber_of_one_account_hears_that_one_only(daemon: Daemon) -> None:
    with somebody(daemon, ONE_ACCOUNT) as listener, daemon.connect() as owner:
        answer = listener.ask("events.subscribe", topics=["orders", "trades"], accounts=["paper"])
        owner.ask("order.place", **TERMS, account="second", key="heard-2")
        owner.ask("order.place", **TERMS, account="paper", key="heard-1")

        assert listener.event()["order"]["key"] == "heard-1"
    assert {each["account"] for each in answer["snapshot"]["accounts"]} == {"paper"}
    assert {each["account"] for each in answer["snapshot"]["orders"]} <= {"paper"}


def test_a_role_may_be_more_or_less_at_single_accounts(daemon: Daemon) -> None:
    with somebody(daemon, MORE_AT_ONE) as more, somebody(daemon, LESS_AT_ONE) as less:
        assert more.ask("order.place", **TERMS, account="paper", key="more-1")
        assert more.ask("order.list")
        refused = more.refused("order.place", **TERMS, account="second", key="more-2")
        assert refused["data"]["kind"] == "FORBIDDEN"

        assert less.ask("order.place", **TERMS, account="paper", key="less-1")
        assert less.ask("order.list")
        for method, params in (
            ("order.place", {**TERMS, "account": "second", "key": "less-2"}),
            ("order.cancel_all", {}),
            ("kill.engage", {}),
        ):
            assert less.refused(method, **params)["data"]["kind"] == "FORBIDDEN"


def test_what_an_admin_does_is_journaled_with_who_it_was(daemon: Daemon) -> None:
    with somebody(daemon, ADMIN) as client:
        client.ask("instrument.refresh")
        newest = client.ask("journal.tail", limit=10)["entries"]

    admin = [entry for entry in newest if entry["type"] == "admin"]
    assert admin[-1]["caller"] == f"uid:{ADMIN}"
    assert admin[-1]["method"] == "instrument.refresh"


def test_an_order_is_journaled_with_who_placed_it(daemon: Daemon) -> None:
    with somebody(daemon, TRADER) as client:
        client.ask("order.place", **TERMS, account="paper", key="who-1")
        (intent, *_) = client.ask("order.history", account="paper", key="who-1")["records"]

    assert intent["caller"] == f"uid:{TRADER}"


def test_the_socket_is_closed_to_others_where_nobody_opened_it(tmp_path: Path) -> None:
    with running(tmp_path / "ordod", '[accounts.paper]\nbroker = "paper"\n') as started:
        assert started.socket.stat().st_mode & 0o777 == 0o660
        assert started.state.stat().st_mode & 0o777 == 0o700
        assert all(
            each.stat().st_mode & 0o777 == 0o600
            for each in started.state.rglob("*")
            if each.is_file()
        )
