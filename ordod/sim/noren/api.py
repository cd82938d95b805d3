"""Which request does what: the session first, then the limits, then the request (noren.md 2 to 7)."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from ordod.domain.gtt import BrokerGtt, GttStatus
from ordod.domain.orders import NewOrder
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.exchange import Refusal
from ordod.sim.desk import Desk
from ordod.sim.message import Answer, Request
from ordod.sim.noren.accounts import Accounts
from ordod.sim.noren.envelope import NorenError, listing, success, text_of
from ordod.sim.noren.forms import (
    read_changes,
    read_conversion,
    read_gtt,
    read_order,
    read_terms,
)
from ordod.sim.noren.market import Market
from ordod.sim.noren.members import Profile
from ordod.sim.noren.rows import (
    gtt_row,
    holding_row,
    limits,
    order_row,
    position_row,
    trade_row,
)
from ordod.sim.orders import PLAIN, Booked, Wish

__all__ = ["Api", "Limits"]

T = TypeVar("T")
ORDERS = frozenset({"PlaceOrder", "ModifyOrder", "CancelOrder"})


class Limits:
    """How often one may ask, by calendar second and minute of the broker's own clock (noren.md 10)."""

    def __init__(self, profile: Profile, *, enforced: bool = True) -> None:
        self._profile = profile
        self._enforced = enforced
        self._counts: dict[tuple[str, str], tuple[str, int]] = {}

    def admit(self, user: str, endpoint: str, now: datetime) -> None:
        """Raises NorenError."""
        if not self._enforced or (self._profile.counts_orders and endpoint not in ORDERS):
            return
        spans = (("second", self._profile.per_second, 19), ("minute", self._profile.per_minute, 16))
        for span, most, letters in spans:
            window = now.isoformat()[:letters]
            at, seen = self._counts.get((user, span), ("", 0))
            seen = seen + 1 if at == window else 1
            self._counts[user, span] = (window, seen)
            if seen > most:
                raise NorenError(
                    f"Invalid Input :  Order Recieved {seen} in a current {span} exceeds Limit {most} for user"
                )


class Api:
    """Reads a request, lets the right part answer it, and turns what is refused into Noren's words."""

    def __init__(
        self,
        profile: Profile,
        accounts: Accounts,
        counts: Limits,
        market: Market,
        desk: Desk,
        paper: Paper,
    ) -> None:
        self.accounts = accounts
        self.market = market
        self.desk = desk
        self._profile = profile
        self._counts = counts
        self._paper = paper
        self._offline: set[str] = set()  # ids of after-market orders

    def carry_out(self, request: Request, now: datetime, wish: Wish = PLAIN) -> Answer:
        try:
            return self._open(request, now) or self._call(request, now, wish)
        except NorenError as refusal:
            return refusal.answer()

    def _open(self, request: Request, now: datetime) -> Answer | None:
        """What needs no session."""
        match request.method, request.path:
            case "POST", "/GenAcsTok" if not self._profile.is_keyed:
                return self.accounts.exchange(request, now)
            case "POST", "/apitoken" if self._profile.is_keyed:
                return self.accounts.api_token(request, now)
            case "GET", path:
                content = self.market.file(path)
                if content is None:
                    raise NorenError('Error Occurred : 1 "unknown request"', 404)
                return Answer(200, (("content-type", "application/octet-stream"),), content)
            case _:
                return None

    def _call(self, request: Request, now: datetime, wish: Wish) -> Answer:
        client, body = self.accounts.authorised(request, now)
        user, endpoint = client.uid, request.path.strip("/")
        self._counts.admit(user, endpoint, now)
        match endpoint:
            case "UserDetails":
                exchanges = ["NSE", "BSE", "NFO", "BFO", "CDS", "MCX"]
                return success(
                    now,
                    uid=user,
                    actid=user,
                    brkname=self._profile.broker,
                    exarr=exchanges,
                    orarr=["LMT", "SL-LMT"],
                )
            case "Logout":
                self.accounts.end_all(user)
                return success(now)
            case "PlaceOrder":
                return success(now, norenordno=self.place(user, body, now, wish).order_id)
            case "ModifyOrder":
                return self._modified(user, body, now)
            case "CancelOrder":
                order_id = text_of(body, "norenordno")
                with_refusals(lambda: self.desk.cancel(user, order_id, now, asked=body), "Cancel")
                return success(now, result=order_id)
            case "OrderBook":
                return listing([self._row(b, user) for b in self.desk.visible(user, now)])
            case "SingleOrdHist":
                booked = self.desk.shown(user, text_of(body, "norenordno"), now)
                return listing([self._row(booked, user)] if booked else [])
            case "TradeBook":
                fills = self.desk.fills(user, now)
                return listing([trade_row(f, b, user, self.market.of(f.symbol)) for f, b in fills])
            case _:
                return self._rest(endpoint, user, body, now)

    # Orders

    def _row(self, booked: Booked, user: str) -> dict[str, Any]:
        contract = self.market.of(booked.terms.symbol)
        return order_row(booked, user, contract, amo=booked.order_id in self._offline)

    def place(self, user: str, body: dict[str, Any], now: datetime, wish: Wish) -> Booked:
        """What the risk system refuses has a number and stands in the book, REJECTED. A refused placement is a deed too."""
        try:
            terms: NewOrder = read_order(body, self.market)
        except NorenError as refusal:
            tag = str(body.get("remarks") or "")
            self.desk.refused("place", user, now, refusal.message, body, tag=tag)
            raise
        held = "amo" in body
        booked = with_refusals(
            lambda: self.desk.place(user, terms, now, wish, asked=body, held=held)
        )
        if held:
            self._offline.add(booked.order_id)
        return booked

    def _modified(self, user: str, body: dict[str, Any], now: datetime) -> Answer:
        order_id = text_of(body, "norenordno")
        try:
            changes = read_changes(body, self.market)
        except NorenError as refusal:
            self.desk.refused("modify", user, now, refusal.message, body, order_id=order_id)
            raise
        with_refusals(lambda: self.desk.modify(user, order_id, changes, now, asked=body), "Modify")
        return success(now, result=order_id)

    # Everything else

    def _rest(self, endpoint: str, user: str, body: dict[str, Any], now: datetime) -> Answer:
        match endpoint:
            case "PositionBook":
                rows = [
                    position_row(p, self.market.of(p.symbol), self._last(p.symbol, now))
                    for p in self._paper.positions(user)
                ]
                return listing(rows)
            case "Holdings":
                held = self._paper.holdings(user)
                return listing([holding_row(h, self.market.of(h.symbol)) for h in held])
            case "Limits":
                return success(now, **limits(self._paper.funds(user)))
            case "ProductConversion":
                conversion = read_conversion(body, self.market)
                self._do(
                    "convert", user, now, lambda: self._paper.convert(user, conversion, now), body
                )
                return success(now)
            case "GetOrderMargin" | "GetBasketMargin":
                return self._margin(user, body, now)
            case "GetQuotes":
                return success(now, **self.market.quote(body, now))
            case "TPSeries":
                return listing(self.market.series(body, now))
            case "EODChartData":
                return listing(list(self.market.days(body, now)))
            case _ if self._profile.has_gtt:
                return self._gtt(endpoint, user, body, now)
            case _:
                raise NorenError('Error Occurred : 1 "unknown request"', 404)

    def _margin(self, user: str, body: dict[str, Any], now: datetime) -> Answer:
        terms = _understood(
            lambda: [read_terms(item, self.market) for item in (body, *body.get("basketlists", ()))]
        )
        needed = with_refusals(lambda: self._paper.margin(user, terms, now)).needed
        cash = str(self._paper.funds(user).available)
        told = {"cash": cash, "marginused": str(needed), "remarks": ""}
        if "basketlists" in body:
            told["marginusedtrade"] = str(needed)
        return success(now, **told)

    def _gtt(self, endpoint: str, user: str, body: dict[str, Any], now: datetime) -> Answer:
        def asked() -> Any:
            symbol = self.market.find(body).symbol
            last = {symbol: self._last(symbol, now)}
            return _understood(lambda: read_gtt(body, self.market, last))

        match endpoint:
            case "GetPendingGTTOrder":
                rows = [
                    gtt_row(gtt, user, self.market.of(gtt.symbol), self._last(gtt.symbol, now))
                    for gtt in self.gtts(user, now)
                    if gtt.status is GttStatus.ACTIVE
                ]
                return listing(rows)
            case "PlaceGTTOrder" | "PlaceOCOOrder":
                new = asked()
                made = self._do(
                    "gtt_place", user, now, lambda: self._paper.place_gtt(user, new, now), body
                )
                return success(now, stat="OI created", al_id=made)
            case "ModifyGTTOrder" | "ModifyOCOOrder":
                found, changed = text_of(body, "al_id"), asked()
                self._do(
                    "gtt_modify",
                    user,
                    now,
                    lambda: self._paper.modify_gtt(user, found, changed, now),
                    body,
                    found,
                )
                return success(now, stat="OI replaced", al_id=found)
            case "CancelGTTOrder" | "CancelOCOOrder":
                ended = text_of(body, "al_id")
                self._do(
                    "gtt_delete",
                    user,
                    now,
                    lambda: self._paper.cancel_gtt(user, ended, now),
                    body,
                    ended,
                )
                return success(now, stat="OI deleted", al_id=ended)
            case _:
                raise NorenError('Error Occurred : 1 "unknown request"', 404)

    def gtts(self, user: str, now: datetime) -> list[BrokerGtt]:
        """Those of this user, and in the book whatever they released."""
        found = [gtt.row() for gtt in self._paper.gtts(user)]
        for gtt in found:
            self.desk.adopt(user, gtt, now)
        return found

    def _last(self, symbol: str, now: datetime) -> Decimal:
        return self._paper.last_price(symbol, now)

    def _do(
        self,
        what: str,
        user: str,
        now: datetime,
        act: Callable[[], T],
        asked: dict[str, Any],
        order_id: str = "",
    ) -> T:
        """A change that is no order's, carried out and noted; a refused one is noted with its reason."""
        try:
            done = with_refusals(act)
        except NorenError as refusal:
            self.desk.refused(what, user, now, refusal.message, asked, order_id=order_id)
            raise
        self.desk.did(what, user, now, asked, order_id)
        return done


def _understood(read: Callable[[], T]) -> T:
    """What nested objects say; of another shape they are refused."""
    try:
        return read()
    except (LookupError, TypeError, ValueError, AttributeError):
        raise NorenError('Error Occurred : 2 "invalid input"') from None


def with_refusals(act: Callable[[], T], doing: str = "Place") -> T:
    """What the exchange answers; its no as Noren's."""
    try:
        return act()
    except Refusal as refusal:
        match str(refusal.fault):
            case "INVALID_INPUT" | "UNSUPPORTED":
                raise NorenError(f"Invalid Input :  {refusal.message}") from None
            case "NOT_FOUND":
                raise NorenError("Rejected : ORA:Order not found") from None
            case "INSUFFICIENT_FUNDS":
                raise NorenError("Rejected : RED:Margin Shortfall") from None
            case _:
                raise NorenError(f"Rejected : ORA:Order not found to {doing}") from None
