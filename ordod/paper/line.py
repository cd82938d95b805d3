"""Paper accounts as the core sees them: the port `Brokers`, with the broker in the same process.

A request is admitted and carried out without a turn of the event loop between. Only where the broker's own book cannot be
written is the answer lost.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation

from ordod.adapter import BrokerSpec, HttpRequest, HttpResponse
from ordod.core.ports import Admit, Clock, DiskError, Line, LineSettings, Lost, Unsent
from ordod.domain.calendar import WEEKDAYS, Calendar
from ordod.paper.broker import CASH, PaperBroker

__all__ = ["PaperBrokers", "PaperLine", "paper_brokers", "paper_options"]

ALWAYS = "always"
HOURS = {ALWAYS: False, "market": True}


class PaperLine(Line):
    """One user's way to the broker. `boot` past the deadline is Unsent, as it would be on a socket."""

    def __init__(self, broker: PaperBroker, user: str, clock: Clock) -> None:
        self._broker = broker
        self._user = user
        self._clock = clock

    async def send(
        self, request: HttpRequest, *, deadline: float, admit: Admit | None = None
    ) -> HttpResponse:
        if self._clock.boot() > deadline:
            raise Unsent("the deadline has passed")
        now = self._clock.now()
        if admit is not None:
            admit()
        try:
            return self._broker.handle(self._user, request, now)
        except DiskError as error:
            raise Lost(f"the paper broker's book: {error}", self._clock.boot()) from None

    async def warm(self) -> None:
        """There is no connection."""

    def reset_writes(self) -> int:
        """No request is ever unanswered."""
        return 0

    async def aclose(self) -> None:
        """There is no connection."""


class PaperBrokers:
    """The port `Brokers` for accounts of broker `paper`: they share one exchange and can trade with each other.

    Args:
        cash: account -> rupees it begins with; the rest have a million.
        hours: the exchange's, as the option says them.
    """

    def __init__(
        self, broker: PaperBroker, clock: Clock, cash: Mapping[str, Decimal], hours: str = ALWAYS
    ) -> None:
        self.broker = broker
        self.hours = hours
        self._clock = clock
        self._cash = dict(cash)

    def expect(self, accounts: Mapping[str, Mapping[str, str]]) -> None:
        """Accounts that may come, with their options. Raises ValueError as `paper_brokers` does, and where the hours are others."""
        cash, hours = paper_options(accounts)
        if hours not in (None, self.hours):
            raise ValueError(
                f"hours {hours!r}: the paper exchange runs with {self.hours!r} until ordod is restarted"
            )
        self._cash |= cash

    def line(self, spec: BrokerSpec, settings: LineSettings) -> Line:
        """The account's name is the user."""
        assert spec.id == "paper"
        user = settings.account
        self.broker.open_account(user, self._cash.get(user, CASH), self._clock.now())
        return PaperLine(self.broker, user, self._clock)


def paper_brokers(
    accounts: Mapping[str, Mapping[str, str]],
    clock: Clock,
    *,
    calendar: Calendar = WEEKDAYS,
    saved: bytes = b"",
    save: Callable[[bytes], None] | None = None,
) -> PaperBrokers:
    """All paper accounts of a daemon, around one broker.

    Args:
        accounts: account -> its options (`spec.options`).
        calendar: the hours of those with `hours = "market"`.
        saved, save: the broker's book, `STATE/paper/exchange.ndjson`.
    Raises:
        ValueError: an option has no such value, accounts disagree about the hours, or the book is damaged.
    """
    cash, given = paper_options(accounts)
    hours = given or ALWAYS
    broker = PaperBroker(
        clock.now(), calendar=calendar if HOURS[hours] else None, saved=saved, save=save
    )
    return PaperBrokers(broker, clock, cash, hours)


def paper_options(
    accounts: Mapping[str, Mapping[str, str]],
) -> tuple[dict[str, Decimal], str | None]:
    """What each begins with, and the hours of all; None: there is no account. Raises ValueError."""
    cash: dict[str, Decimal] = {}
    hours: set[str] = set()
    for account, options in accounts.items():
        try:
            cash[account] = Decimal(options.get("cash", CASH))
        except InvalidOperation:
            raise ValueError(f"accounts.{account}: cash {options['cash']!r} is no amount") from None
        if not (cash[account].is_finite() and 0 <= cash[account] < 10**12):
            raise ValueError(f"accounts.{account}: cash {cash[account]} is out of range")
        hours.add(options.get("hours", ALWAYS))
    if unknown := hours - set(HOURS):
        raise ValueError(f"hours {min(unknown)!r}: it is always or market")
    if len(hours) > 1:
        raise ValueError("all paper accounts share one exchange: give them the same hours")
    return cash, hours.pop() if hours else None
