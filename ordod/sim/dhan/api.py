"""Which request does what: auth.dhan.co, images.dhan.co and api.dhan.co/v2, one after the other (dhan.md 2 to 8)."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from ordod.domain.gtt import BrokerGtt, NewGtt
from ordod.domain.orders import NewOrder, OrderType, Side
from ordod.domain.portfolio import Conversion
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.exchange import Refusal
from ordod.sim.desk import Desk
from ordod.sim.dhan.accounts import Accounts, Client
from ordod.sim.dhan.envelope import DATA_PATHS, DataError, DhanError, success
from ordod.sim.dhan.forms import (
    PRODUCTS,
    amount,
    body_of,
    one_of,
    read_changes,
    read_leg,
    read_order,
    whole,
)
from ordod.sim.dhan.limits import Limits
from ordod.sim.dhan.market import Market
from ordod.sim.dhan.rows import (
    basket_row,
    fund_row,
    gtt_rows,
    holding_row,
    margin_row,
    order_row,
    position_row,
    trade_row,
)
from ordod.sim.dhan.updates import pushed_order
from ordod.sim.message import Answer, Request
from ordod.sim.orders import PLAIN, Booked, Wish

__all__ = ["Api"]

T = TypeVar("T")
MODIFICATIONS_MAX = 25
GTT_IDS = 8_130_000_000_000  # a forever order's id, before the exchange's own number
CSV = (("content-type", "text/csv"),)
SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}


class Api:
    """Reads a request, lets the right part answer it, and turns what is refused into Dhan's words."""

    def __init__(
        self, accounts: Accounts, limits: Limits, market: Market, desk: Desk, paper: Paper
    ) -> None:
        self.accounts = accounts
        self.limits = limits
        self.market = market
        self.desk = desk
        self._paper = paper
        self._after_market: set[str] = set()  # order ids

    def carry_out(self, request: Request, now: datetime, wish: Wish = PLAIN) -> Answer:
        """One request, carried out if it may be."""
        try:
            return self._auth(request, now) or self._call(request, now, wish)
        except DhanError as refusal:
            return refusal.answer()

    def _auth(self, request: Request, now: datetime) -> Answer | None:
        """auth.dhan.co and images.dhan.co: no session."""
        match request.method, request.path:
            case "POST", "/app/generateAccessToken":
                return success(self.accounts.generate(request, now))
            case "POST", "/app/generate-consent":
                return success(self.accounts.consent(request, now))
            case "GET" | "POST", "/app/consumeApp-consent":
                return success(self.accounts.consume(request, now))
            case "GET", "/api-data/api-scrip-master-detailed.csv":
                return Answer(200, CSV, self.market.csv(now))
            case _:
                return None

    def _call(self, request: Request, now: datetime, wish: Wish) -> Answer:
        """api.dhan.co: the session first, then the limits, then the request."""
        client = self.accounts.authorised(request, now)
        user = client.client_id
        self.limits.admit(request.method, request.path, user, now)
        if request.path.startswith(DATA_PATHS):
            return self._data(request, client, now)
        match request.segments[0]:
            case "orders":
                return self._orders(request, user, now, wish)
            case "forever":
                return self._forever(request, user, now)
            case "positions":
                return self._positions(request, user, now)
            case _:
                return self._other(request, client, now)

    # Orders

    def _orders(self, request: Request, user: str, now: datetime, wish: Wish) -> Answer:
        match request.method, request.segments[1:]:
            case "GET", []:
                return success(self._rows(user, self.desk.visible(user, now)))
            case "GET", ["external", tag]:
                found = (b for b in self.desk.visible(user, now) if b.shown_tag == tag)
                return success(self._found(user, found))
            case "GET", [order_id]:
                shown = self.desk.shown(user, order_id, now)
                return success(self._found(user, [shown] if shown else []))
            case "POST", []:
                booked = self.place(user, body_of(request.body), now, wish)
                return success({"orderId": booked.order_id, "orderStatus": "TRANSIT"})
            case "PUT", [order_id]:
                self._modify(user, order_id, body_of(request.body), now)
                return success({"orderId": order_id, "orderStatus": "TRANSIT"})
            case "DELETE", [order_id]:
                with_refusals(lambda: self.desk.cancel(user, order_id, now, asked={}))
                return success({"orderId": order_id, "orderStatus": "CANCELLED"}, 202)
            case _:
                raise _no_route()

    def place(self, user: str, body: Mapping[str, Any], now: datetime, wish: Wish) -> Booked:
        """`POST /orders`. A refused placement is a deed too."""
        try:
            _check_user(user, body)
            contract = self.market.find(body.get("exchangeSegment"), body.get("securityId"))
            terms = read_order(body, contract)
        except DhanError as refusal:
            tag = str(body.get("correlationId") or "")
            self.desk.refused("place", user, now, refusal.message, body, tag=tag)
            raise
        held = bool(body.get("afterMarketOrder"))
        booked = with_refusals(
            lambda: self.desk.place(user, terms, now, wish, asked=body, held=held)
        )
        if held:
            self._after_market.add(booked.order_id)
        return booked

    def _modify(self, user: str, order_id: str, body: Mapping[str, Any], now: datetime) -> None:
        try:
            _check_user(user, body)
            changes = read_changes(body)
            booked = self.desk.mine(user, order_id)
            if booked is not None and booked.modifications >= MODIFICATIONS_MAX:
                raise DhanError.order("Maximum modifications of this order are reached")
        except DhanError as refusal:
            self.desk.refused("modify", user, now, refusal.message, body, order_id=order_id)
            raise
        with_refusals(lambda: self.desk.modify(user, order_id, changes, now, asked=body))

    def _rows(self, user: str, booked: Iterable[Booked]) -> list[dict[str, Any]]:
        return [
            order_row(
                one, user, self.market.of(one.terms.symbol), amo=one.order_id in self._after_market
            )
            for one in booked
        ]

    def pushed(self, user: str, now: datetime) -> list[dict[str, Any]]:
        """The orders of this user, as the order update socket tells them."""
        booked = tuple(self.desk.visible(user, now))
        return [
            pushed_order(row, self.market.of(one.terms.symbol))
            for one, row in zip(booked, self._rows(user, booked), strict=True)
        ]

    def _found(self, user: str, booked: Iterable[Booked]) -> list[dict[str, Any]]:
        rows = self._rows(user, booked)
        if not rows:
            raise DhanError.order("Order not found")
        return rows

    # Forever orders

    def _forever(self, request: Request, user: str, now: datetime) -> Answer:
        match request.method, request.segments[1:]:
            case "GET", ["orders" | "all"]:
                rows: list[dict[str, Any]] = []
                for gtt in self.gtts(user, now):
                    contract = self.market.of(gtt.symbol)
                    rows += gtt_rows(gtt, _gtt_id(gtt), user, contract)
                return success(rows)
            case "POST", ["orders"]:
                body = body_of(request.body)
                gtt_id = self._do("gtt_place", user, now, lambda: self._arm(user, body, now), body)
                made = str(GTT_IDS + int(gtt_id))
                return success({"orderId": made, "orderStatus": "PENDING"})
            case "PUT", ["orders", order_id]:
                body = body_of(request.body)

                def change() -> None:
                    self._paper.modify_gtt(
                        user, _paper_id(order_id), self._changed(user, order_id, body, now), now
                    )

                self._do("gtt_modify", user, now, change, body, order_id)
                return success({"orderId": order_id, "orderStatus": "PENDING"})
            case "DELETE", ["orders", order_id]:

                def end() -> None:
                    self._paper.cancel_gtt(user, _paper_id(order_id), now)

                self._do("gtt_delete", user, now, end, {}, order_id)
                return success({"orderId": order_id, "orderStatus": "CANCELLED"}, 202)
            case _:
                raise _no_route()

    def gtts(self, user: str, now: datetime) -> list[BrokerGtt]:
        """Those of this user, and in the book whatever they released."""
        found = [gtt.row() for gtt in self._paper.gtts(user)]
        for gtt in found:
            self.desk.adopt(user, gtt, now)
        return found

    def _arm(self, user: str, body: Mapping[str, Any], now: datetime) -> str:
        _check_user(user, body)
        contract = self.market.find(body.get("exchangeSegment"), body.get("securityId"))
        is_oco = one_of(body, "orderFlag", {"SINGLE": False, "OCO": True})
        legs = [read_leg(body, suffix) for suffix in (("", "1") if is_oco else ("",))]
        legs.sort(key=lambda leg: leg.trigger_price)
        gtt = NewGtt(symbol=contract.symbol, legs=tuple(legs))
        return self._paper.place_gtt(user, gtt, now)

    def _changed(self, user: str, order_id: str, body: Mapping[str, Any], now: datetime) -> NewGtt:
        """The forever order with one leg changed: TARGET_LEG is the only one, or the upper one."""
        _check_user(user, body)
        known = next((gtt for gtt in self.gtts(user, now) if _gtt_id(gtt) == order_id), None)
        if known is None:
            raise DhanError.order("Order not found")
        legs = list(known.legs)
        place = one_of(body, "legName", {"TARGET_LEG": len(legs) - 1, "STOP_LOSS_LEG": 0})
        legs[place] = read_leg(body, "", legs[place])
        return NewGtt(symbol=known.symbol, legs=tuple(legs))

    # Portfolio

    def _positions(self, request: Request, user: str, now: datetime) -> Answer:
        match request.method, request.segments[1:]:
            case "GET", []:
                return success(
                    [
                        position_row(
                            one,
                            user,
                            self.market.of(one.symbol),
                            self._paper.last_price(one.symbol, now),
                        )
                        for one in self._paper.positions(user)
                    ]
                )
            case "POST", ["convert"]:
                body = body_of(request.body)
                self._do("convert", user, now, lambda: self._convert(user, body, now), body)
                return Answer(202, (), b"")
            case _:
                raise _no_route()

    def _convert(self, user: str, body: Mapping[str, Any], now: datetime) -> None:
        contract = self.market.find(body.get("exchangeSegment"), body.get("securityId"))
        conversion = Conversion(
            symbol=contract.symbol,
            side=one_of(body, "positionType", {"LONG": Side.BUY, "SHORT": Side.SELL}),
            quantity=whole(body, "convertQty"),
            from_product=one_of(body, "fromProductType", PRODUCTS),
            to_product=one_of(body, "toProductType", PRODUCTS),
        )
        self._paper.convert(user, conversion, now)

    def _other(self, request: Request, client: Client, now: datetime) -> Answer:
        user = client.client_id
        match request.method, request.segments:
            case "GET", ["profile"]:
                return success(self.accounts.profile(client))
            case "GET", ["RenewToken"]:
                return success(self.accounts.renew(client, now))
            case "GET", ["trades", *rest]:
                return success(
                    [
                        trade_row(fill, b.order_id, user, self.market.of(fill.symbol))
                        for fill, b in self.desk.fills(user, now)
                        if not rest or rest == [b.order_id]
                    ]
                )
            case "GET", ["holdings"]:
                return success(self._holdings(user, now))
            case "GET", ["fundlimit"]:
                return success(fund_row(self._paper.funds(user), user))
            case "POST", ["margincalculator"]:
                terms = [self._asked(body_of(request.body))]
                margin = with_refusals(lambda: self._paper.margin(user, terms, now))
                return success(margin_row(margin, self._paper.funds(user).available))
            case "POST", ["margincalculator", "multi"]:
                items = body_of(request.body).get("scripList")
                if not isinstance(items, list) or not items:
                    raise DhanError.bad_input("Invalid scripList")
                terms = [self._asked(item) for item in items]
                return success(
                    basket_row(with_refusals(lambda: self._paper.margin(user, terms, now)))
                )
            case _:
                raise _no_route()

    def _holdings(self, user: str, now: datetime) -> list[dict[str, Any]]:
        held = self._paper.holdings(user)
        if not held:
            raise DhanError(500, "DH-1111", "No holdings available")
        return [
            holding_row(one, self.market.of(one.symbol), self._paper.last_price(one.symbol, now))
            for one in held
        ]

    def _asked(self, item: Mapping[str, Any]) -> NewOrder:
        contract = self.market.find(item.get("exchangeSegment"), item.get("securityId"))
        return NewOrder(
            symbol=contract.symbol,
            side=one_of(item, "transactionType", SIDES),
            quantity=whole(item, "quantity"),
            type=OrderType.LIMIT,
            product=one_of(item, "productType", PRODUCTS),
            price=amount(item, "price"),
            tag=None,
        )

    # Market data

    def _data(self, request: Request, client: Client, now: datetime) -> Answer:
        """Paid for apart; quotes want the client's id beside the token (dhan.md 3, 7)."""
        if not client.data_plan:
            raise DataError(401, "806", "Data APIs not subscribed")
        asked = body_of(request.body)
        match request.method, request.segments:
            case "POST", ["marketfeed", ("ltp" | "ohlc" | "quote") as kind]:
                if request.headers.get("client-id") != client.client_id:
                    raise DataError(401, "810", "Client ID is invalid")
                return success(self.market.quotes(kind, asked, now))
            case "POST", ["charts", ("intraday" | "historical") as path]:
                return success(self.market.candles(path, asked, now))
            case _:
                raise _no_route()

    def _do(
        self,
        what: str,
        user: str,
        now: datetime,
        act: Callable[[], T],
        asked: Mapping[str, Any],
        order_id: str = "",
    ) -> T:
        """A change that is no order's, carried out and noted; a refused one is noted with its reason."""
        try:
            done = with_refusals(act)
        except DhanError as refusal:
            self.desk.refused(what, user, now, refusal.message, asked, order_id=order_id)
            raise
        self.desk.did(what, user, now, asked, order_id)
        return done


def with_refusals(act: Callable[[], T]) -> T:
    """What the exchange answers; its no as Dhan's."""
    try:
        return act()
    except Refusal as refusal:
        match str(refusal.fault):
            case "INVALID_INPUT" | "UNSUPPORTED":
                raise DhanError.bad_input(refusal.message) from None
            case "NOT_FOUND":
                raise DhanError.order("Order not found") from None
            case _:
                raise DhanError.order(refusal.message) from None


def _check_user(user: str, body: Mapping[str, Any]) -> None:
    if body.get("dhanClientId") != user:
        raise DhanError.bad_input("Invalid dhanClientId")


def _gtt_id(gtt: BrokerGtt) -> str:
    return str(GTT_IDS + int(gtt.broker_gtt_id))


def _paper_id(order_id: str) -> str:
    return str(int(order_id) - GTT_IDS) if order_id.isdecimal() else order_id


def _no_route() -> DhanError:
    return DhanError(404, "DH-905", "No such path")
