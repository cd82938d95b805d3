"""The rows of FYERS' answers, field for field as its documentation shows them (fyers.md 4.7, 5, 6)."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from ordod.domain.gtt import BrokerGtt, GttStatus
from ordod.domain.orders import Fill, OrderType, Status
from ordod.domain.portfolio import Funds, Holding, Position
from ordod.sim.clock import IST
from ordod.sim.fyers.envelope import number
from ordod.sim.fyers.forms import PRODUCTS, SIDES, TYPES
from ordod.sim.fyers.market import Contract
from ordod.sim.orders import Booked

__all__ = [
    "GTT_WORDS",
    "fund_rows",
    "gtt_row",
    "holding_row",
    "order_row",
    "position_row",
    "trade_row",
]

STATUSES = {
    Status.CANCELLED: 1,
    Status.FILLED: 2,
    Status.PENDING: 4,
    Status.REJECTED: 5,
    Status.OPEN: 6,
    Status.TRIGGER_PENDING: 6,
    Status.PARTIALLY_FILLED: 6,
    Status.EXPIRED: 7,
}
GTT_WORDS = {GttStatus.ACTIVE: "PLACED", GttStatus.CANCELLED: "CANCELLED"}  # no other is known
PRODUCT_WORDS = {ours: word for word, ours in PRODUCTS.items()}
TYPE_CODES = {ours: code for code, ours in TYPES.items()}
SIDE_CODES = {ours: code for code, ours in SIDES.items()}
NOTHING = Decimal(0)


def _stamp(at: datetime | None) -> str:
    return f"{at.astimezone(IST):%d-%b-%Y %H:%M:%S}" if at else ""


def _named(contract: Contract) -> dict[str, Any]:
    return {
        "symbol": contract.ticker,
        "fyToken": contract.token,
        "exchange": contract.exchange,
        "segment": contract.segment,
    }


def _tag(booked: Booked) -> str:
    return f"1:{booked.shown_tag}" if booked.shown_tag else "2:Untagged"


def order_row(booked: Booked, user: str, contract: Contract, *, amo: bool) -> dict[str, Any]:
    """A market order is shown as the limit order that market protection makes of it."""
    row, paper, lot = booked.row, booked.paper, contract.lot
    kind, price = TYPE_CODES[row.type], row.price
    if row.type is OrderType.MARKET and paper is not None:
        kind, price = TYPE_CODES[OrderType.LIMIT], Decimal(paper.limit) / 100
    left = row.quantity - row.filled_quantity
    return {
        "clientId": user,
        "id": booked.order_id,
        "exchOrdId": row.exchange_order_id or "",
        "qty": row.quantity // lot,
        "remainingQuantity": left // lot,
        "filledQty": row.filled_quantity // lot,
        "disclosedQty": (row.disclosed_quantity or 0) // lot,
        "limitPrice": number(price),
        "stopPrice": number(row.trigger_price),
        "tradedPrice": number(row.average_price),
        "type": kind,
        "side": SIDE_CODES[row.side],
        "status": STATUSES[row.status],
        **_named(contract),
        "instrument": contract.kind,
        "ex_sym": contract.instrument.name,
        "message": row.status_message or "",
        "offlineOrder": amo,
        "orderDateTime": _stamp(booked.placed_at),
        "orderValidity": str(row.validity),
        "productType": PRODUCT_WORDS[booked.terms.product],
        "source": "ITS",
        "slNo": 1,
        "orderNumStatus": f"{booked.order_id}:{STATUSES[row.status]}",
        "orderTag": _tag(booked),
        "takeProfit": 0,
        "stopLoss": 0,
        "parentId": "",
    }


def trade_row(fill: Fill, booked: Booked, user: str, contract: Contract) -> dict[str, Any]:
    return {
        "clientId": user,
        "orderDateTime": _stamp(fill.at),
        "orderNumber": booked.order_id,
        "exchangeOrderNo": fill.exchange_order_id or "",
        **_named(contract),
        "side": SIDE_CODES[fill.side],
        "orderType": TYPE_CODES[booked.terms.type],
        "productType": PRODUCT_WORDS[booked.terms.product],
        "tradedQty": fill.quantity // contract.lot,
        "tradePrice": number(fill.price),
        "tradeValue": number(fill.price * fill.quantity),
        "tradeNumber": fill.trade_id,
        "row": 1,
        "orderTag": _tag(booked),
    }


def gtt_row(gtt: BrokerGtt, user: str, contract: Contract) -> dict[str, Any]:
    """`gtt_oco_ind` 2: the upper leg first, the lower one second."""
    legs = sorted(gtt.legs, key=lambda leg: leg.trigger_price, reverse=True)
    first, second = legs[0], legs[1] if len(legs) == 2 else None
    return {
        "clientId": user,
        "id": gtt.broker_gtt_id,
        "exchange": contract.exchange,
        "segment": contract.segment,
        "fy_token": contract.token,
        "symbol": contract.ticker,
        "instrument": contract.kind,
        "lot_size": contract.least,
        "tick_size": number(contract.instrument.tick_size),
        "ord_status": 6 if gtt.status is GttStatus.ACTIVE else 1,
        "report_type": GTT_WORDS[gtt.status],
        "price_limit": number(first.price),
        "price_trigger": number(first.trigger_price),
        "qty": first.quantity // contract.lot,
        "price2_limit": number(second.price) if second else 0,
        "price2_trigger": number(second.trigger_price) if second else 0,
        "qty2": second.quantity // contract.lot if second else 0,
        "product_type": PRODUCT_WORDS[first.product],
        "tran_side": SIDE_CODES[first.side],
        "gtt_oco_ind": len(legs),
        "create_time": _stamp(gtt.created_at),
        "create_time_epoch": int(gtt.created_at.timestamp()) if gtt.created_at else 0,
        "oms_msg": "",
    }


def position_row(position: Position, contract: Contract, last: Decimal) -> dict[str, Any]:
    """What came in from the day before counts among what was bought and sold."""
    lot, night = contract.lot, position.overnight_quantity
    cost = position.average_price or NOTHING
    buys, sells = position.buy_quantity + max(night, 0), position.sell_quantity + max(-night, 0)
    bought = (position.buy_value or NOTHING) + max(night, 0) * cost
    sold = (position.sell_value or NOTHING) + max(-night, 0) * cost
    total = sold - bought + position.quantity * last
    unrealised = (last - cost) * position.quantity
    word = PRODUCT_WORDS[position.product] if position.product else ""
    return {
        **_named(contract),
        "id": f"{contract.ticker}-{word}",
        "productType": word,
        "netQty": position.quantity // lot,
        "qty": abs(position.quantity) // lot,
        "side": (position.quantity > 0) - (position.quantity < 0),
        "avgPrice": number(cost),
        "netAvg": number(cost),
        "buyQty": buys // lot,
        "buyAvg": number(bought / buys) if buys else 0,
        "buyVal": number(bought),
        "sellQty": sells // lot,
        "sellAvg": number(sold / sells) if sells else 0,
        "sellVal": number(sold),
        "realized_profit": number(total - unrealised),
        "unrealized_profit": number(unrealised),
        "pl": number(total),
        "ltp": number(last),
        "slNo": 0,
        "crossCurrency": "N",
        "rbiRefRate": 1,
        "qtyMulti_com": lot,
        "cfBuyQty": max(night, 0) // lot,
        "cfSellQty": max(-night, 0) // lot,
        "dayBuyQty": position.buy_quantity // lot,
        "daySellQty": position.sell_quantity // lot,
    }


def holding_row(holding: Holding, contract: Contract, last: Decimal) -> dict[str, Any]:
    cost = holding.average_price or NOTHING
    return {
        **_named(contract),
        "id": 1,
        "holdingType": "HLD",
        "isin": holding.isin or "",
        "quantity": holding.quantity,
        "remainingQuantity": holding.quantity - holding.t1_quantity - holding.collateral_quantity,
        "qty_t1": holding.t1_quantity,
        "remainingPledgeQuantity": 0,
        "collateralQuantity": holding.collateral_quantity,
        "costPrice": number(cost),
        "marketVal": number(last * holding.quantity),
        "ltp": number(last),
        "pl": number((last - cost) * holding.quantity),
    }


def fund_rows(funds: Funds) -> list[dict[str, Any]]:
    """All of it in equity: the paper exchange has one purse."""
    used, cash = funds.used or NOTHING, funds.cash or NOTHING
    titles = {
        1: ("Total Balance", cash),
        2: ("Utilized Amount", used),
        3: ("Clear Balance", cash),
        4: ("Realized Profit and Loss", NOTHING),
        5: ("Collaterals", NOTHING),
        6: ("Fund Transfer", NOTHING),
        7: ("Receivables", NOTHING),
        8: ("Adhoc Limit", NOTHING),
        9: ("Limit at start of the day", funds.opening),
        10: ("Available Balance", funds.available),
    }
    return [
        {"id": key, "title": title, "equityAmount": number(amount), "commodityAmount": 0}
        for key, (title, amount) in titles.items()
    ]
