"""The rows of Kite's answers, field for field as its samples show them (zerodha.md 4.7, 5, 6)."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from ordod.domain.gtt import BrokerGtt, GttStatus
from ordod.domain.orders import Fill
from ordod.domain.portfolio import Funds, Holding, Margin, Position
from ordod.sim.zerodha.envelope import number
from ordod.sim.zerodha.forms import QuotedOrder
from ordod.sim.zerodha.market import Contract

__all__ = [
    "auction_row",
    "basket_row",
    "contract_note_row",
    "gtt_row",
    "holding_row",
    "margin_row",
    "position_row",
    "segment_row",
    "stamp",
    "trade_row",
]

GTT_WORDS = {
    GttStatus.ACTIVE: "active",
    GttStatus.TRIGGERED: "triggered",
    GttStatus.CANCELLED: "deleted",
    GttStatus.REJECTED: "rejected",
    GttStatus.EXPIRED: "expired",
    GttStatus.DISABLED: "disabled",
}
NOTHING = Decimal(0)


def stamp(at: datetime | None) -> str | None:
    return at.isoformat(" ", "seconds")[:19] if at else None  # a third of what strftime takes


def trade_row(fill: Fill, order_id: str, contract: Contract) -> dict[str, Any]:
    """`order_timestamp` is a time of day only (zerodha.md 5.3)."""
    return {
        "trade_id": fill.trade_id,
        "order_id": order_id,
        "exchange": contract.exchange,
        "tradingsymbol": contract.tradingsymbol,
        "instrument_token": contract.instrument_token,
        "product": str(fill.product),
        "average_price": number(fill.price),
        "quantity": fill.quantity // contract.units,
        "exchange_order_id": fill.exchange_order_id,
        "transaction_type": str(fill.side),
        "fill_timestamp": stamp(fill.at),
        "order_timestamp": f"{fill.at:%H:%M:%S}",
        "exchange_timestamp": stamp(fill.at),
    }


def position_row(
    position: Position, contract: Contract, last: Decimal, close: Decimal
) -> dict[str, Any]:
    """Quantities in Kite's units with `multiplier` beside them; `value` = sold - bought.

    What came in from the day before counts as bought (or sold) at its average in the totals, and not in the `day_` fields.
    """
    lot, night = contract.units, position.overnight_quantity
    carried = abs(night) * (position.average_price or close)
    buys = _Side(position.buy_quantity, position.buy_value or NOTHING, max(night, 0), carried)
    sells = _Side(position.sell_quantity, position.sell_value or NOTHING, max(-night, 0), carried)
    value = sells.value - buys.value
    pnl = value + position.quantity * last
    return {
        "tradingsymbol": contract.tradingsymbol,
        "exchange": contract.exchange,
        "instrument_token": contract.instrument_token,
        "product": str(position.product),
        "quantity": position.quantity // lot,
        "overnight_quantity": night // lot,
        "multiplier": lot,
        "average_price": number(position.average_price),
        "close_price": number(close) if night else 0,
        "last_price": number(last),
        "value": number(value),
        "pnl": number(pnl),
        "m2m": number(pnl),
        "unrealised": number(pnl),
        "realised": 0,
        "buy_quantity": buys.quantity // lot,
        "buy_price": number(buys.price),
        "buy_value": number(buys.value),
        "buy_m2m": number(buys.value),
        "sell_quantity": sells.quantity // lot,
        "sell_price": number(sells.price),
        "sell_value": number(sells.value),
        "sell_m2m": number(sells.value),
        "day_buy_quantity": buys.day_quantity // lot,
        "day_buy_price": number(buys.day_price),
        "day_buy_value": number(buys.day_value),
        "day_sell_quantity": sells.day_quantity // lot,
        "day_sell_price": number(sells.day_price),
        "day_sell_value": number(sells.day_value),
    }


class _Side:
    """What was bought, or sold, of a position: today, and with what was carried into the day. Units and rupees."""

    def __init__(self, day_quantity: int, day_value: Decimal, night: int, carried: Decimal) -> None:
        self.day_quantity = day_quantity
        self.day_value = day_value
        self.quantity = day_quantity + night
        self.value = day_value + (carried if night else NOTHING)

    @property
    def price(self) -> Decimal:
        return self.value / self.quantity if self.quantity else NOTHING

    @property
    def day_price(self) -> Decimal:
        return self.day_value / self.day_quantity if self.day_quantity else NOTHING


def holding_row(
    holding: Holding, contract: Contract, last: Decimal, close: Decimal, now: datetime
) -> dict[str, Any]:
    average = holding.average_price or NOTHING
    free = holding.quantity - holding.t1_quantity - holding.collateral_quantity
    return {
        "tradingsymbol": contract.tradingsymbol,
        "exchange": contract.exchange,
        "instrument_token": contract.instrument_token,
        "isin": holding.isin or "",
        "product": "CNC",
        "price": 0,
        "quantity": free,
        "used_quantity": holding.used_quantity,
        "t1_quantity": holding.t1_quantity,
        "realised_quantity": free + holding.used_quantity,
        "authorised_quantity": 0,
        "authorised_date": f"{now:%Y-%m-%d} 00:00:00",
        "authorisation": {},
        "opening_quantity": holding.quantity + holding.used_quantity,
        "short_quantity": 0,
        "collateral_quantity": holding.collateral_quantity,
        "collateral_type": "",
        "discrepancy": False,
        "average_price": number(average),
        "last_price": number(last),
        "close_price": number(close),
        "pnl": number((last - average) * holding.quantity),
        "day_change": float(last) - float(close),
        "day_change_percentage": float((last - close) / close * 100) if close else 0,
        "mtf": {
            "quantity": 0,
            "used_quantity": 0,
            "average_price": 0,
            "value": 0,
            "initial_margin": 0,
        },
    }


def auction_row(holding: dict[str, Any], auction_number: str) -> dict[str, Any]:
    """A holdings row with a number, and without what auctions do not show."""
    hidden = ("used_quantity", "authorisation", "short_quantity", "mtf")
    return {key: value for key, value in holding.items() if key not in hidden} | {
        "auction_number": auction_number
    }


def segment_row(funds: Funds | None) -> dict[str, Any]:
    """One segment of `/user/margins`; None: a segment that is not enabled. Sums carry binary noise, as Kite's do."""
    cash = funds.cash or funds.available if funds else NOTHING
    used = funds.used or NOTHING if funds else NOTHING
    net = funds.available if funds else NOTHING
    return {
        "enabled": funds is not None,
        "net": number(net),
        "available": {
            "adhoc_margin": 0,
            "cash": number(cash),
            "opening_balance": number(funds.opening or cash) if funds else 0,
            "live_balance": number(net),
            "collateral": number(funds.collateral or 0) if funds else 0,
            "intraday_payin": 0,
        },
        "utilised": {
            "debits": number(used),
            "exposure": 0,
            "m2m_realised": 0,
            "m2m_unrealised": 0,
            "option_premium": 0,
            "payout": 0,
            "span": number(used),
            "holding_sales": 0,
            "turnover": 0,
            "liquid_collateral": 0,
            "stock_collateral": 0,
            "delivery": 0,
        },
    }


def charges(order: QuotedOrder | None) -> dict[str, Any]:
    """What broker and state take, by rough rates; None: the empty table of a basket's sums."""
    if order is None:
        return _charges_row(NOTHING, "", NOTHING, NOTHING, NOTHING, NOTHING)
    turnover = order.price * order.quantity
    is_commodity = order.exchange == "MCX"
    is_delivery = order.product in ("CNC", "MTF")
    taxed = is_delivery or order.transaction_type == "SELL"
    tax = turnover * Decimal("0.001" if is_delivery else "0.0002") if taxed else NOTHING
    brokerage = NOTHING if is_delivery else min(Decimal(20), turnover * Decimal("0.0003"))
    stamp_duty = turnover * Decimal("0.00003") if order.transaction_type == "BUY" else NOTHING
    exchange_fee = turnover * Decimal("0.0000297")
    sebi_fee = turnover * Decimal("0.000001")
    return _charges_row(
        tax, "ctt" if is_commodity else "stt", exchange_fee, sebi_fee, brokerage, stamp_duty
    )


def _charges_row(
    tax: Decimal,
    tax_type: str,
    exchange_fee: Decimal,
    sebi_fee: Decimal,
    brokerage: Decimal,
    stamp_duty: Decimal,
) -> dict[str, Any]:
    gst = (brokerage + exchange_fee + sebi_fee) * Decimal("0.18")
    return {
        "transaction_tax": number(tax),
        "transaction_tax_type": tax_type,
        "exchange_turnover_charge": number(exchange_fee),
        "sebi_turnover_charge": number(sebi_fee),
        "brokerage": number(brokerage),
        "stamp_duty": number(stamp_duty),
        "gst": {"igst": number(gst), "cgst": 0, "sgst": 0, "total": number(gst)},
        "total": number(tax + exchange_fee + sebi_fee + brokerage + stamp_duty + gst),
    }


def margin_row(order: QuotedOrder | None, margin: Decimal) -> dict[str, Any]:
    """One order's need; None: the sums of a basket, whose names are empty."""
    exchange = order.exchange if order else ""
    is_cash = exchange in ("NSE", "BSE")
    return {
        "type": ("commodity" if exchange == "MCX" else "equity") if order else "",
        "tradingsymbol": order.tradingsymbol if order else "",
        "exchange": exchange,
        "span": 0 if is_cash else number(margin),
        "exposure": 0,
        "option_premium": 0,
        "additional": 0,
        "bo": 0,
        "cash": 0,
        "var": number(margin) if is_cash else 0,
        "pnl": {"realised": 0, "unrealised": 0},
        "leverage": 1 if order else 0,
        "charges": charges(order),
        "total": number(margin),
    }


def basket_row(
    orders: Sequence[QuotedOrder], margins: Sequence[Decimal], together: Margin
) -> dict[str, Any]:
    """`/margins/basket`: `initial` is the plain sum, `final` what is needed together."""
    return {
        "initial": margin_row(None, sum(margins, NOTHING)),
        "final": margin_row(None, together.needed),
        "orders": [margin_row(*pair) for pair in zip(orders, margins, strict=True)],
        "charges": charges(None),
    }


def contract_note_row(order: QuotedOrder) -> dict[str, Any]:
    return {
        "transaction_type": order.transaction_type,
        "tradingsymbol": order.tradingsymbol,
        "exchange": order.exchange,
        "variety": order.variety,
        "product": order.product,
        "order_type": order.order_type,
        "quantity": order.quantity,
        "price": number(order.price),
        "charges": charges(order),
    }


def gtt_row(
    gtt: BrokerGtt,
    contract: Contract,
    *,
    user_id: str,
    app_id: int,
    last_price: Decimal,
    order_ids: Sequence[str],
    triggered: Sequence[int],
) -> dict[str, Any]:
    """One trigger. `triggered`: the legs that released an order, `order_ids` beside them ("" where that failed)."""
    results: dict[int, dict[str, Any]] = {}
    for leg_number, order_id in zip(triggered, order_ids, strict=True):
        leg = gtt.legs[leg_number]
        results[leg_number] = {
            "account_id": user_id,
            "exchange": contract.exchange,
            "tradingsymbol": contract.tradingsymbol,
            "validity": "DAY",
            "product": str(leg.product),
            "order_type": str(leg.type),
            "transaction_type": str(leg.side),
            "quantity": leg.quantity // contract.units,
            "price": number(leg.price),
            "meta": orjson.dumps({"app_id": app_id, "gtt": int(gtt.broker_gtt_id)}).decode(),
            "timestamp": stamp(gtt.updated_at),
            "triggered_at": number(leg.trigger_price),
            "order_result": {
                "status": "success" if order_id else "failed",
                "order_id": order_id,
                "rejection_reason": "" if order_id else gtt.status_message or "",
            },
        }
    return {
        "id": int(gtt.broker_gtt_id),
        "user_id": user_id,
        "parent_trigger": None,
        "type": "single" if len(gtt.legs) == 1 else "two-leg",
        "created_at": stamp(gtt.created_at),
        "updated_at": stamp(gtt.updated_at),
        "expires_at": stamp(gtt.expires_at),
        "status": GTT_WORDS[gtt.status],
        "condition": {
            "exchange": contract.exchange,
            "last_price": number(last_price),
            "tradingsymbol": contract.tradingsymbol,
            "trigger_values": [number(leg.trigger_price) for leg in gtt.legs],
            "instrument_token": contract.instrument_token,
        },
        "orders": [
            {
                "exchange": contract.exchange,
                "tradingsymbol": contract.tradingsymbol,
                "product": str(leg.product),
                "order_type": str(leg.type),
                "transaction_type": str(leg.side),
                "quantity": leg.quantity // contract.units,
                "price": number(leg.price),
                "result": results.get(index),
            }
            for index, leg in enumerate(gtt.legs)
        ],
        "meta": {},
    }
