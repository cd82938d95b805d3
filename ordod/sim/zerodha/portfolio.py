"""Money, positions, holdings, triggers: the exchange's answers in Kite's rows (zerodha.md 4.7, 4.8, 6)."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from ordod.domain.gtt import BrokerGtt, GttLeg, NewGtt
from ordod.domain.orders import NewOrder, OrderTerms, OrderType, Product, Side
from ordod.domain.portfolio import Conversion, Margin
from ordod.paper.exchange import Exchange as Paper
from ordod.sim.zerodha.envelope import KiteError
from ordod.sim.zerodha.forms import ConvertForm, GttForm, QuotedOrder
from ordod.sim.zerodha.market import Market
from ordod.sim.zerodha.orders import Desk, with_refusals
from ordod.sim.zerodha.rows import (
    auction_row,
    basket_row,
    contract_note_row,
    gtt_row,
    holding_row,
    margin_row,
    position_row,
    segment_row,
)

__all__ = ["Portfolio"]

SEGMENTS = ("equity", "commodity")


class Portfolio:
    """What a user has, owes and waits for. `auctions`: numbers of auctions by tradingsymbol."""

    def __init__(self, paper: Paper, market: Market, desk: Desk) -> None:
        self._paper = paper
        self._market = market
        self._desk = desk
        self._gtt_prices: dict[str, Decimal] = {}  # trigger id -> the last price its client stated
        self.auctions: dict[str, str] = {}

    def margins(self, user: str, segment: str = "") -> dict[str, Any]:
        """Both segments, or one without the outer key. A unified account: all money stands under equity."""
        rows = {"equity": segment_row(self._paper.funds(user)), "commodity": segment_row(None)}
        if segment and segment not in rows:
            raise KiteError.bad_input("Invalid segment.")
        return rows[segment] if segment else rows

    def positions(self, user: str, now: datetime) -> dict[str, Any]:
        """`net` is what stands, `day` only what was traded today."""
        net: list[dict[str, Any]] = []
        day: list[dict[str, Any]] = []
        for position in self._paper.positions(user):
            contract = self._market.of(position.symbol)
            quote = self._paper.quote(position.symbol, now)
            close = quote.close_price or quote.last_price
            net.append(position_row(position, contract, quote.last_price, close))
            if position.buy_quantity or position.sell_quantity:
                today = msgspec.structs.replace(
                    position,
                    quantity=position.quantity - position.overnight_quantity,
                    overnight_quantity=0,
                )
                day.append(position_row(today, contract, quote.last_price, close))
        return {"net": net, "day": day}

    def holdings(self, user: str, now: datetime) -> list[dict[str, Any]]:
        rows = []
        for holding in self._paper.holdings(user):
            contract = self._market.of(holding.symbol)
            quote = self._paper.quote(holding.symbol, now)
            rows.append(
                holding_row(
                    holding, contract, quote.last_price, quote.close_price or quote.last_price, now
                )
            )
        return rows

    def auctioned(self, user: str, now: datetime) -> list[dict[str, Any]]:
        return [
            auction_row(row, self.auctions[row["tradingsymbol"]])
            for row in self.holdings(user, now)
            if row["tradingsymbol"] in self.auctions
        ]

    def convert(self, user: str, form: ConvertForm, now: datetime) -> None:
        contract = self._market.find(form.exchange, form.tradingsymbol)
        conversion = Conversion(
            symbol=contract.symbol,
            side=Side(form.transaction_type),
            quantity=form.quantity * contract.units,
            from_product=Product(form.old_product),
            to_product=Product(form.new_product),
            overnight=form.position_type == "overnight",
        )
        with_refusals(lambda: self._paper.convert(user, conversion, now))

    # Margins

    def order_margins(
        self, user: str, orders: tuple[QuotedOrder, ...], now: datetime
    ) -> list[dict[str, Any]]:
        return [margin_row(order, self._needed(user, (order,), now).needed) for order in orders]

    def basket(self, user: str, orders: tuple[QuotedOrder, ...], now: datetime) -> dict[str, Any]:
        alone = [self._needed(user, (order,), now).needed for order in orders]
        return basket_row(orders, alone, self._needed(user, orders, now))

    def contract_note(self, orders: tuple[QuotedOrder, ...]) -> list[dict[str, Any]]:
        for order in orders:
            self._market.find(order.exchange, order.tradingsymbol)
        return [contract_note_row(order) for order in orders]

    def _needed(self, user: str, orders: tuple[QuotedOrder, ...], now: datetime) -> Margin:
        terms = [self._terms(order) for order in orders]
        return with_refusals(lambda: self._paper.margin(user, terms, now))

    def _terms(self, order: QuotedOrder) -> OrderTerms:
        contract = self._market.find(order.exchange, order.tradingsymbol)
        return OrderTerms(
            symbol=contract.symbol,
            side=Side(order.transaction_type),
            quantity=order.quantity * contract.units,
            type=OrderType(order.order_type),
            product=Product(order.product),
            price=order.price or None,
            trigger_price=order.trigger_price or None,
        )

    # Triggers

    def place_gtt(self, user: str, form: GttForm, now: datetime) -> int:
        gtt = self._gtt(form)
        gtt_id = with_refusals(lambda: self._paper.place_gtt(user, gtt, now))
        self._gtt_prices[gtt_id] = form.last_price
        return int(gtt_id)

    def modify_gtt(self, user: str, gtt_id: str, form: GttForm, now: datetime) -> None:
        self.gtt(user, gtt_id, now)
        with_refusals(lambda: self._paper.modify_gtt(user, gtt_id, self._gtt(form), now))
        self._gtt_prices[gtt_id] = form.last_price

    def delete_gtt(self, user: str, gtt_id: str, now: datetime) -> None:
        self.gtt(user, gtt_id, now)
        with_refusals(lambda: self._paper.cancel_gtt(user, gtt_id, now))

    def gtts(self, user: str, now: datetime) -> list[dict[str, Any]]:
        return [self._gtt_row(user, gtt.row(), now) for gtt in self._paper.gtts(user)]

    def gtt(self, user: str, gtt_id: str, now: datetime) -> dict[str, Any]:
        for row in self.gtts(user, now):
            if str(row["id"]) == gtt_id:
                return row
        raise KiteError(404, "GeneralException", "Trigger not found.")

    def _gtt(self, form: GttForm) -> NewGtt:
        contract = self._market.find(form.exchange, form.tradingsymbol)
        return NewGtt(
            symbol=contract.symbol,
            legs=tuple(
                GttLeg(
                    trigger_price=trigger,
                    side=Side(order.transaction_type),
                    quantity=order.quantity * contract.units,
                    price=order.price,
                    type=OrderType(order.order_type),
                    product=Product(order.product),
                )
                for trigger, order in zip(form.trigger_values, form.orders, strict=True)
            ),
            last_price=form.last_price,
        )

    def _gtt_row(self, user: str, gtt: BrokerGtt, now: datetime) -> dict[str, Any]:
        contract = self._market.of(gtt.symbol)
        released = [
            (self._paper.order(user, paper_id), paper_id) for paper_id in gtt.placed_order_ids
        ]
        return gtt_row(
            gtt,
            contract,
            user_id=user,
            app_id=1,
            last_price=self._gtt_prices.get(gtt.broker_gtt_id, gtt.legs[0].trigger_price),
            order_ids=[self._desk.adopt(user, paper_id, now) for _, paper_id in released],
            triggered=[_leg_of(gtt, paper.terms) for paper, _ in released],
        )


def _leg_of(gtt: BrokerGtt, terms: NewOrder) -> int:
    """Which leg released this order."""
    asked = [(leg.side, leg.quantity, leg.price) for leg in gtt.legs]
    assert terms.price is not None
    return asked.index((terms.side, terms.quantity, terms.price))
