"""Who may read or trade at one account sees nothing of another: not its orders, not its keys, not that they exist."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from ordod.service.table import table
from tests.core.world import VIRTUAL, account, running_world
from tests.promises.daemon import Daemon, ended
from tests.security.hostile import MALLORY, Mallory, needs_root, request

pytestmark = pytest.mark.skipif(not needs_root, reason="only root can be another user")

THEIRS = "ravi_s"
OWN = "paper"
SECRET_KEY = "their-very-own-key"
SECRET_STRATEGY = "their-strategy"
TWO = f'[accounts.{OWN}]\nbroker = "paper"\n[accounts.{THEIRS}]\nbroker = "paper"\n'


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, dict[str, Any]]]:
    """Two accounts; MALLORY may trade at one, and the order of the other."""
    folder = tmp_path_factory.mktemp("a")
    access = (
        f'[access.users]\n"{MALLORY}" = {{ role = "none", accounts = {{ {OWN} = "trade" }} }}\n'
    )
    access = f'[access.users."{MALLORY}".accounts]\n{OWN} = "trade"\n'
    with ended([Daemon(folder, access + TWO)]) as (daemon,):
        for each in (folder, *folder.parents[:-2]):
            each.chmod(each.stat().st_mode | 0o011)
        daemon.ready()
        daemon.socket.chmod(0o666)
        order = daemon.place(SECRET_KEY, account=THEIRS, strategy=SECRET_STRATEGY)["order"]
        daemon.place("own", account=OWN)
        yield daemon, order


@pytest.fixture
def mallory(both: tuple[Daemon, dict[str, Any]]) -> Iterator[Mallory]:
    one = Mallory(both[0].socket, MALLORY)
    yield one
    one.close()


def secrets_of(order: dict[str, Any]) -> list[str]:
    return [SECRET_KEY, SECRET_STRATEGY, order["order_id"], order["tag"], order["broker_order_id"]]


def method_places(name: str) -> bool:
    return name.endswith(".place")


def test_no_method_tells_anything_of_an_order_at_another_account(
    both: tuple[Daemon, dict[str, Any]], mallory: Mallory
) -> None:
    daemon, order = both
    document = daemon.call("rpc.discover")
    examples = {
        method["name"]: {each["name"]: each["value"] for each in method["examples"][0]["params"]}
        for method in document["methods"]
        if method.get("examples")
    }
    examples.pop("system.shutdown")
    refused, told = [], ""

    for name, params in examples.items():
        for tried in (params, params | {"account": THEIRS}, params | {"account": OWN}):
            if "account" in tried and "account" not in params and name != "order.list":
                continue
            if "key" in tried:
                tried = tried | {"key": SECRET_KEY}
            if name == "kill.engage" or (method_places(name) and tried.get("account") != THEIRS):
                continue
            answer = mallory.call(name, **tried)
            told += (
                json.dumps(answer)
                .replace(json.dumps(SECRET_KEY), "")
                .replace(f"key {SECRET_KEY}", "")
            )
            if tried.get("account") == THEIRS:
                refused.append(answer["error"]["data"]["kind"])

    shown = [secret for secret in secrets_of(order) if secret in told]
    assert not shown
    assert len(refused) > 20
    assert set(refused) == {"FORBIDDEN"}


def test_an_order_of_another_account_looks_like_one_that_is_not_there(
    both: tuple[Daemon, dict[str, Any]], mallory: Mallory
) -> None:
    _, order = both
    missing = "o" + "0" * (len(order["order_id"]) - 1)

    for method in ("order.get", "order.history", "order.cancel"):
        for named in ({}, {"account": OWN}):
            there = mallory.call(method, order_id=order["order_id"], **named)["error"]
            gone = mallory.call(method, order_id=missing, **named)["error"]

            assert there["data"]["kind"] == gone["data"]["kind"]
            assert there["message"].replace(order["order_id"], missing) == gone["message"]


def test_an_account_that_is_not_there_looks_like_one_that_is_not_his(
    both: tuple[Daemon, dict[str, Any]], mallory: Mallory
) -> None:
    theirs = mallory.call("order.list", account=THEIRS)["error"]
    none = mallory.call("order.list", account="nobodys")["error"]

    assert theirs["message"].replace(THEIRS, "nobodys") == none["message"]


def test_events_of_another_account_are_neither_pushed_nor_told_afterwards(
    both: tuple[Daemon, dict[str, Any]], mallory: Mallory
) -> None:
    daemon, order = both
    epoch = daemon.call("system.version")["epoch"]
    topics = ["orders", "trades", "accounts", "kill", "system"]
    everybodys = mallory.call("events.subscribe", topics=topics)
    subscribed = mallory.call("events.subscribe", topics=topics, accounts=[OWN])

    mallory.do("connect", 1)
    again = request(1, "events.subscribe", topics=topics, accounts=[OWN], since=1, epoch=epoch)
    mallory.do("say", again.decode())
    other = daemon.place("another-of-theirs", account=THEIRS)["order"]
    daemon.place("the-last-of-his", account=OWN)
    heard = ""
    while '"the-last-of-his"' not in heard:
        heard += mallory.do("hear")

    assert everybodys["error"]["data"]["kind"] == "FORBIDDEN"
    told = heard + json.dumps(subscribed)
    assert not [text for text in (*secrets_of(order), *secrets_of(other)) if text in told]
    assert THEIRS not in told


def test_the_names_of_other_accounts_are_not_told(
    both: tuple[Daemon, dict[str, Any]], mallory: Mallory
) -> None:
    calls: dict[str, dict[str, Any]] = {
        "system.status": {},
        "system.config": {},
        "account.list": {},
        "instrument.get": {"symbol": "NSE:INFY", "account": OWN},
        "kill.status": {},
        "risk.limits": {"account": OWN},
    }

    told = {name: json.dumps(mallory.call(name, **params)) for name, params in calls.items()}

    assert not [name for name, text in told.items() if THEIRS in text]


def test_metrics_tell_nothing_of_another_account(
    both: tuple[Daemon, dict[str, Any]], mallory: Mallory
) -> None:
    mallory.do("connect", 1)
    mallory.do("say", "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    told = ""
    while line := mallory.do("hear"):
        told += line

    assert "200" in told.splitlines()[0]
    assert THEIRS not in told


def test_who_has_no_role_gets_no_metrics_and_that_is_counted_and_logged(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("n")
    with ended([Daemon(folder, TWO)]) as (daemon,):
        for each in (folder, *folder.parents[:-2]):
            each.chmod(each.stat().st_mode | 0o011)
        daemon.ready()
        daemon.socket.chmod(0o666)
        stranger = Mallory(daemon.socket, MALLORY)
        stranger.do("connect", 1)
        stranger.do("say", "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        told = stranger.do("hear")
        stranger.close()
        with socket.socket(socket.AF_UNIX) as ours:
            ours.connect(str(daemon.socket))
            ours.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            with ours.makefile() as lines:
                shown = lines.read()

        assert "403" in told
        assert 'ordod_calls_refused_total{kind="FORBIDDEN"} 1.0' in shown
        (line,) = (one for one in daemon.log_text().splitlines() if "call_refused" in one)
        assert "/metrics" in line
        assert "FORBIDDEN" in line


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


async def test_every_method_says_which_accounts_it_touches_or_is_known_to_touch_none() -> None:
    """A new method that names accounts in another way than `account` or `order_id` would be open to all."""
    none = {
        "system.ping", "system.version", "system.status", "system.config", "system.reload", "system.shutdown",
        "account.list", "kill.status", "events.unsubscribe", "market.status", "market.holidays", "rpc.discover",
        "alert.test", "system.authenticate",
    }  # fmt: skip
    async with running_world(account(), account("second")) as world:
        for method in table(world.parts):
            if method.name in none or not method.examples:
                continue
            params = dict(method.examples[0].params)
            struct = __import__("ordod.service.params", fromlist=["read"]).read(
                method.params, json.loads(json.dumps(params, default=str))
            )

            assert method.accounts(struct) != (), method.name
