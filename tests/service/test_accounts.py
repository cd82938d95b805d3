"""`account.*` as people call it."""

from typing import Any

import pytest

from ordod.adapter import Ask, LoginDialogue, Session
from ordod.errors import Kind
from ordod.paper import PAPER
from tests.core.world import VIRTUAL, answers, request_is, running_world, until
from tests.service.calling import client


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


class Asking(type(PAPER)):  # type: ignore[misc]  # the paper broker with a question at its door
    def login(self, credentials: Any, now: Any) -> LoginDialogue:
        answer = yield Ask("page", "log in here", "https://example.invalid/login")
        self.answer = answer
        session: Session = yield from super().login(credentials, now)
        return session


async def test_an_account_that_can_trade_says_so() -> None:
    async with running_world() as world:
        for method in ("account.list", "account.status"):
            (shown,) = (await client(world)(method))["accounts"]

            assert (shown["account"], shown["state"], shown["user"]) == (
                "paper",
                "ACTIVE",
                "paper",
            )
            assert (shown["can_trade"], shown["why"], shown["todo"]) == (True, "", "")


async def test_an_account_that_cannot_trade_says_why() -> None:
    async with running_world() as world:
        call = client(world)
        account = world.parts.accounts["paper"]

        async def why() -> str:
            (shown,) = (await call("account.status", account="paper"))["accounts"]
            assert not shown["can_trade"]
            return str(shown["why"])

        for _ in range(5):
            account.breaker.failed(world.clock.boot())
        assert "could not be reached" in await why()
        account.is_read = False
        assert "not read yet" in await why()
        world.tables.masters["paper"].day = None
        assert "instruments" in await why()


async def test_a_login_that_asks_is_answered_over_the_socket() -> None:
    adapter = Asking()
    async with running_world(adapter=adapter, ready=False) as world:
        call = client(world)

        asked = await call("account.login", account="paper")
        done = await call("account.otp", account="paper", otp=" https://back.invalid?x=1 ")

        assert asked["state"] == "WAITING_OTP"
        assert asked["ask"]["url"] == "https://example.invalid/login"
        assert (done["state"], done["ask"]) == ("ACTIVE", None)
        assert adapter.answer == "https://back.invalid?x=1"
        assert world.records().count("admin") == 2


async def test_what_was_typed_is_never_journaled() -> None:
    async with running_world(adapter=Asking(), ready=False) as world:
        call = client(world)
        await call("account.login", account="paper")
        await call("account.otp", account="paper", otp="998877")

        text = b"".join(bytes(file.content) for file in world.disk.files.values())
        assert b"998877" not in text


async def test_a_logout_stops_the_account_until_a_login() -> None:
    async with running_world() as world:
        call = client(world)

        out = await call("account.logout", account="paper")
        (shown,) = (await call("account.status"))["accounts"]
        back = await call("account.login", account="paper")

        assert out["state"] == "DENIED"
        assert shown["todo"] == "ordoctl login paper"
        assert back["state"] == "ACTIVE"


async def test_nothing_is_done_that_cannot_be_journaled() -> None:
    async with running_world() as world:
        world.disk.fail_at(1)

        error = await client(world).refused("account.logout", account="paper")

        assert error.kind is Kind.JOURNAL_FAILED
        assert world.parts.accounts["paper"].keeper.session is not None


async def test_an_account_that_is_not_there_is_named() -> None:
    async with running_world() as world:
        for method in ("account.status", "account.login", "account.logout"):
            error = await client(world).refused(method, account="nobody")
            assert error.kind is Kind.UNKNOWN_ACCOUNT


async def test_an_expired_session_says_what_to_do() -> None:
    async with running_world() as world:
        keeper = world.parts.accounts["paper"].keeper
        world.line().always(answers(400, "UNKNOWN"), request_is("POST", "/login"))
        assert keeper.session is not None
        keeper.died(keeper.session, "expired")
        await until(lambda: keeper.state == "EXPIRED")

        (shown,) = (await client(world)("account.status"))["accounts"]

        assert shown["todo"] == "ordoctl login paper"
