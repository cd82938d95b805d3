"""A week of two accounts at a simulated Zerodha, from Monday to Monday on a fake clock: the whole daemon, nobody at the keyboard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from ordo_adapters.zerodha import ZERODHA
from ordod.adapter import BrokerSpec, Credentials, HttpRequest, HttpResponse, Secret
from ordod.app import running
from ordod.config import AccountSettings, Settings
from ordod.config.settings import DaemonSettings
from ordod.core import masters
from ordod.core.account import Account
from ordod.core.guard import kill
from ordod.core.orders import looking
from ordod.core.orders.desk import WantedOrder
from ordod.core.parts import Parts
from ordod.core.ports import Admit, Line, LineSettings, Ports, Unsent
from ordod.core.sessions import SessionState
from ordod.domain.calendar import LoadedCalendar
from ordod.domain.orders import OrderTerms, OrderType, Product, Side, Status
from ordod.errors import Kind, OrdoError
from ordod.sim.zerodha import App, Client, ZerodhaSim
from tests.core.keepers import MemoryVault
from tests.core.making import closed_on
from tests.core.world import VIRTUAL, LoopClock
from tests.simulation.disk import TearingDisk
from tests.simulation.near import MemoryTables, NoSignals
from tests.simulation.ports import IST, SeededRandom

MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=IST)
HOLIDAYS = (date(2026, 11, 24),)  # the Tuesday
ASHA = Client(user_id="ZX0001", password="asha-pw")
RAVI = Client(user_id="ZX0002", password="ravi-pw", totp_secret="KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU")


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


class OffClock(LoopClock):
    """This machine's clock; `off_s` of the true time."""

    off_s = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.off_s)

    def true(self) -> datetime:
        return super().now()


class _Wire(Line):
    def __init__(self, week: "Week") -> None:
        self._week = week

    async def send(
        self, request: HttpRequest, *, deadline: float, admit: Admit | None = None
    ) -> HttpResponse:
        await anyio.sleep(0.05)
        if self._week.is_down:
            raise Unsent("connection refused")
        if admit is not None:
            admit()
        content_type, body = request.body()
        headers = list(request.headers)
        if content_type:
            headers.append(("Content-Type", content_type))
        now = self._week.clock.true()
        answer = self._week.sim.answer(request.method, request.target(), headers, body, now).answer
        told = ("date", format_datetime(now.astimezone(UTC), usegmt=True))
        return HttpResponse(answer.status, (*answer.headers, told), answer.body)

    async def warm(self) -> None:
        """There is no connection."""

    def reset_writes(self) -> int:
        return 0

    async def aclose(self) -> None:
        """There is no connection."""


class Week:
    """Broker, clock and configuration; `passwords` is what the configuration says."""

    def __init__(self) -> None:
        self.clock = OffClock(MONDAY)
        self.sim = ZerodhaSim(seed=3, now=MONDAY, clients=(ASHA, RAVI))
        self.is_down = False
        self.passwords = {"asha": ASHA.password, "ravi": RAVI.password}
        self.parts: Parts
        self._keys = iter(range(1, 1000))

    def line(self, spec: BrokerSpec, settings: LineSettings) -> Line:
        return _Wire(self)

    def credentials(self, account: AccountSettings) -> Credentials:
        client = {"asha": ASHA, "ravi": RAVI}[account.name]
        return Credentials(
            user_id=client.user_id,
            api_key=Secret(App().api_key),
            api_secret=Secret(App().api_secret),
            password=Secret(self.passwords[account.name]),
            totp_secret=Secret(client.totp_secret),
            mode="headless",
        )

    @asynccontextmanager
    async def lives(self) -> AsyncIterator[None]:
        accounts = {
            name: AccountSettings(name=name, broker="zerodha", login="headless")
            for name in ("asha", "ravi")
        }
        settings = Settings(
            file=Path("ordod.conf"),
            daemon=DaemonSettings(socket=Path("ordod.sock"), state_dir=Path("state")),
            accounts=accounts,
        )
        ports = Ports(
            clock=self.clock,
            random=SeededRandom(),
            disk=TearingDisk(),
            brokers=self,
            signals=NoSignals(),
            tables=MemoryTables(),
            vault=MemoryVault(),
        )
        async with running(
            ports,
            settings,
            {"zerodha": ZERODHA},
            credentials_of=self.credentials,
            calendar=LoadedCalendar(closed_on(HOLIDAYS), "test"),
        ) as self.parts:
            yield

    def account(self, name: str) -> Account:
        return self.parts.accounts[name]

    def state(self, name: str) -> SessionState:
        return self.account(name).keeper.state

    @property
    def logins(self) -> int:
        return self.sim.accounts.logins

    async def until(self, day: int, hour: int, minute: int = 0) -> None:
        """Let time pass until then, in November by the true clock; the broker empties its books at six."""
        at = datetime(2026, 11, day, hour, minute, tzinfo=IST)
        while (now := self.clock.true()) < at:
            six = now.replace(hour=6, minute=0, second=0, microsecond=0)
            six = six if now < six else six + timedelta(days=1)
            await anyio.sleep((min(at, six) - now).total_seconds())
            if self.clock.true() >= six:
                self.sim.new_day(self.clock.true())

    async def trades(self, name: str) -> Status:
        """How a market order ends, as a bot would send it."""
        wanted = WantedOrder(
            account=name,
            key=f"day-{next(self._keys)}",
            terms=OrderTerms(
                symbol="NSE:INFY",
                side=Side.BUY,
                quantity=1,
                type=OrderType.MARKET,
                product=Product.CNC,
            ),
            caller="test",
            timeout_s=30,
        )
        order = (await self.parts.desk.place(wanted)).order
        with anyio.fail_after(30):
            while order.status in (Status.PENDING, Status.OPEN):
                await anyio.sleep(0.5)
                order = self.parts.book.view(self.parts.book.orders[order.order_id])
        return order.status


async def test_a_week(monkeypatch: pytest.MonkeyPatch) -> None:
    # What looks around all the time is made to look less often: a week has 600,000 seconds.
    monkeypatch.setattr(kill, "WATCH_S", 60.0)
    monkeypatch.setattr(looking, "IDLE_PAUSE_S", 120.0)
    monkeypatch.setattr(masters, "PATIENT_S", 60.0)
    week = Week()
    async with week.lives():
        # Monday: two logins by themselves, and trade.
        await week.until(23, 10, 5)
        assert [week.state("asha"), week.state("ravi")] == [SessionState.ACTIVE] * 2
        assert await week.trades("asha") is Status.FILLED
        assert await week.trades("ravi") is Status.FILLED
        assert week.logins == 2

        # Tuesday is a holiday: the sessions end at six, and nobody logs in for nothing.
        await week.until(24, 12)
        assert [week.state("asha"), week.state("ravi")] == [SessionState.EXPIRED] * 2
        assert "on Wed 25 Nov at 08:30" in week.account("asha").keeper.advice
        assert week.logins == 2

        # Wednesday: both are there before the market opens.
        await week.until(25, 9)
        assert [week.state("asha"), week.state("ravi")] == [SessionState.ACTIVE] * 2
        assert await week.trades("asha") is Status.FILLED
        assert week.logins == 4

        # Thursday: the broker is down from eight until ten to nine; nothing is spent, nobody is denied.
        await week.until(26, 8)
        week.is_down = True
        await week.until(26, 8, 50)
        assert week.state("asha") is SessionState.EXPIRED
        assert "could not be reached" in week.account("asha").keeper.advice
        week.is_down = False
        await week.until(26, 9)
        assert [week.state("asha"), week.state("ravi")] == [SessionState.ACTIVE] * 2
        assert await week.trades("ravi") is Status.FILLED
        assert week.logins == 6

        # Friday: asha changed her password and told nobody. One try, then a person; ravi trades on.
        new = replace(ASHA, password="another-pw")
        week.sim.accounts.clients[ASHA.user_id] = new
        tried = _refused_passwords(week)
        await week.until(27, 9)
        assert [week.state("asha"), week.state("ravi")] == [
            SessionState.DENIED,
            SessionState.ACTIVE,
        ]
        assert _refused_passwords(week) == tried + 1
        with pytest.raises(OrdoError, match="run: ordoctl login asha") as denied:
            await week.trades("asha")
        assert denied.value.kind is Kind.AUTH_DENIED
        assert await week.trades("ravi") is Status.FILLED
        week.passwords["asha"] = new.password
        await week.account("asha").keeper.login()
        assert await week.trades("asha") is Status.FILLED

        # Saturday and Sunday: nobody logs in, until somebody asks for something.
        logins = week.logins
        await week.until(28, 12)
        assert week.logins == logins
        funds = await week.account("asha").read(ZERODHA.funds, deadline=week.clock.boot() + 30)
        assert funds[0].available > Decimal(0)
        assert week.logins == logins + 1
        await week.until(30, 5)
        assert week.logins == logins + 1

        # Monday: this machine's clock lost 90 s over the weekend, and ravi's account was locked by his broker.
        week.clock.off_s = -90.0
        week.sim.accounts.lock(RAVI.user_id)
        await week.until(30, 9)
        assert [week.state("asha"), week.state("ravi")] == [
            SessionState.ACTIVE,
            SessionState.DENIED,
        ]
        assert "locked" in week.account("ravi").keeper.advice
        skew = week.account("asha").keeper.skew.seconds
        assert skew is not None
        assert abs(skew - 90) <= 1
        assert "clock is 9" in week.account("asha").keeper.reminder
        assert "behind" in week.account("asha").keeper.reminder
        assert await week.trades("asha") is Status.FILLED
        assert week.logins == logins + 2
        assert not week.parts.book.doubts()


def _refused_passwords(week: Week) -> int:
    return sum((seen.path, seen.status) == ("/api/login", 403) for seen in week.sim.requests)
