"""Which request does what (angelone.md 2 to 8)."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from msgspec.structs import replace

from ordod.domain.gtt import NewGtt
from ordod.domain.orders import NewOrder, OrderChanges, OrderTerms, OrderType
from ordod.domain.portfolio import Conversion
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.exchange import Refusal
from ordod.paper.orders import PaperGtt
from ordod.sim.angelone.accounts import Accounts, Login
from ordod.sim.angelone.envelope import AngelError, number, success
from ordod.sim.angelone.forms import (
    VARIETIES,
    ModifyForm,
    PlaceForm,
    read_body,
    read_gtt,
    read_modify,
    read_place,
    read_product,
    read_side,
    read_type,
    whole,
)
from ordod.sim.angelone.limits import Limits
from ordod.sim.angelone.market import Market
from ordod.sim.angelone.rows import (
    funds_row,
    gtt_row,
    holding_row,
    is_stop,
    order_row,
    position_row,
    total_row,
    trade_row,
    unique_id,
)
from ordod.sim.desk import Desk
from ordod.sim.message import Answer, Request
from ordod.sim.orders import PLAIN, Booked, Wish

__all__ = ["Api"]

AUTH = "/rest/auth/angelbroking"
SECURE = "/rest/secure/angelbroking"
MASTER = "/OpenAPI_File/files/OpenAPIScripMaster.json"
POSITIONS_MAX = 50  # of a margin request

Call: TypeAlias = Callable[["_Asked"], Any]


class _Asked:
    """One request of a session."""

    def __init__(self, login: Login, said: dict[str, Any], rest: str, now: datetime, wish: Wish):
        self.user = login.clientcode
        self.login = login
        self.said = said
        self.rest = rest  # what follows the path's name
        self.now = now
        self.wish = wish


class Api:
    """Reads a request, lets the right part answer it, and turns what is refused into Angel One's words."""

    def __init__(
        self,
        accounts: Accounts,
        limits: Limits,
        market: Market,
        desk: Desk,
        paper: Paper,
        *,
        has_hours: bool,
    ) -> None:
        self.accounts = accounts
        self.limits = limits
        self.market = market
        self.desk = desk
        self.paper = paper
        self._has_hours = has_hours
        self._calls: dict[tuple[str, str], Call] = {
            ("GET", "/user/v1/getProfile"): self._profile,
            ("POST", "/user/v1/logout"): self._logout,
            ("GET", "/user/v1/getRMS"): lambda a: funds_row(paper.funds(a.user)),
            ("POST", "/order/v1/placeOrder"): lambda a: self._placed(
                self.place(a.user, read_place(a.said), a.said, a.now, a.wish)
            ),
            ("POST", "/order/v1/modifyOrder"): self._modify,
            ("POST", "/order/v1/cancelOrder"): self._cancel,
            ("GET", "/order/v1/getOrderBook"): self._book,
            ("GET", "/order/v1/details/"): self._details,
            ("GET", "/order/v1/getTradeBook"): self._trades,
            ("GET", "/order/v1/getPosition"): self._positions,
            ("POST", "/order/v1/convertPosition"): self._convert,
            ("POST", "/order/v1/getLtpData"): lambda a: market.ltp(a.said, a.now),
            ("POST", "/order/v1/searchScrip"): lambda a: market.search(
                str(a.said.get("exchange")), str(a.said.get("searchscrip"))
            ),
            ("GET", "/portfolio/v1/getHolding"): lambda a: self._holdings(a) or None,
            ("GET", "/portfolio/v1/getAllHolding"): self._all_holdings,
            ("POST", "/margin/v1/batch"): self._margin,
            ("POST", "/market/v1/quote"): lambda a: market.quotes(a.said, a.now),
            ("POST", "/historical/v1/getCandleData"): lambda a: market.candles(a.said, a.now),
            ("POST", "/gtt/v1/createRule"): self._create_rule,
            ("POST", "/gtt/v1/modifyRule"): self._modify_rule,
            ("POST", "/gtt/v1/cancelRule"): self._cancel_rule,
            ("POST", "/gtt/v1/ruleDetails"): lambda a: self._rule_row(a, self._rule(a)),
            ("POST", "/gtt/v1/ruleList"): self._rules,
        }

    def carry_out(self, request: Request, now: datetime, wish: Wish = PLAIN) -> Answer:
        """One request, carried out if it may be."""
        if request.path == MASTER:
            return self.market.file()
        try:
            return success(self._answer(request, now, wish))
        except AngelError as refusal:
            return refusal.answer()

    def _answer(self, request: Request, now: datetime, wish: Wish) -> Any:
        """Headers first, then the session, then the limits, then the request."""
        api_key = self.accounts.check_headers(request)
        path = request.path.removeprefix("/gtt-service").rstrip("/")
        if path.startswith(AUTH):
            return self._enter(path.removeprefix(AUTH), api_key, request, now)
        login = self.accounts.authorised(request, api_key, now)
        name, rest = path.removeprefix(SECURE), ""
        if name.startswith("/order/v1/details/"):
            name, rest = "/order/v1/details/", name.removeprefix("/order/v1/details/")
        call = self._calls.get((request.method, name))
        if call is None or not path.startswith(SECURE):
            raise AngelError("AB1004", "Something Went Wrong, no such call")
        self.limits.admit(name.strip("/").rpartition("/")[2], login.clientcode, now)
        said = read_body(request.body) if request.method == "POST" else {}
        return call(_Asked(login, said, rest, now, wish))

    # Sessions

    def _enter(self, name: str, api_key: str, request: Request, now: datetime) -> Any:
        said = read_body(request.body)
        match request.method, name:
            case "POST", "/user/v1/loginByPassword":
                self.limits.admit("loginByPassword", str(said.get("clientcode")), now)
                login = self.accounts.log_in(api_key, said, now)
                more = {"state": said["state"]} if "state" in said else {}
                return _tokens(login) | more
            case "POST", "/jwt/v1/generateTokens":
                owner = self.accounts.authorised(request, api_key, now)
                self.limits.admit("generateTokens", owner.clientcode, now)
                return _tokens(self.accounts.renew(api_key, said, now))
            case _:
                raise AngelError("AB1004", "Something Went Wrong, no such call")

    def _profile(self, a: _Asked) -> dict[str, Any]:
        client = self.accounts.clients[a.user]
        return {
            "clientcode": client.clientcode,
            "name": client.name,
            "email": "",
            "mobileno": "",
            "exchanges": ["bse_cm", "nse_cm", "nse_fo", "mcx_fo"],
            "products": ["BO", "NRML", "CO", "CNC", "MIS", "MARGIN"],
            "lastlogintime": "",
            "broker": "",
        }

    def _logout(self, a: _Asked) -> str:
        self.accounts.end(a.login)
        return ""

    # Orders

    def place(
        self, user: str, form: PlaceForm, asked: dict[str, Any], now: datetime, wish: Wish
    ) -> Booked:
        """What the order system would refuse is taken and stands rejected in the book. Raises AngelError."""
        try:
            contract = self.market.find(form.exchange, form.symboltoken, form.tradingsymbol)
            terms = NewOrder(
                symbol=contract.symbol,
                side=form.side,
                quantity=form.quantity,
                type=form.type,
                product=form.product,
                price=form.price,
                trigger_price=form.trigger_price,
                validity=form.validity,
                disclosed_quantity=form.disclosed_quantity or None,
                tag=form.tag or None,
            )
            held = self._has_hours and not self.paper.is_open(contract.symbol, now)
            return self.desk.place(user, terms, now, wish, asked=asked, held=held)
        except AngelError as refusal:
            self.desk.refused("place", user, now, refusal.message, asked, tag=form.tag)
            raise
        except Refusal as refusal:
            raise _refused(refusal) from None

    def _placed(self, booked: Booked) -> dict[str, str]:
        script = self.market.of(booked.terms.symbol).tradingsymbol
        return {"script": script, **_ids(booked.order_id)}

    def _modify(self, a: _Asked) -> dict[str, str]:
        form = read_modify(a.said)
        booked = self._of_variety(a, form.variety, form.order_id, "modify")
        if booked is not None and self.market.of(booked.terms.symbol).token != form.symboltoken:
            raise AngelError("AB1018", "Failed to Get Symbol Details")
        changes = _changes(form, booked.terms) if booked is not None else OrderChanges()
        try:
            self.desk.modify(a.user, form.order_id, changes, a.now, asked=a.said)
        except Refusal as refusal:
            raise _refused(refusal) from None
        return _ids(form.order_id)

    def _cancel(self, a: _Asked) -> dict[str, str]:
        order_id = str(a.said.get("orderid", ""))
        variety = a.said.get("variety")
        if variety not in VARIETIES:
            words = f"Invalid Order Variety. Value should be {', '.join(VARIETIES)}."
            raise AngelError("AB1008", words)
        self._of_variety(a, variety, order_id, "cancel")
        try:
            self.desk.cancel(a.user, order_id, a.now, asked=a.said)
        except Refusal as refusal:
            raise _refused(refusal) from None
        return _ids(order_id)

    def _of_variety(self, a: _Asked, variety: str, order_id: str, what: str) -> Booked | None:
        """The order, under its own variety (angelone.md 4.4). Raises AngelError."""
        booked = self.desk.mine(a.user, order_id)
        if booked is not None and is_stop(booked) is not (variety == "STOPLOSS"):
            self.desk.refused(what, a.user, a.now, "variety", a.said, order_id=order_id)
            raise AngelError("AB1008", "Invalid Order Variety")
        return booked

    def _book(self, a: _Asked) -> list[dict[str, Any]] | None:
        for gtt in self.paper.gtts(a.user):
            self.desk.adopt(a.user, gtt.row(), a.now)
        rows = [self._row(booked) for booked in self.desk.visible(a.user, a.now)]
        return rows or None

    def _details(self, a: _Asked) -> dict[str, Any]:
        for booked in self.desk.visible(a.user, a.now):
            if unique_id(booked.order_id) == a.rest:
                return self._row(booked)
        raise AngelError("AB1013", "Order not found")

    def _row(self, booked: Booked) -> dict[str, Any]:
        return order_row(booked, self.market.of(booked.terms.symbol))

    def _trades(self, a: _Asked) -> list[dict[str, Any]] | None:
        fills = self.desk.fills(a.user, a.now)
        return [trade_row(f, b.order_id, self.market.of(f.symbol)) for f, b in fills] or None

    # Portfolio

    def _positions(self, a: _Asked) -> list[dict[str, str]] | None:
        rows = []
        for position in self.paper.positions(a.user):
            quote = self.market.quote(position.symbol, a.now)
            shown = replace(position, last_price=quote.last_price)
            close = quote.close_price or quote.last_price
            rows.append(position_row(shown, self.market.of(position.symbol), close))
        return rows or None

    def _holdings(self, a: _Asked) -> list[dict[str, Any]]:
        held = self.paper.holdings(a.user)
        return [holding_row(one, self.market.of(one.symbol)) for one in held]

    def _all_holdings(self, a: _Asked) -> dict[str, Any]:
        rows = self._holdings(a)
        return {"holdings": rows, "totalholding": total_row(rows) if rows else None}

    def _convert(self, a: _Asked) -> None:
        said = a.said
        contract = self._named(said)
        conversion = Conversion(
            symbol=contract,
            side=read_side(str(said.get("transactiontype"))),
            quantity=whole(said, "quantity"),
            from_product=read_product(str(said.get("oldproducttype"))),
            to_product=read_product(str(said.get("newproducttype"))),
        )
        try:
            self.paper.convert(a.user, conversion, a.now)
        except Refusal as refusal:
            self.desk.refused("convert", a.user, a.now, refusal.message, said)
            words = f"Position Conversion Failed: {refusal.message}"
            raise AngelError("AB1017", words) from None
        self.desk.did("convert", a.user, a.now, said)

    def _named(self, said: dict[str, Any]) -> str:
        """The SDK's own sample names a symbol without its token (smartapi-python 1.5.5, test/testcases.py)."""
        exchange, symbol = str(said.get("exchange")), said.get("tradingsymbol")
        if said.get("symboltoken"):
            return self.market.find(exchange, str(said["symboltoken"]), str(symbol)).symbol
        found = (
            c for c in self.market.contracts if (c.exchange, c.tradingsymbol) == (exchange, symbol)
        )
        contract = next(found, None)
        if contract is None:
            raise AngelError("AB1009", "Symbol Not Found")
        return contract.symbol

    def _margin(self, a: _Asked) -> dict[str, Any]:
        asked = a.said.get("positions")
        if not isinstance(asked, list) or not 0 < len(asked) <= POSITIONS_MAX:
            raise AngelError("AB1004", "Something Went Wrong, positions")
        terms = [self._quoted(one, a.now) for one in asked]
        try:
            needed = self.paper.margin(a.user, terms, a.now).needed
        except Refusal as refusal:
            raise _refused(refusal) from None
        return {
            "totalMarginRequired": number(needed),
            "marginComponents": {
                "netPremium": 0.0,
                "spanMargin": number(needed),
                "marginBenefit": 0.0,
                "deliveryMargin": 0.0,
                "nonNFOMargin": 0.0,
                "totOptionsPremium": 0.0,
            },
        }

    def _quoted(self, one: dict[str, Any], now: datetime) -> OrderTerms:
        contract = self.market.find(str(one.get("exchange")), str(one.get("token", "")))
        kind = read_type(
            {"ordertype": "LIMIT"} | one, "orderType" if "orderType" in one else "ordertype"
        )
        price = self.market.quote(contract.symbol, now).last_price
        if one.get("price"):
            price = Decimal(str(one["price"]))
        return OrderTerms(
            symbol=contract.symbol,
            side=read_side(str(one.get("tradeType"))),
            quantity=whole(one, "qty"),
            type=OrderType.LIMIT if kind in (OrderType.SL, OrderType.SL_M) else kind,
            product=read_product(str(one.get("productType"))),
            price=None if kind is OrderType.MARKET else price,
        )

    # Triggers

    def _create_rule(self, a: _Asked) -> dict[str, int]:
        form = read_gtt(a.said)
        contract = self.market.find(form.exchange, form.symboltoken, form.tradingsymbol)
        gtt = NewGtt(symbol=contract.symbol, legs=(form.leg,))
        made = self._ruled("gtt_place", a, lambda: self.paper.place_gtt(a.user, gtt, a.now))
        return {"id": int(made)}

    def _modify_rule(self, a: _Asked) -> dict[str, int]:
        old = self._rule(a)
        form = read_gtt(a.said, old.gtt.legs[0])
        gtt = NewGtt(symbol=old.gtt.symbol, legs=(form.leg,))
        self._ruled("gtt_modify", a, lambda: self.paper.modify_gtt(a.user, old.gtt_id, gtt, a.now))
        return {"id": int(old.gtt_id)}

    def _cancel_rule(self, a: _Asked) -> dict[str, int]:
        rule = self._rule(a)
        contract = self.market.of(rule.gtt.symbol)
        if (a.said.get("exchange"), a.said.get("symboltoken")) != (
            contract.exchange,
            contract.token,
        ):
            raise AngelError("AB9004", "Invalid Symbol Token")
        self._ruled("gtt_delete", a, lambda: self.paper.cancel_gtt(a.user, rule.gtt_id, a.now))
        return {"id": int(rule.gtt_id)}

    def _rules(self, a: _Asked) -> list[dict[str, Any]] | None:
        wanted = a.said.get("status")
        page, count = whole(a.said, "page"), whole(a.said, "count")
        if not isinstance(wanted, list) or not wanted:
            raise AngelError("AB9015", "Invalid Status")
        rows = [self._rule_row(a, gtt) for gtt in self.paper.gtts(a.user)]
        rows = [row for row in rows if "FORALL" in wanted or row["status"] in wanted]
        return rows[(page - 1) * count : page * count] or None

    def _rule(self, a: _Asked) -> PaperGtt:
        wanted = str(a.said.get("id", ""))
        for gtt in self.paper.gtts(a.user):
            if gtt.gtt_id == wanted:
                return gtt
        raise AngelError("AB9013", "Invalid Rule ID")

    def _rule_row(self, a: _Asked, gtt: PaperGtt) -> dict[str, Any]:
        return gtt_row(gtt.row(), self.market.of(gtt.gtt.symbol), a.user)

    def _ruled(self, what: str, a: _Asked, act: Callable[[], Any]) -> Any:
        try:
            made = act()
        except Refusal as refusal:
            self.desk.refused(what, a.user, a.now, refusal.message, a.said)
            raise AngelError("AB9001", f"Invalid Request: {refusal.message}") from None
        self.desk.did(what, a.user, a.now, a.said)
        return made


def _tokens(login: Login) -> dict[str, Any]:
    return {"jwtToken": login.jwt, "refreshToken": login.refresh, "feedToken": login.feed}


def _ids(order_id: str) -> dict[str, str]:
    return {"orderid": order_id, "uniqueorderid": unique_id(order_id)}


def _changes(form: ModifyForm, terms: NewOrder) -> OrderChanges:
    """What differs from the order as it stands."""

    def other(new: Any, old: Any) -> Any:
        return new if new != old else None

    return OrderChanges(
        price=other(form.price, terms.price),
        trigger_price=other(form.trigger_price, terms.trigger_price),
        quantity=other(form.quantity, terms.quantity),
        type=other(form.type, terms.type),
        validity=other(form.validity, terms.validity),
        disclosed_quantity=other(form.disclosed_quantity, terms.disclosed_quantity or 0),
    )


def _refused(refusal: Refusal) -> AngelError:
    """The exchange's no to a change, or a placement that no book shows."""
    if str(refusal.fault) == "NOT_FOUND":
        return AngelError("AB1013", "Order not found")
    return AngelError("AB2000", f"Error not specified: {refusal.message}")
