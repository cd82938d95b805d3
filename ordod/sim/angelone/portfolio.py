"""Money, positions, holdings, margins (angelone.md 4.5, 6)."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from ordod.domain.orders import OrderTerms, OrderType
from ordod.domain.portfolio import Conversion
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.exchange import Refusal
from ordod.sim.angelone.asked import Asked, refused
from ordod.sim.angelone.envelope import AngelError, number
from ordod.sim.angelone.forms import read_product, read_side, read_type, whole
from ordod.sim.angelone.market import Market
from ordod.sim.angelone.rows import funds_row, holding_row, position_row, total_row
from ordod.sim.desk import Desk

__all__ = ["Portfolio"]

POSITIONS_MAX = 50  # of a margin request


class Portfolio:
    """What a user has and owes."""

    def __init__(self, paper: Paper, market: Market, desk: Desk) -> None:
        self._paper = paper
        self._market = market
        self._desk = desk

    def funds(self, a: Asked) -> dict[str, str | None]:
        return funds_row(self._paper.funds(a.user))

    def positions(self, a: Asked) -> list[dict[str, str]] | None:
        rows = []
        for position in self._paper.positions(a.user):
            quote = self._market.quote(position.symbol, a.now)
            shown = replace(position, last_price=quote.last_price)
            close = quote.close_price or quote.last_price
            rows.append(position_row(shown, self._market.of(position.symbol), close))
        return rows or None

    def holdings(self, a: Asked) -> list[dict[str, Any]] | None:
        return self._holdings(a) or None

    def _holdings(self, a: Asked) -> list[dict[str, Any]]:
        held = self._paper.holdings(a.user)
        return [holding_row(one, self._market.of(one.symbol)) for one in held]

    def all_holdings(self, a: Asked) -> dict[str, Any]:
        rows = self._holdings(a)
        return {"holdings": rows, "totalholding": total_row(rows) if rows else None}

    def convert(self, a: Asked) -> None:
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
            self._paper.convert(a.user, conversion, a.now)
        except Refusal as refusal:
            self._desk.refused("convert", a.user, a.now, refusal.message, said)
            words = f"Position Conversion Failed: {refusal.message}"
            raise AngelError("AB1017", words) from None
        self._desk.did("convert", a.user, a.now, said)

    def _named(self, said: dict[str, Any]) -> str:
        """The SDK's own sample names a symbol without its token (smartapi-python 1.5.5, test/testcases.py)."""
        exchange, symbol = str(said.get("exchange")), said.get("tradingsymbol")
        if said.get("symboltoken"):
            return self._market.find(exchange, str(said["symboltoken"]), str(symbol)).symbol
        found = (
            c for c in self._market.contracts if (c.exchange, c.tradingsymbol) == (exchange, symbol)
        )
        contract = next(found, None)
        if contract is None:
            raise AngelError("AB1009", "Symbol Not Found")
        return contract.symbol

    def margin(self, a: Asked) -> dict[str, Any]:
        asked = a.said.get("positions")
        if not isinstance(asked, list) or not 0 < len(asked) <= POSITIONS_MAX:
            raise AngelError("AB1004", "Something Went Wrong, positions")
        terms = [self._quoted(one, a.now) for one in asked]
        try:
            needed = self._paper.margin(a.user, terms, a.now).needed
        except Refusal as refusal:
            raise refused(refusal) from None
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
        contract = self._market.find(str(one.get("exchange")), str(one.get("token", "")))
        kind = read_type(
            {"ordertype": "LIMIT"} | one, "orderType" if "orderType" in one else "ordertype"
        )
        price = self._market.quote(contract.symbol, now).last_price
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
