"""The rows of Dhan's answers, field for field as its documentation shows them (dhan.md 4.6, 5, 6)."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from ordod.domain.gtt import BrokerGtt, GttStatus
from ordod.domain.orders import Fill, OrderType, Status
from ordod.domain.portfolio import Funds, Holding, Margin, Position
from ordod.sim.dhan.envelope import number
from ordod.sim.dhan.forms import PRODUCTS
from ordod.sim.dhan.market import Contract
from ordod.sim.orders import Booked

__all__ = [
    "basket_row",
    "fund_row",
    "gtt_rows",
    "holding_row",
    "margin_row",
    "order_row",
    "position_row",
    "trade_row",
]

STATUS_WORDS = {
    Status.PENDING: "PENDING",
    Status.OPEN: "PENDING",
    Status.TRIGGER_PENDING: "PENDING",
    Status.PARTIALLY_FILLED: "PART_TRADED",
    Status.FILLED: "TRADED",
    Status.CANCELLED: "CANCELLED",
    Status.REJECTED: "REJECTED",
    Status.EXPIRED: "EXPIRED",
}
GTT_WORDS = {
    GttStatus.ACTIVE: "CONFIRM",
    GttStatus.TRIGGERED: "TRADED",
    GttStatus.CANCELLED: "CANCELLED",
    GttStatus.REJECTED: "REJECTED",
    GttStatus.EXPIRED: "EXPIRED",
    GttStatus.DISABLED: "CANCELLED",
}
PRODUCT_WORDS = {ours: word for word, ours in PRODUCTS.items()}
OPTION_WORDS = {"CE": "CALL", "PE": "PUT"}
NOTHING = Decimal(0)


def stamp(at: datetime | None) -> str | None:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else None


def _derivative(contract: Contract, none: str | None) -> dict[str, Any]:
    instrument = contract.instrument
    return {
        "drvExpiryDate": str(instrument.expiry) if instrument.expiry else none,
        "drvOptionType": OPTION_WORDS.get(str(instrument.kind)),
        "drvStrikePrice": number(instrument.strike or NOTHING),
    }


def order_row(booked: Booked, client_id: str, contract: Contract, *, amo: bool) -> dict[str, Any]:
    """A market order is shown as the limit order that price protection makes of it, a stop that fired as a limit order."""
    row, paper = booked.row, booked.paper
    word, price = {OrderType.SL: "STOP_LOSS"}.get(row.type, str(row.type)), row.price
    if row.type is OrderType.MARKET and paper is not None:
        word, price = "LIMIT", Decimal(paper.limit) / 100
    if row.type is OrderType.SL and paper is not None and paper.triggered:
        word = "LIMIT"
    is_rejected = row.status is Status.REJECTED
    return {
        "dhanClientId": client_id,
        "orderId": booked.order_id,
        "exchangeOrderId": row.exchange_order_id,
        "correlationId": booked.shown_tag or None,
        "orderStatus": STATUS_WORDS[row.status],
        "transactionType": str(row.side),
        "exchangeSegment": contract.segment,
        "productType": PRODUCT_WORDS[booked.terms.product],
        "orderType": word,
        "validity": str(row.validity),
        "tradingSymbol": contract.trading_symbol,
        "securityId": contract.security_id,
        "quantity": row.quantity,
        "disclosedQuantity": row.disclosed_quantity or 0,
        "price": number(price),
        "triggerPrice": number(row.trigger_price or NOTHING),
        "afterMarketOrder": amo,
        "legName": None,
        "createTime": stamp(booked.placed_at),
        "updateTime": stamp(row.updated_at),
        "exchangeTime": stamp(row.updated_at) if row.exchange_order_id else None,
        **_derivative(contract, None),
        "omsErrorCode": "RMS" if is_rejected else None,
        "omsErrorDescription": row.status_message if is_rejected else None,
        "algoId": None,
        "remainingQuantity": row.quantity - row.filled_quantity,
        "averageTradedPrice": number(row.average_price),
        "filledQty": row.filled_quantity,
    }


def trade_row(fill: Fill, order_id: str, client_id: str, contract: Contract) -> dict[str, Any]:
    return {
        "dhanClientId": client_id,
        "orderId": order_id,
        "exchangeOrderId": fill.exchange_order_id,
        "exchangeTradeId": fill.trade_id,
        "transactionType": str(fill.side),
        "exchangeSegment": contract.segment,
        "productType": PRODUCT_WORDS[fill.product] if fill.product else "",
        "orderType": "LIMIT",
        "tradingSymbol": contract.trading_symbol,
        "securityId": contract.security_id,
        "tradedQuantity": fill.quantity,
        "tradedPrice": number(fill.price),
        "createTime": stamp(fill.at),
        "updateTime": stamp(fill.at),
        "exchangeTime": stamp(fill.at),
        **_derivative(contract, "NA"),
    }


def gtt_rows(
    gtt: BrokerGtt, order_id: str, client_id: str, contract: Contract
) -> list[dict[str, Any]]:
    """A row a leg; of an OCO the upper one first, under the same order id."""
    legs = sorted(gtt.legs, key=lambda leg: leg.trigger_price, reverse=True)
    return [
        {
            "dhanClientId": client_id,
            "orderId": order_id,
            "orderStatus": GTT_WORDS[gtt.status],
            "transactionType": str(leg.side),
            "exchangeSegment": contract.segment,
            "productType": PRODUCT_WORDS[leg.product],
            "orderType": "SINGLE" if len(legs) == 1 else "OCO",
            "tradingSymbol": contract.trading_symbol,
            "securityId": contract.security_id,
            "quantity": leg.quantity,
            "price": number(leg.price),
            "triggerPrice": number(leg.trigger_price),
            "legName": name,
            "createTime": stamp(gtt.created_at),
            "updateTime": stamp(gtt.updated_at),
            "exchangeTime": None,
            **_derivative(contract, None),
        }
        for leg, name in zip(legs, ("TARGET_LEG", "STOP_LOSS_LEG"), strict=False)
    ]


def position_row(
    position: Position, client_id: str, contract: Contract, last: Decimal
) -> dict[str, Any]:
    """Units; what came in from the day before stands under `carryForward`."""
    night, cost = position.overnight_quantity, position.average_price or NOTHING
    carried_buy, carried_sell = max(night, 0), max(-night, 0)
    bought, sold = position.buy_value or NOTHING, position.sell_value or NOTHING
    buys, sells = position.buy_quantity + carried_buy, position.sell_quantity + carried_sell
    buy_value, sell_value = bought + carried_buy * cost, sold + carried_sell * cost
    total = sell_value - buy_value + position.quantity * last
    unrealised = (last - cost) * position.quantity
    kind = "CLOSED" if not position.quantity else "LONG" if position.quantity > 0 else "SHORT"
    return {
        "dhanClientId": client_id,
        "tradingSymbol": contract.trading_symbol,
        "securityId": contract.security_id,
        "positionType": kind,
        "exchangeSegment": contract.segment,
        "productType": PRODUCT_WORDS[position.product] if position.product else "",
        "buyAvg": number(buy_value / buys) if buys else 0.0,
        "buyQty": buys,
        "costPrice": number(cost),
        "sellAvg": number(sell_value / sells) if sells else 0.0,
        "sellQty": sells,
        "netQty": position.quantity,
        "realizedProfit": number(total - unrealised),
        "unrealizedProfit": number(unrealised),
        "rbiReferenceRate": 1.0,
        "multiplier": 1,
        "carryForwardBuyQty": carried_buy,
        "carryForwardSellQty": carried_sell,
        "carryForwardBuyValue": number(carried_buy * cost),
        "carryForwardSellValue": number(carried_sell * cost),
        "dayBuyQty": position.buy_quantity,
        "daySellQty": position.sell_quantity,
        "dayBuyValue": number(bought),
        "daySellValue": number(sold),
        **_derivative(contract, "0001-01-01"),
        "crossCurrency": False,
    }


def holding_row(holding: Holding, contract: Contract, last: Decimal) -> dict[str, Any]:
    free = holding.quantity - holding.t1_quantity - holding.collateral_quantity
    return {
        "exchange": "ALL",
        "tradingSymbol": contract.trading_symbol,
        "securityId": contract.security_id,
        "isin": holding.isin or "",
        "totalQty": holding.quantity,
        "dpQty": holding.quantity - holding.t1_quantity,
        "t1Qty": holding.t1_quantity,
        "availableQty": free,
        "collateralQty": holding.collateral_quantity,
        "avgCostPrice": number(holding.average_price or NOTHING),
        "lastTradedPrice": number(last),
    }


def fund_row(funds: Funds, client_id: str) -> dict[str, Any]:
    """The misspelling is Dhan's."""
    return {
        "dhanClientId": client_id,
        "availabelBalance": number(funds.available),
        "sodLimit": number(funds.opening),
        "collateralAmount": 0.0,
        "receiveableAmount": 0.0,
        "utilizedAmount": number(funds.used),
        "blockedPayoutAmount": 0.0,
        "withdrawableBalance": number(funds.available),
    }


def margin_row(margin: Margin, available: Decimal) -> dict[str, Any]:
    short = max(margin.needed - available, NOTHING)
    return {
        "totalMargin": number(margin.needed),
        "spanMargin": 0.0,
        "exposureMargin": 0.0,
        "availableBalance": number(available),
        "variableMargin": number(margin.needed),
        "insufficientBalance": number(short),
        "brokerage": 20.0,
        "leverage": "1.00",
    }


def basket_row(margin: Margin) -> dict[str, Any]:
    """Numbers as text, in another spelling than the single one."""
    return {
        "total_margin": f"{margin.needed:.2f}",
        "span_margin": "0.00",
        "exposure_margin": "0.00",
        "equity_margin": f"{margin.needed:.2f}",
        "fo_margin": "0.00",
        "commodity_margin": "0.00",
        "currency": "0.00",
        "hedge_benefit": "0.00",
    }
