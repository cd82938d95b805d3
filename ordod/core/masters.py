"""Each broker's instruments, fetched once a day when a session is there. Yesterday's serve until the new ones are whole.

Brokers write the day's file in the morning: what is fetched before TURN is still the day's before, and is fetched anew after.
"""

from collections.abc import Callable, Collection
from datetime import date, datetime, time, timedelta

import anyio
import structlog

from ordod.adapter import BrokerError
from ordod.core.account import Account
from ordod.core.ports import Clock, DiskError, Tables
from ordod.core.sessions import SessionState
from ordod.errors import Kind, OrdoError

__all__ = ["MasterKeeper"]

TURN = time(8, 30)  # IST; zerodha.md: made once a day, fetch after about 08:30
LOOK_S = 60.0  # how late a new day is noticed
FETCH_S = 60.0
PAUSES_S = (2.0, 5.0, 15.0, 60.0)  # after a fetch that failed
WAIT_S = 0.05  # for a session at the start: it should be quick
START_S = 10.0
PATIENT_S = 2.0  # later, when a login may be hours away

log = structlog.get_logger("masters")


class MasterKeeper:
    """Keeps one broker's table, through whichever of its accounts has a session.

    Args:
        accounts: every account there is, those that come later too.
    """

    def __init__(
        self,
        broker: str,
        accounts: Callable[[], Collection[Account]],
        *,
        clock: Clock,
        tables: Tables,
    ) -> None:
        self._broker = broker
        self._accounts = accounts
        self._clock = clock
        self._tables = tables
        self._failures = 0

    async def run(self) -> None:
        """Until cancelled."""
        began = self._clock.boot()
        while True:
            able = (a for a in self._accounts() if a.keeper.state is SessionState.ACTIVE)
            account = next((a for a in able if a.spec.id == self._broker), None)
            if account is None:
                is_starting = self._clock.boot() - began < START_S
                await anyio.sleep(WAIT_S if is_starting else PATIENT_S)
            elif self._is_stale():
                await self._fetch(account)
            else:
                await anyio.sleep(LOOK_S)

    def _is_stale(self) -> bool:
        loaded_on = self._tables.master(self._broker).loaded_on
        return loaded_on is None or loaded_on < _day(self._clock.now())

    async def _fetch(self, account: Account) -> None:
        try:
            await self.refresh(account)
        except OrdoError as error:
            pause_s = PAUSES_S[min(self._failures, len(PAUSES_S) - 1)]
            self._failures += 1
            log.warning("master_not_loaded", broker=self._broker, why=str(error), again_s=pause_s)
            await anyio.sleep(pause_s)
        else:
            self._failures = 0

    async def refresh(self, account: Account) -> int:
        """Fetch and load now; how many instruments there are. Raises OrdoError."""
        day = _day(self._clock.now())
        content = await account.read(account.adapter.master, deadline=self._clock.boot() + FETCH_S)
        try:
            count = await self._tables.load(self._broker, account.adapter, content, day)
        except (BrokerError, DiskError) as error:
            raise OrdoError(
                Kind.BROKER_ERROR, f"the instrument file of {self._broker} is of no use: {error}"
            ) from error
        log.info("master_loaded", broker=self._broker, instruments=count)
        ambiguous = self._tables.master(self._broker).ambiguous
        if ambiguous:
            # Nothing is ordered under them: the row that was meant cannot be told from the other.
            log.warning("names_of_two_contracts", broker=self._broker, symbols=ambiguous)
        return count


def _day(now: datetime) -> date:
    """The day whose file a broker has at this time."""
    return now.date() if now.time() >= TURN else now.date() - timedelta(days=1)
