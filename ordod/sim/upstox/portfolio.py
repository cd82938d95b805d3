"""Money, positions, holdings, GTTs: the exchange's answers in Upstox's rows (upstox.md 4.7, 4.8, 6)."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from ordod.domain.gtt import BrokerGtt, GttLeg, GttStatus, NewGtt
from ordod.domain.orders import OrderTerms, OrderType, Product, Side, Status
from ordod.domain.portfolio import Conversion, Position
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.exchange import Refusal
from ordod.sim.desk import Desk
from ordod.sim.orders import Booked
from ordod.sim.upstox.envelope import UpstoxError, number, refused
from ordod.sim.upstox.market import Market
from ordod.sim.upstox.orders import amount, product_of, whole

__all__ = ["Portfolio"]

NOTHING = Decimal(0)
MARGIN_MAX = 20
GTT_WORDS = {
    GttStatus.ACTIVE: "SCHEDULED",
    GttStatus.CANCELLED: "CANCELLED",
    GttStatus.REJECTED: "FAILED",
    GttStatus.EXPIRED: "EXPIRED",
    GttStatus.DISABLED: "INACTIVE",
}


class Portfolio:
    """What a user has, owes and waits for. Of GTTs only those of one rule (SINGLE) are simulated."""

    def __init__(self, paper: Paper, market: Market, desk: Desk) -> None:
        self._paper = paper
        self._market = market
        self._desk = desk
        self._gtts: dict[str, tuple[str, str]] = {}  # Upstox's id -> user and the exchange's id

    # Portfolio

    def positions(self, user: str, now: datetime) -> list[dict[str, Any]]:
        return [self._position(one, now) for one in self._paper.positions(user)]

    def _position(self, position: Position, now: datetime) -> dict[str, Any]:
        contract = self._market.of(position.symbol)
        quote = self._market.quote(contract, now)
        lot, night, last = contract.units, position.overnight_quantity, quote.last_price
        close = quote.close_price or last
        carried = abs(night) * (position.average_price or close)
        day_buy, day_sell = position.buy_value or NOTHING, position.sell_value or NOTHING
        bought = position.buy_quantity + max(night, 0)
        sold = position.sell_quantity + max(-night, 0)
        buy_value = day_buy + (carried if night > 0 else NOTHING)
        sell_value = day_sell + (carried if night < 0 else NOTHING)
        value = sell_value - buy_value
        pnl = value + position.quantity * last
        return contract.named() | {
            "multiplier": float(lot),
            "value": number(value),
            "pnl": number(pnl),
            "product": "D" if position.product in (Product.CNC, Product.NRML) else "I",
            "average_price": number(position.average_price),
            "buy_value": number(buy_value),
            "overnight_quantity": night // lot,
            "day_buy_value": number(day_buy),
            "day_buy_price": _each(day_buy, position.buy_quantity),
            "overnight_buy_amount": number(carried if night > 0 else NOTHING),
            "overnight_buy_quantity": max(night, 0) // lot,
            "day_buy_quantity": position.buy_quantity // lot,
            "day_sell_value": number(day_sell),
            "day_sell_price": _each(day_sell, position.sell_quantity),
            "overnight_sell_amount": number(carried if night < 0 else NOTHING),
            "overnight_sell_quantity": max(-night, 0) // lot,
            "day_sell_quantity": position.sell_quantity // lot,
            "quantity": position.quantity // lot,
            "last_price": number(last),
            "unrealised": number(pnl if position.quantity else NOTHING),
            "realised": number(NOTHING if position.quantity else pnl),
            "sell_value": number(sell_value),
            "close_price": number(close),
            "buy_price": _each(buy_value, bought),
            "sell_price": _each(sell_value, sold),
        }

    def holdings(self, user: str, now: datetime) -> list[dict[str, Any]]:
        rows = []
        for holding in self._paper.holdings(user):
            contract = self._market.of(holding.symbol)
            quote = self._market.quote(contract, now)
            last, average = quote.last_price, holding.average_price or NOTHING
            close = quote.close_price or last
            rows.append(
                contract.named()
                | {
                    "isin": contract.isin,
                    "cnc_used_quantity": holding.used_quantity,
                    "collateral_type": "WC",
                    "company_name": contract.instrument.name,
                    "haircut": 0.2,
                    "product": "D",
                    "quantity": holding.quantity,
                    "last_price": number(last),
                    "close_price": number(close),
                    "pnl": number((last - average) * holding.quantity),
                    "day_change": number(last - close),
                    "day_change_percentage": number((last - close) / close * 100),
                    "average_price": number(average),
                    "collateral_quantity": holding.collateral_quantity,
                    "collateral_update_quantity": 0,
                    "t1_quantity": holding.t1_quantity,
                }
            )
        return rows

    def funds_v2(self, user: str) -> dict[str, Any]:
        """Since July 2025 all money stands under equity."""
        funds = self._paper.funds(user)
        names = (
            "used_margin", "payin_amount", "span_margin", "adhoc_margin", "notional_cash",
            "available_margin", "exposure_margin",
        )  # fmt: skip
        nothing = dict.fromkeys(names, 0.0)
        has = {"used_margin": number(funds.used), "available_margin": number(funds.available)}
        return {"equity": nothing | has, "commodity": nothing}

    def funds(self, user: str) -> dict[str, Any]:
        funds = self._paper.funds(user)
        used = {"total": number(funds.used), "mtf": 0.0, "span_exposure": number(funds.used)}
        return {
            "available_to_trade": {
                "total": number(funds.available),
                "cash_available_to_trade": {
                    "total": number(funds.available),
                    "cash": {
                        "opening_balance": number(funds.opening),
                        "added_today": 0.0,
                        "withdrawn_today": 0.0,
                        "amount_from_stock_sale": 0.0,
                        "unpaid_charges": 0.0,
                    },
                    "margin_used": used,
                },
                "pledge_available_to_trade": {
                    "margin_from_pledge": {"total": 0.0, "equity": 0.0, "mutual_funds": 0.0},
                    "margin_used": {"total": 0.0, "mtf": 0.0, "span_exposure": 0.0},
                },
            },
            "unavailable_to_trade": {},
        }

    def convert(self, user: str, body: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        contract = self._market.find(str(body.get("instrument_token")))
        if body.get("transaction_type") not in ("BUY", "SELL"):
            raise UpstoxError.bad_input("transaction_type")
        conversion = Conversion(
            symbol=contract.symbol,
            side=Side(body["transaction_type"]),
            quantity=whole(body.get("quantity"), "quantity") * contract.units,
            from_product=product_of(str(body.get("old_product")), contract),
            to_product=product_of(str(body.get("new_product")), contract),
        )
        try:
            self._paper.convert(user, conversion, now)
        except Refusal as refusal:
            self._desk.refused("convert", user, now, refusal.message, body)
            raise refused(refusal) from None
        self._desk.did("convert", user, now, body)
        return {"status": "complete"}

    def margin(self, user: str, body: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        """`final_margin` is what they need together; every row what it needs alone."""
        items = body.get("instruments")
        if not isinstance(items, list) or not 0 < len(items) <= MARGIN_MAX:
            raise UpstoxError.bad_input("instruments")
        orders = [self._quoted(item) for item in items]
        try:
            alone = [self._paper.margin(user, [order], now).needed for order in orders]
            final = self._paper.margin(user, orders, now).needed
        except Refusal as refusal:
            raise refused(refusal) from None
        rows = [
            {
                "span_margin": 0.0,
                "exposure_margin": 0.0,
                "equity_margin": number(needed),
                "net_buy_premium": 0.0,
                "additional_margin": 0.0,
                "total_margin": number(needed),
                "tender_margin": 0.0,
            }
            for needed in alone
        ]
        total = sum(alone, NOTHING)
        return {"margins": rows, "required_margin": number(total), "final_margin": number(final)}

    def _quoted(self, item: Any) -> OrderTerms:
        if not isinstance(item, dict) or item.get("transaction_type") not in ("BUY", "SELL"):
            raise UpstoxError.bad_input("instruments")
        contract = self._market.find(str(item.get("instrument_key")))
        price = item.get("price") or None
        return OrderTerms(
            symbol=contract.symbol,
            side=Side(item["transaction_type"]),
            quantity=whole(item.get("quantity"), "quantity") * contract.units,
            type=OrderType.LIMIT if price else OrderType.MARKET,
            product=product_of(str(item.get("product")), contract),
            price=amount(price, "price") if price else None,
        )

    # GTT

    def place_gtt(self, user: str, body: Mapping[str, Any], now: datetime) -> str:
        contract = self._market.find(str(body.get("instrument_token")))
        if body.get("transaction_type") not in ("BUY", "SELL"):
            raise UpstoxError.bad_input("transaction_type")
        leg = GttLeg(
            trigger_price=self._trigger(body, contract.symbol, now),
            side=Side(body["transaction_type"]),
            quantity=whole(body.get("quantity"), "quantity") * contract.units,
            price=self._trigger(body, contract.symbol, now),
            product=product_of(str(body.get("product")), contract),
        )
        gtt = NewGtt(symbol=contract.symbol, legs=(leg,))
        try:
            paper_id = self._paper.place_gtt(user, gtt, now)
        except Refusal as refusal:
            self._desk.refused("gtt_place", user, now, refusal.message, body)
            raise refused(refusal) from None
        gtt_id = f"GTT-C{now:%y%m%d}{int(paper_id):08}"
        self._gtts[gtt_id] = (user, paper_id)
        self._desk.did("gtt_place", user, now, body, gtt_id)
        return gtt_id

    def modify_gtt(self, user: str, body: Mapping[str, Any], now: datetime) -> str:
        """Quantity and rule; product and side stay."""
        gtt_id = str(body.get("gtt_order_id"))
        found = self._found(user, gtt_id)
        (old,) = found.legs
        trigger = self._trigger(body, found.symbol, now)
        units = self._market.of(found.symbol).units
        leg = GttLeg(
            trigger_price=trigger,
            side=old.side,
            quantity=whole(body.get("quantity"), "quantity") * units,
            price=trigger,
            product=old.product,
        )
        gtt = NewGtt(symbol=found.symbol, legs=(leg,))
        try:
            self._paper.modify_gtt(user, found.broker_gtt_id, gtt, now)
        except Refusal as refusal:
            self._desk.refused("gtt_modify", user, now, refusal.message, body, order_id=gtt_id)
            raise refused(refusal) from None
        self._desk.did("gtt_modify", user, now, body, gtt_id)
        return gtt_id

    def cancel_gtt(self, user: str, body: Mapping[str, Any], now: datetime) -> str:
        gtt_id = str(body.get("gtt_order_id"))
        found = self._found(user, gtt_id)
        try:
            self._paper.cancel_gtt(user, found.broker_gtt_id, now)
        except Refusal as refusal:
            self._desk.refused("gtt_cancel", user, now, refusal.message, body, order_id=gtt_id)
            raise refused(refusal, "UDAPI100040") from None
        self._desk.did("gtt_cancel", user, now, body, gtt_id)
        return gtt_id

    def gtts(self, user: str, gtt_id: str, now: datetime) -> list[dict[str, Any]]:
        """All, or one; those that are completed are not told."""
        self.adopt(user, now)
        rows = [
            self._gtt_row(name, gtt)
            for name, gtt in self._mine(user).items()
            if gtt_id in ("", name)
        ]
        if gtt_id and not rows:
            raise UpstoxError.no_order()
        return [row for row in rows if row["rules"][0]["status"] != "COMPLETED"]

    def adopt(self, user: str, now: datetime) -> None:
        """Give what triggers released its place in the book."""
        for gtt in self._paper.gtts(user):
            self._desk.adopt(user, gtt.row(), now)

    def released_by(self, booked: Booked) -> str | None:
        """The GTT that placed this order."""
        if booked.paper is None:
            return None
        found = self._mine(booked.user_id).items()
        paper_id = booked.paper.order_id
        return next((name for name, gtt in found if paper_id in gtt.placed_order_ids), None)

    def _mine(self, user: str) -> dict[str, BrokerGtt]:
        """By Upstox's id; those that ended a week ago are forgotten by the exchange."""
        rows = {gtt.gtt_id: gtt.row() for gtt in self._paper.gtts(user)}
        return {
            name: rows[paper_id]
            for name, (owner, paper_id) in self._gtts.items()
            if owner == user and paper_id in rows
        }

    def _found(self, user: str, gtt_id: str) -> BrokerGtt:
        found = self._mine(user).get(gtt_id)
        if found is None:
            raise UpstoxError.no_order()
        return found

    def _trigger(self, body: Mapping[str, Any], symbol: str, now: datetime) -> Decimal:
        """The one rule's. A trigger on the wrong side of the price would come at once: refused here."""
        rules = body.get("rules")
        if body.get("type") != "SINGLE" or not isinstance(rules, list) or len(rules) != 1:
            raise UpstoxError.bad_input("rules")
        rule = rules[0]
        if not isinstance(rule, dict) or rule.get("strategy") != "ENTRY":
            raise UpstoxError.bad_input("rules")
        trigger = amount(rule.get("trigger_price"), "trigger_price")
        side = "ABOVE" if trigger > self._paper.last_price(symbol, now) else "BELOW"
        if rule.get("trigger_type") != side:
            raise UpstoxError.bad_input("trigger_type")
        return trigger

    def _gtt_row(self, gtt_id: str, gtt: BrokerGtt) -> dict[str, Any]:
        contract, (leg,) = self._market.of(gtt.symbol), gtt.legs
        booked = next((self._desk.of_paper(one) for one in gtt.placed_order_ids), None)
        word = GTT_WORDS.get(gtt.status)
        if word is None:
            is_filled = booked is not None and booked.row.status is Status.FILLED
            word = "COMPLETED" if is_filled else "OPEN"
        rule = {
            "strategy": "ENTRY",
            "status": word,
            "trigger_type": "ABOVE",
            "trigger_price": number(leg.trigger_price),
            "transaction_type": str(leg.side),
            "message": gtt.status_message or "",
            "order_id": booked.order_id if booked else None,
        }
        return {
            "type": "SINGLE",
            "exchange": contract.segment,
            "quantity": leg.quantity // contract.units,
            "product": "D" if leg.product in (Product.CNC, Product.NRML) else "I",
            "rules": [rule],
            "trading_symbol": contract.trading_symbol,
            "instrument_token": contract.key,
            "gtt_order_id": gtt_id,
            "expires_at": _micros(gtt.expires_at),
            "created_at": _micros(gtt.created_at),
        }


def _each(value: Decimal, quantity: int) -> float:
    return number(round(value / quantity, 4)) if quantity else 0.0


def _micros(at: datetime | None) -> int | None:
    return int(at.timestamp()) * 1_000_000 if at else None
