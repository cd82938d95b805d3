"""A session keeper with a broker that does what a test says, and a journal that outlives it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import anyio

from ordod.adapter import (
    Adapter,
    Ask,
    BrokerError,
    Credentials,
    Dialogue,
    Fault,
    HttpRequest,
    HttpResponse,
    LoginDialogue,
    Secret,
    Session,
)
from ordod.core.events import Events
from ordod.core.mornings import Mornings
from ordod.core.orders.book import Book
from ordod.core.orders.ledger import Ledger
from ordod.core.orders.opening import open_journal
from ordod.core.ports import Admit, Line
from ordod.core.sessions import SessionKeeper, SessionState
from ordod.core.skew import MeasuringLine, Skew
from ordod.core.tasks import Tasks
from tests.core.making import closed_on
from tests.core.world import BEGINS, LoopClock, with_spec
from tests.simulation.disk import TearingDisk
from tests.simulation.ports import SeededRandom

__all__ = ["TOTP", "Banyan", "Bench", "MemoryVault", "PlainLine", "keeping"]

TOTP = Secret("JBSWY3DPEHPK3PXP" * 2)
SPEC = with_spec(id="banyan", name="Banyan", credentials={"": ("password",)}).spec


class Banyan(Adapter):
    """A broker whose login sends a request, asks what the test says, and ends as the test says."""

    spec = SPEC

    def __init__(self) -> None:
        self.asks: list[Ask] = []
        self.ends: list[Any] = []  # faults and users, one a login; then user AB1
        self.answers: list[str] = []
        self.tokens: list[Secret | None] = []
        self.logins = 0
        self.lives_s: float | None = None
        self.logged_out: list[str] = []
        self.bug = False
        self.method = "POST"
        self.looks = False
        self.until: Callable[[datetime], datetime] | None = None  # when sessions end
        self.alive: Callable[[Session], bool] = lambda session: True

    def login(self, credentials: Credentials, now: Any) -> LoginDialogue:
        self.logins += 1
        self.tokens.append(credentials.access_token)
        if not credentials.password and not credentials.access_token:
            raise BrokerError(Fault.AUTH_DENIED, "the account lacks password")
        yield HttpRequest(self.method, "rest", "/login", "session", looks=self.looks)
        if self.bug:
            raise ZeroDivisionError
        for ask in self.asks:
            answer = yield ask
            assert isinstance(answer, str)
            self.answers.append(answer)
        end = self.ends.pop(0) if self.ends else "AB1"
        if isinstance(end, Fault):
            raise BrokerError(end, f"broker says {end}")
        return Session(
            user_id=end,
            access_token=credentials.access_token or Secret(f"token {self.logins}"),
            expires_at=self._end(now),
        )

    def _end(self, now: datetime) -> datetime | None:
        if self.until is not None:
            return self.until(now)
        return now + timedelta(seconds=self.lives_s) if self.lives_s else None

    def user(self, session: Session) -> Dialogue[str]:
        yield HttpRequest("GET", "rest", "/user", "session")
        if not self.alive(session):
            raise BrokerError(Fault.AUTH_EXPIRED, "token invalid")
        return session.user_id

    def logout(self, session: Session) -> Dialogue[None]:
        self.logged_out.append(session.access_token.reveal())
        yield HttpRequest("DELETE", "rest", "/login", "session")


class PlainLine(Line):
    """Answers 200, or fails as the test says, once each. `broker_now`: the broker's clock, shown in each answer."""

    def __init__(self) -> None:
        self.fails: list[Exception] = []
        self.takes_s = 0.0
        self.sent: list[HttpRequest] = []
        self.broker_now: Callable[[], datetime] | None = None

    async def send(
        self, request: HttpRequest, *, deadline: float, admit: Admit | None = None
    ) -> HttpResponse:
        await anyio.sleep(self.takes_s)
        if self.fails:
            raise self.fails.pop(0)
        self.sent.append(request)
        if self.broker_now is None:
            return HttpResponse(200)
        date = format_datetime(self.broker_now().astimezone(UTC), usegmt=True)
        return HttpResponse(200, (("date", date),))

    async def warm(self) -> None:
        """There is no connection."""

    def reset_writes(self) -> int:
        return 0

    async def aclose(self) -> None:
        """There is no connection."""


class MemoryVault:
    """Fulfils `Vault`."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def find(self, account: str) -> bytes | None:
        return self.kept.get(account)

    async def keep(self, account: str, content: bytes | None) -> None:
        if content is None:
            self.kept.pop(account, None)
        else:
            self.kept[account] = content


class Bench:
    """A keeper, its broker, and a journal that outlives it.

    Args:
        begins: the wall clock's time at the beginning.
        holidays: weekdays without a market.
        vault: where sessions are kept; None: nowhere.
    """

    def __init__(
        self,
        begins: datetime = BEGINS,
        *,
        holidays: tuple[date, ...] = (),
        vault: MemoryVault | None = None,
    ) -> None:
        self.clock = LoopClock(begins)
        self.mornings = Mornings(closed_on(holidays))
        self.vault = vault
        self.disk = TearingDisk()
        self.broker = Banyan()
        self.line = PlainLine()
        self.credentials: dict[str, Any] = {"password": Secret("pw")}
        self.learned: list[Secret] = []
        self.book = Book()
        self.keeper: SessionKeeper
        self.ledger: Ledger

    @asynccontextmanager
    async def life(
        self, *, user_id: str = "", adapter: Adapter | None = None
    ) -> AsyncIterator["Bench"]:
        self.book = Book()
        journal = await open_journal(
            self.disk,
            self.clock,
            SeededRandom(),
            apply=self.book.apply,
            load=self.book.load,
        )
        self.ledger = Ledger(journal, self.book, Events(self.book))
        skew = Skew(self.clock)
        self.keeper = SessionKeeper(
            "acc",
            adapter=adapter or self.broker,
            line=MeasuringLine(self.line, skew, self.clock),
            ledger=self.ledger,
            clock=self.clock,
            credentials=lambda: Credentials(**self.credentials),
            skew=skew,
            mornings=self.mornings,
            vault=self.vault,
            user_id=user_id,
            learned=self.learned.append,
        )
        for _, note, at in self.book.account_notes:
            self.keeper.remember(note, at)
        async with anyio.create_task_group() as group:
            group.start_soon(journal.run)
            Tasks(group).keep_running("session", self.keeper.run)
            yield self
            group.cancel_scope.cancel()

    def is_(self, state: SessionState) -> Callable[[], bool]:
        return lambda: self.keeper.state is state

    async def ensure(self, within_s: float = 10.0) -> Session:
        return await self.keeper.ensure(self.clock.boot() + within_s)


@asynccontextmanager
async def keeping(*, bench: Bench | None = None, **settings: Any) -> AsyncIterator[Bench]:
    async with (bench or Bench()).life(**settings) as living:
        yield living
