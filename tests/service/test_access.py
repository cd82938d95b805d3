"""Who may call what: every method of the table, for every role, everywhere and at single accounts (WIRE 3 and 7).

The table below is WIRE 3's column of roles, written down a second time. A call is only checked here, not carried out.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ordod.errors import Kind, OrdoError
from ordod.remote import TokenKeys
from ordod.service.methods import Call, Caller, Method, Role
from ordod.service.table import table
from ordod.tokens import TokenFile, TokenRole, Tokens
from ordod.wire.dispatch import Checked, Dispatcher, Send
from ordod.wire.guests import admitted
from ordod.wire.openrpc import discover
from tests.core.world import VIRTUAL, account, running_world
from tests.service.calling import client

LEAST: Mapping[Role, str] = {
    Role.READ: """account.list account.status order.get order.list order.trades order.history order.margin gtt.list
        portfolio.positions portfolio.holdings portfolio.funds market.quote market.ltp market.depth market.candles
        market.option_chain market.greeks market.status market.holidays instrument.get instrument.search
        instrument.expiries events.subscribe events.unsubscribe kill.status risk.limits risk.check journal.tail
        journal.verify rpc.discover system.authenticate system.ping system.version system.status system.config""",
    Role.TRADE: """order.place order.modify order.cancel order.cancel_all order.basket order.slice order.target
        gtt.place gtt.modify gtt.cancel portfolio.convert portfolio.close portfolio.close_all kill.engage deadman.arm
        deadman.beat deadman.disarm""",
    Role.ADMIN: """account.login account.otp account.logout order.resolve instrument.refresh kill.release
        journal.export system.reload system.shutdown alert.test""",
}
ROLE_OF = {name: role for role, names in LEAST.items() for name in names.split()}
EVERYWHERE = {"kill.engage", "kill.release", "journal.tail", "journal.verify", "journal.export"}
TOKEN_ROLES = (TokenRole.READ, TokenRole.TRADE, TokenRole.ADMIN)
NOON = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
GIVERS = [Role.NOBODY, Role.READ, Role.TRADE, Role.ADMIN]


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


def is_let_through(methods: list[Method], caller: Caller, name: str, params: Any) -> bool:
    """Whether the checks before a method let this call pass. Asserts that a refusal is one of rights."""
    started: list[Checked] = []
    answers: list[Any] = []

    def start(checked: Checked, _: Send) -> None:
        started.append(checked)

    dispatcher = Dispatcher(methods)
    request = {"jsonrpc": "2.0", "id": 1, "method": name, "params": params}
    message = dispatcher.parse(json.dumps(request, default=str).encode())
    dispatcher.begin(
        message, Call(caller), start, lambda answer: answers.append(json.loads(answer or b"{}"))
    )
    if not started:
        (answer,) = answers
        kind = Kind.FORBIDDEN if caller.role or any(caller.roles.values()) else Kind.UNAUTHENTICATED
        assert answer["error"]["data"]["kind"] == kind.name, (name, answer)
        assert dispatcher.tally.refused[caller.name, kind.name] == 1
    return bool(started)


def called(method: Method) -> dict[str, Any]:
    """Parameters that are in order: the document's own example."""
    return dict(method.examples[0].params) if method.examples else {}


async def test_every_method_asks_for_its_role_and_no_method_is_left_out() -> None:
    async with running_world(account(), account("second")) as world:
        methods = table(world.parts)
        methods.append(discover(methods, "1")[0])
        unknown = {method.name for method in methods} - set(ROLE_OF)

        assert not unknown, "a new method: say above who may call it"
        for method in methods:
            for role in GIVERS:
                passed = is_let_through(methods, Caller("x", role), method.name, called(method))

                assert passed is (role >= ROLE_OF[method.name]), (method.name, role)


async def test_a_role_at_one_account_opens_that_account_and_no_other() -> None:
    async with running_world(account(), account("second")) as world:
        methods = table(world.parts)
        at_one = [each for each in methods if called(each).get("account") == "paper"]

        assert len(at_one) > 20
        for method in at_one:
            for role in GIVERS[1:]:
                caller = Caller("x", Role.NOBODY, {"paper": role})
                params = called(method)
                is_enough = role >= ROLE_OF[method.name] and method.name not in EVERYWHERE

                assert is_let_through(methods, caller, method.name, params) is is_enough, method
                params["account"] = "second"
                assert not is_let_through(methods, caller, method.name, params), method.name


async def test_less_at_one_account_takes_away_there_and_from_what_touches_all() -> None:
    async with running_world(account(), account("second")) as world:
        methods = table(world.parts)
        caller = Caller("x", Role.ADMIN, {"second": Role.NOBODY})

        for method in methods:
            params = called(method)
            if params.get("account") != "paper":
                continue
            assert is_let_through(methods, caller, method.name, params), method.name
            params["account"] = "second"
            assert not is_let_through(methods, caller, method.name, params), method.name
        for name in EVERYWHERE & {method.name for method in methods}:
            method = next(each for each in methods if each.name == name)
            assert not is_let_through(methods, caller, name, called(method)), name


async def test_a_token_opens_what_its_role_opens_as_long_as_it_lives(tmp_path: Path) -> None:
    """Tokens as callers: made into the file, found in it, and walked through every method, with and without accounts."""
    now = [NOON]
    file = TokenFile(tmp_path / "tokens.json", now=lambda: now[0])
    ends_at = NOON + timedelta(hours=1)
    texts = {str(role): file.make(role, role, {}, ends_at)[0] for role in TOKEN_ROLES}
    at_one = {
        str(role): file.make(f"{role}-one", TokenRole.NOBODY, {"paper": role}, ends_at)[0]
        for role in TOKEN_ROLES
    }
    tokens = Tokens(file.path, now=lambda: now[0])
    keys = TokenKeys(tokens)

    async with running_world(account(), account("second")) as world:
        methods = table(world.parts)
        for name, text in texts.items():
            guest = admitted(keys, text)
            for method in methods:
                passed = is_let_through(methods, guest.caller, method.name, called(method))
                is_enough = Role[name.upper()] >= ROLE_OF[method.name]
                assert passed is is_enough, (method.name, name)
        for name, text in at_one.items():
            guest = admitted(keys, text)
            for method in (each for each in methods if called(each).get("account") == "paper"):
                params = called(method)
                is_enough = Role[name.upper()] >= ROLE_OF[method.name] and method.name not in EVERYWHERE  # fmt: skip
                assert is_let_through(methods, guest.caller, method.name, params) is is_enough
                params["account"] = "second"
                assert not is_let_through(methods, guest.caller, method.name, params), method.name

    file.revoke("read")
    for text in (texts["read"], "ordo_nobody", ""):
        with pytest.raises(OrdoError, match="nobody has this token"):
            admitted(keys, text)
    now[0] = ends_at
    for text in (texts["admin"], at_one["admin"]):
        with pytest.raises(OrdoError, match="has expired"):
            admitted(keys, text)
    tokens.close()


async def test_the_configuration_is_shown_of_accounts_that_one_may_read() -> None:
    async with running_world(account(), account("second")) as world:
        world.parts.shown_settings = {
            "accounts": {"paper": {"broker": "paper"}, "second": {"broker": "paper"}},
            "access": {"users": {"asha": {"role": "trade"}}, "groups": {}},
        }
        call = client(world)

        call.caller = Caller("x", Role.NOBODY, {"paper": Role.READ})
        of_one = (await call("system.config"))["config"]
        call.caller = Caller("x", Role.ADMIN)
        of_all = (await call("system.config"))["config"]

    assert list(of_one["accounts"]) == ["paper"]
    assert list(of_all["accounts"]) == ["paper", "second"]
    assert "access" not in of_one
    assert of_all["access"]["users"] == {"asha": {"role": "trade"}}


async def test_every_admin_call_is_journaled_with_who_made_it() -> None:
    async with running_world(account(), account("second")) as world:
        call = client(world)
        await call("kill.engage", reason="so that there is something to release")
        admin = [each for each in table(world.parts) if each.role is Role.ADMIN]
        # A doubt to resolve takes a broker that loses answers, and a reload a file: their own tests look at their records.
        apart = ("order.resolve", "system.reload")
        admin = [each for each in admin if each.name not in apart]
        admin.sort(key=lambda method: method.name == "system.shutdown")

        for method in admin:
            call.caller = Caller(f"uid:1 ({method.name})", Role.ADMIN)
            await call(method.name, **called(method))

        entries = (await call("journal.tail", limit=100))["entries"]
        callers = {entry.get("caller") for entry in entries}
        assert len(admin) >= 6
        assert {f"uid:1 ({method.name})" for method in admin} - callers == set()
