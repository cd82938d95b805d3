"""Zerodha, simulated: Kite Connect v3 and the login pages of kite.zerodha.com around the paper exchange.

An independent reading of the fact sheet, of Kite's own sample answers and of its SDK (kiteconnect 5.2.2): nothing here knows
the adapter. `ZerodhaSim` is pure: no socket, no clock; `server.py` puts it on a port.

- `handle` carries one request out and answers it.
- `answer` does the same under `faults`: the answer may be lost, late, cut or a lie.
- `desk.deeds` and `requests` are the ground truth that tests compare with.
"""

import random
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from ordod.paper.exchange import Exchange as Paper
from ordod.paper.hours import Hours
from ordod.paper.market import Listing, listings
from ordod.sim.faults import Fault, FaultKind, Faults
from ordod.sim.message import Answer, Ending, Headers, Reply, Request
from ordod.sim.zerodha.accounts import Accounts, App, Client
from ordod.sim.zerodha.api import Api
from ordod.sim.zerodha.envelope import JSON, KiteError, success
from ordod.sim.zerodha.limits import Limits
from ordod.sim.zerodha.market import Market, nifty_options
from ordod.sim.zerodha.orders import Deed, Desk, Wish
from ordod.sim.zerodha.portfolio import Portfolio

__all__ = ["App", "Client", "Deed", "Seen", "ZerodhaSim"]

REJECTIONS = {
    "funds": (
        400,
        "MarginException",
        "Insufficient funds. Required margin is 9500.00 but available margin is 1200.50.",
    ),
    "holdings": (400, "HoldingException", "Insufficient holdings to sell."),
    "input": (400, "InputException", "Invalid `price`."),
    "order": (400, "OrderException", "Order rejected by the risk management."),
    "closed": (400, "OrderException", "Markets are closed right now. Use AMO for placing orders."),
    "depository": (428, "OrderException", "1 quantity needs authorisation at depository."),
}
TIMED_OUT = "Order request timed out. Please check the order book and confirm before placing again."
HIDDEN_FIELDS = frozenset({"password", "twofa_value", "checksum"})  # never kept in `requests`
PLAIN = Wish()


class Seen(Struct, frozen=True, kw_only=True):
    """One request that arrived whole. `status` is what was decided, sent or not; `fault` what befell it."""

    at: datetime
    method: str
    path: str
    form: dict[str, str]
    status: int
    fault: str = ""


class _Late(Struct, frozen=True):
    due: datetime
    request: Request


class ZerodhaSim:
    """One broker.

    Args:
        seed: the market, tokens and chance faults all come from it.
        now: the day whose instruments are listed.
        hours: None: the market is always open.
        limits: False: no 429 from the broker's own counting.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        now: datetime,
        cash: Decimal = Decimal(10_000_000),
        clients: tuple[Client, ...] = (Client(),),
        apps: tuple[App, ...] = (App(),),
        hours: Hours | None = None,
        limits: bool = True,
    ) -> None:
        listed = _listed(now)
        chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.faults = Faults(seed)
        self.paper = Paper(listed, seed=seed, cash=cash, hours=hours)
        self.market = Market(listed, self.paper)
        self.desk = Desk(self.paper, self.market, chance)
        self.portfolio = Portfolio(self.paper, self.market, self.desk)
        self.accounts = Accounts(clients, apps, chance)
        self.api = Api(
            self.accounts, Limits(enforced=limits), self.market, self.desk, self.portfolio
        )
        self.requests: list[Seen] = []
        self._late: list[_Late] = []
        self._copies: dict[tuple[str, str], Answer] = {}  # what each reader was last told

    # The two ways in

    def handle(
        self, method: str, target: str, headers: Headers, body: bytes, now: datetime
    ) -> Answer:
        """One request carried out and answered, faults aside."""
        self.advance(now)
        return self._carry_out(Request.read(method, target, headers, body), now)

    def answer(
        self, method: str, target: str, headers: Headers, body: bytes, now: datetime
    ) -> Reply:
        """One request under the faults that wait for it."""
        self.advance(now)
        request = Request.read(method, target, headers, body)
        fault = self.faults.take(request.method, request.path)
        reply = (
            Reply(self._carry_out(request, now))
            if fault is None
            else self._spoil(fault, request, now)
        )
        self.requests.append(
            Seen(
                at=now,
                method=request.method,
                path=request.path,
                form={
                    name: value for name, value in request.form.items() if name not in HIDDEN_FIELDS
                },
                status=reply.answer.status,
                fault=str(fault.kind) if fault else "",
            )
        )
        return reply

    def advance(self, now: datetime) -> None:
        """Let the market move, and carry out what was held back until now."""
        self.paper.advance(now)
        self.desk.advance(now)
        due = [late for late in self._late if late.due <= now]
        if due:
            self._late = [late for late in self._late if late.due > now]
            for late in due:
                self._carry_out(late.request, now)

    def new_day(self, now: datetime) -> None:
        """The night is over: the book of the day before is gone."""
        listed = _listed(now)
        self.paper.new_day(now, listed)
        self.market.take_in(listed)
        self.desk.new_day(now)
        self._copies.clear()

    def place_by_hand(self, user: str, variety: str, form: dict[str, str], now: datetime) -> str:
        """An order placed in another app: no tag of ours, no API limit. Returns its id. Raises KiteError."""
        placed = self.api.place(user, variety, form, now, Wish(origin="hand"))
        return str(placed["order_id"])

    def _carry_out(self, request: Request, now: datetime, wish: Wish = PLAIN) -> Answer:
        answer = self.api.carry_out(request, now, wish)
        if request.method == "GET" and answer.status == 200:
            self._copies[request.headers.get("authorization", ""), request.path] = answer
        return answer

    # Faults

    def _spoil(self, fault: Fault, request: Request, now: datetime) -> Reply:
        """What becomes of a request that a fault befell."""

        def done(wish: Wish = PLAIN) -> Answer:
            return self._carry_out(request, now, wish)

        nothing = Answer(0, (), b"")
        match fault.kind:
            case FaultKind.LOSE_BEFORE:
                return Reply(nothing, Ending.CLOSE)
            case FaultKind.LOSE_AFTER:
                return Reply(done(), Ending.CLOSE)
            case FaultKind.RESET:
                return Reply(done() if fault.executed else nothing, Ending.RESET)
            case FaultKind.HANG:
                return Reply(done() if fault.executed else nothing, Ending.HANG)
            case FaultKind.DELAY:
                return Reply(done(), delay_s=fault.seconds)
            case FaultKind.STATUS:
                if fault.executed:
                    done()
                return Reply(Answer(fault.status, (("content-type", "text/html"),), fault.page()))
            case FaultKind.HALF:
                return Reply(done(), Ending.HALF)
            case FaultKind.GARBAGE:
                done()
                return Reply(Answer(200, JSON, b'{"status":"success","data":{"order_id":\x00\xff'))
            case FaultKind.NO_ORDER_ID:
                done()
                return Reply(success({}))
            case FaultKind.DEAD_SESSION:
                for client in self.accounts.clients:
                    self.accounts.end_all(client)
                return Reply(done())
            case FaultKind.REJECT:
                return Reply(KiteError(*REJECTIONS[fault.reason]).answer())
            case FaultKind.TIMED_OUT_400:
                if fault.executed:
                    done()
                return Reply(KiteError.bad_input(TIMED_OUT).answer())
            case FaultKind.LATE:
                self._late.append(_Late(now + timedelta(seconds=fault.seconds), request))
                if fault.status == 400:
                    return Reply(KiteError.bad_input(TIMED_OUT).answer())
                return Reply(nothing, Ending.CLOSE)
            case FaultKind.INVISIBLE:
                return Reply(done(Wish(invisible_s=fault.seconds)))
            case FaultKind.HIDE_TAG:
                return Reply(done(Wish(hides_tag=True)))
            case FaultKind.STALE:
                reader = (request.headers.get("authorization", ""), request.path)
                return Reply(self._copies.get(reader) or success([]))


def _listed(now: datetime) -> tuple[Listing, ...]:
    listed = listings(now.date())
    return (*listed, *nifty_options(listed))
