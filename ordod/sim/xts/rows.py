"""The rows of XTS' answers, field for field (xts.md 5, 6). Portfolio amounts are texts."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from ordod.domain.orders import Fill, OrderType, Status
from ordod.domain.portfolio import Funds, Holding, Position
from ordod.sim.clock import IST
from ordod.sim.orders import Booked
from ordod.sim.xts.envelope import number
from ordod.sim.xts.market import Contract

__all__ = ["balance", "holding", "order_row", "position_row", "trade_row"]

STATUSES = {
    Status.PENDING: "PendingNew",
    Status.OPEN: "New",
    Status.TRIGGER_PENDING: "New",
    Status.PARTIALLY_FILLED: "PartiallyFilled",
    Status.FILLED: "Filled",
    Status.CANCELLED: "Cancelled",
    Status.EXPIRED: "Cancelled",
    Status.REJECTED: "Rejected",
}
TYPE_WORDS = {
    OrderType.MARKET: "Market",
    OrderType.LIMIT: "Limit",
    OrderType.SL: "StopLimit",
    OrderType.SL_M: "StopMarket",
}
NOTHING = Decimal(0)


def _stamp(at: datetime | None) -> str:
    """Indian time, no zone, seven decimals."""
    return (
        f"{at.astimezone(IST).replace(tzinfo=None).isoformat(timespec='microseconds')}0"
        if at
        else ""
    )


def order_row(booked: Booked, user: str, contract: Contract) -> dict[str, Any]:
    row = booked.row
    return {
        "LoginID": user,
        "ClientID": user,
        "AppOrderID": int(booked.order_id),
        "OrderReferenceID": "",
        "GeneratedBy": "TWSAPI",
        "ExchangeOrderID": row.exchange_order_id or "",
        "OrderCategoryType": "NORMAL",
        "ExchangeSegment": contract.segment,
        "ExchangeInstrumentID": contract.number,
        "OrderSide": str(row.side),
        "OrderType": TYPE_WORDS[row.type],
        "ProductType": str(row.product),
        "TimeInForce": str(row.validity),
        "OrderPrice": number(row.price),
        "OrderQuantity": row.quantity,
        "OrderStopPrice": number(row.trigger_price),
        "OrderStatus": STATUSES[row.status],
        "OrderAverageTradedPrice": str(row.average_price or ""),
        "LeavesQuantity": row.quantity - row.filled_quantity,
        "CumulativeQuantity": row.filled_quantity,
        "OrderDisclosedQuantity": row.disclosed_quantity or 0,
        "OrderGeneratedDateTime": _stamp(booked.placed_at),
        "ExchangeTransactTime": _stamp(booked.placed_at),
        "LastUpdateDateTime": _stamp(row.updated_at or booked.placed_at),
        "OrderExpiryDate": "1980-01-01T00:00:00",
        "CancelRejectReason": row.status_message or "",
        "OrderUniqueIdentifier": booked.shown_tag,
        "OrderLegStatus": "SingleOrderLeg",
        "MessageCode": 9004,
        "MessageVersion": 4,
        "TokenID": 0,
        "ApplicationType": 146,
    }


def trade_row(fill: Fill, booked: Booked, user: str, contract: Contract) -> dict[str, Any]:
    return order_row(booked, user, contract) | {
        "LastTradedPrice": number(fill.price),
        "LastTradedQuantity": fill.quantity,
        "LastExecutionTransactTime": _stamp(fill.at),
        "ExecutionID": fill.trade_id,
        "ExecutionReportIndex": 1,
    }


def position_row(position: Position, contract: Contract, last: Decimal) -> dict[str, Any]:
    """The newer build's fields. What came in from the day before counts among what was bought and sold."""
    night, cost = position.overnight_quantity, position.average_price or NOTHING
    buys, sells = position.buy_quantity + max(night, 0), position.sell_quantity + max(-night, 0)
    bought = (position.buy_value or NOTHING) + max(night, 0) * cost
    sold = (position.sell_value or NOTHING) + max(-night, 0) * cost
    total = sold - bought + position.quantity * last
    unrealised = (last - cost) * position.quantity
    said = {
        "BuyAveragePrice": bought / buys if buys else NOTHING,
        "SellAveragePrice": sold / sells if sells else NOTHING,
        "OpenBuyQuantity": buys,
        "OpenSellQuantity": sells,
        "Quantity": position.quantity,
        "BuyAmount": bought,
        "SellAmount": sold,
        "NetAmount": sold - bought,
        "UnrealizedMTM": unrealised,
        "RealizedMTM": total - unrealised,
        "MTM": total,
        "BEP": cost,
        "SumOfTradedQuantityAndPriceBuy": bought,
        "SumOfTradedQuantityAndPriceSell": sold,
    }
    return {
        "TradingSymbol": contract.instrument.symbol.partition(":")[2],
        "ExchangeSegment": contract.segment,
        "ExchangeInstrumentId": str(contract.number),
        "ProductType": str(position.product),
    } | {name: str(value) for name, value in said.items()}


def holding(held: Holding, contract: Contract) -> dict[str, Any]:
    return {
        "HoldingQuantity": held.quantity,
        "BuyAvgPrice": number(held.average_price),
        "ExchangeNSEInstrumentId": contract.number if contract.segment == "NSECM" else 0,
        "ExchangeBSEInstrumentId": contract.number if contract.segment == "BSECM" else 0,
    }


def balance(funds: Funds, user: str) -> dict[str, Any]:
    limits = {
        "cashAvailable": str(funds.cash or NOTHING),
        "collateral": "NaN",
        "marginUtilized": str(funds.used or NOTHING),
        "netMarginAvailable": str(funds.available),
        "MTM": "0",
        "UnrealizedMTM": "0",
        "RealizedMTM": "0",
    }
    told = {"RMSSubLimits": limits, "marginAvailable": {}, "marginUtilized": {}, "AccountID": user}
    return {"BalanceList": [{"limitHeader": "ALL|ALL|ALL", "limitObject": told}]}
