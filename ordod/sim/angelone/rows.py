"""The rows of SmartAPI's answers, field for field (angelone.md 4.6, 5, 6)."""

import uuid
from decimal import Decimal
from typing import Any

from ordod.domain.gtt import BrokerGtt, GttStatus
from ordod.domain.orders import Fill, OrderType, Product, Status
from ordod.domain.portfolio import Funds, Holding, Position
from ordod.sim.angelone.envelope import number, text
from ordod.sim.angelone.market import Contract, stamp
from ordod.sim.orders import Booked

__all__ = [
    "funds_row",
    "gtt_row",
    "holding_row",
    "is_stop",
    "order_row",
    "position_row",
    "total_row",
    "trade_row",
    "unique_id",
]

TYPE_WORDS = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.SL: "STOPLOSS_LIMIT",
    OrderType.SL_M: "STOPLOSS_MARKET",
}
PRODUCT_WORDS = {
    Product.CNC: "DELIVERY",
    Product.MIS: "INTRADAY",
    Product.NRML: "CARRYFORWARD",
    Product.MTF: "MARGIN",
}
STATUS_WORDS = {
    Status.PENDING: "open pending",
    Status.OPEN: "open",
    Status.PARTIALLY_FILLED: "open",
    Status.TRIGGER_PENDING: "trigger pending",
    Status.FILLED: "complete",
    Status.CANCELLED: "cancelled",
    Status.EXPIRED: "cancelled",
    Status.REJECTED: "rejected",
}
PARKED_WORDS = {
    Status.PENDING: "AMO SUBMITTED",
    Status.CANCELLED: "cancelled after market order",
    Status.REJECTED: "rejected",
}
GTT_WORDS = {GttStatus.ACTIVE: "NEW", GttStatus.TRIGGERED: "SENTTOEXCHANGE"}
NOTHING = Decimal(0)


def unique_id(order_id: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, order_id))


def is_stop(booked: Booked) -> bool:
    """Whether it was placed as one, triggered or not."""
    return booked.terms.type in (OrderType.SL, OrderType.SL_M)


def order_row(booked: Booked, contract: Contract) -> dict[str, Any]:
    """One row of the order book: prices as numbers, quantities as text."""
    row, one = booked.row, contract.instrument
    is_parked = booked.paper is None and booked.waiting is not Status.REJECTED
    word = (PARKED_WORDS if booked.paper is None else STATUS_WORDS)[row.status]
    kind, price = TYPE_WORDS[row.type], number(row.price)
    if row.type is OrderType.MARKET and booked.paper is not None:
        # Every market order is a limit order inside the broker's band (angelone.md 1).
        kind, price = "LIMIT", booked.paper.limit / 100
    at = stamp(row.updated_at)
    at_exchange = at if row.exchange_order_id else ""
    return {
        "variety": "AMO" if is_parked else "STOPLOSS" if is_stop(booked) else "NORMAL",
        "ordertype": kind,
        "producttype": PRODUCT_WORDS[row.product or Product.CNC],
        "duration": str(row.validity),
        "price": price,
        "triggerprice": number(row.trigger_price),
        "quantity": str(row.quantity),
        "disclosedquantity": str(row.disclosed_quantity or 0),
        "squareoff": 0.0,
        "stoploss": 0.0,
        "trailingstoploss": 0.0,
        "tradingsymbol": contract.tradingsymbol,
        "transactiontype": str(row.side),
        "exchange": contract.exchange,
        "symboltoken": contract.token,
        "ordertag": booked.shown_tag,
        "instrumenttype": contract.instrumenttype,
        "strikeprice": -1.0 if one.strike is None else number(one.strike),
        "optiontype": str(one.kind) if one.strike is not None else "",
        "expirydate": _expiry(contract),
        "lotsize": str(one.lot_size),
        "cancelsize": str(row.quantity - row.filled_quantity) if word == "cancelled" else "0",
        "averageprice": number(row.average_price),
        "filledshares": str(row.filled_quantity),
        "unfilledshares": str(row.quantity - row.filled_quantity),
        "orderid": booked.order_id,
        "text": row.status_message or "",
        "status": word,
        "orderstatus": word,
        "updatetime": at,
        "exchtime": at_exchange,
        "exchorderupdatetime": at_exchange,
        "fillid": "",
        "filltime": "",
        "parentorderid": "",
        "uniqueorderid": unique_id(booked.order_id),
        "exchangeorderid": row.exchange_order_id or "",
        "algoID": "99999",
    }


def trade_row(fill: Fill, order_id: str, contract: Contract) -> dict[str, Any]:
    """Neither token nor date."""
    one = contract.instrument
    return {
        "exchange": contract.exchange,
        "producttype": PRODUCT_WORDS[fill.product or Product.CNC],
        "tradingsymbol": contract.tradingsymbol,
        "instrumenttype": contract.instrumenttype,
        "symbolgroup": "EQ" if not contract.instrumenttype else "XX",
        "strikeprice": "-1" if one.strike is None else f"{one.strike:f}",
        "optiontype": str(one.kind) if one.strike is not None else "",
        "expirydate": _expiry(contract),
        "marketlot": str(one.lot_size),
        "precision": "2",
        "multiplier": "-1",
        "tradevalue": text(fill.price * fill.quantity),
        "transactiontype": str(fill.side),
        "fillprice": text(fill.price),
        "fillsize": str(fill.quantity),
        "orderid": order_id,
        "fillid": fill.trade_id,
        "filltime": f"{fill.at:%H:%M:%S}",
    }


def position_row(position: Position, contract: Contract, close: Decimal) -> dict[str, str]:
    """Every value is text; `cf`: carried into the day."""
    one, night = contract.instrument, position.overnight_quantity
    carried = abs(night) * (position.average_price or close)
    bought, sold = position.buy_value or NOTHING, position.sell_value or NOTHING
    cf_buy, cf_sell = (carried, NOTHING) if night > 0 else (NOTHING, carried)
    net = sold + cf_sell - bought - cf_buy
    last = position.last_price or NOTHING
    pnl = net + position.quantity * last
    return {
        "exchange": contract.exchange,
        "symboltoken": contract.token,
        "producttype": PRODUCT_WORDS[position.product or Product.CNC],
        "tradingsymbol": contract.tradingsymbol,
        "symbolname": contract.name,
        "instrumenttype": contract.instrumenttype,
        "priceden": "1",
        "pricenum": "1",
        "genden": "1",
        "gennum": "1",
        "precision": "2",
        "multiplier": "-1",
        "boardlotsize": "1",
        "buyqty": str(position.buy_quantity),
        "sellqty": str(position.sell_quantity),
        "buyamount": text(bought),
        "sellamount": text(sold),
        "symbolgroup": "EQ" if not contract.instrumenttype else "XX",
        "strikeprice": "-1" if one.strike is None else f"{one.strike:f}",
        "optiontype": str(one.kind) if one.strike is not None else "",
        "expirydate": _expiry(contract),
        "lotsize": str(one.lot_size),
        "cfbuyqty": str(max(night, 0)),
        "cfsellqty": str(max(-night, 0)),
        "cfbuyamount": text(cf_buy),
        "cfsellamount": text(cf_sell),
        "buyavgprice": _each(bought, position.buy_quantity),
        "sellavgprice": _each(sold, position.sell_quantity),
        "avgnetprice": text(position.average_price if position.quantity else NOTHING),
        "netvalue": f"- {text(-net)}" if net < 0 else text(net),
        "netqty": str(position.quantity),
        "totalbuyvalue": text(bought + cf_buy),
        "totalsellvalue": text(sold + cf_sell),
        "cfbuyavgprice": _each(cf_buy, max(night, 0)),
        "cfsellavgprice": _each(cf_sell, max(-night, 0)),
        "totalbuyavgprice": _each(bought + cf_buy, position.buy_quantity + max(night, 0)),
        "totalsellavgprice": _each(sold + cf_sell, position.sell_quantity + max(-night, 0)),
        "netprice": text(position.average_price if position.quantity else NOTHING),
        "ltp": text(last),
        "close": text(close),
        "pnl": text(pnl),
        "realised": text(NOTHING if position.quantity else pnl),
        "unrealised": text(pnl if position.quantity else NOTHING),
    }


def holding_row(holding: Holding, contract: Contract) -> dict[str, Any]:
    average, last = holding.average_price or NOTHING, holding.last_price or NOTHING
    return {
        "tradingsymbol": contract.tradingsymbol,
        "exchange": contract.exchange,
        "isin": holding.isin or "",
        "t1quantity": holding.t1_quantity,
        "realisedquantity": holding.quantity - holding.t1_quantity,
        "quantity": holding.quantity,
        "authorisedquantity": 0,
        "product": "DELIVERY",
        "collateralquantity": None,
        "collateraltype": None,
        "haircut": 0.0,
        "averageprice": number(average),
        "ltp": number(last),
        "symboltoken": contract.token,
        "close": number(holding.close_price),
        "profitandloss": number((last - average) * holding.quantity),
        "pnlpercentage": number(round((last - average) / average * 100, 2)) if average else 0.0,
    }


def total_row(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The sums of `getAllHolding`."""
    value = sum(row["ltp"] * row["quantity"] for row in rows)
    paid = sum(row["averageprice"] * row["quantity"] for row in rows)
    return {
        "totalholdingvalue": value,
        "totalinvvalue": paid,
        "totalprofitandloss": value - paid,
        "totalpnlpercentage": round((value - paid) / paid * 100, 2) if paid else 0.0,
    }


def funds_row(funds: Funds) -> dict[str, str | None]:
    """Four decimals; what does not apply is null."""
    used, net = funds.used or NOTHING, funds.available
    return {
        "net": f"{net:.4f}",
        "availablecash": f"{funds.cash or net:.4f}",
        "availableintradaypayin": "0.0000",
        "availablelimitmargin": "0.0000",
        "collateral": f"{funds.collateral or 0:.4f}",
        "m2munrealized": "0.0000",
        "m2mrealized": "0.0000",
        "utiliseddebits": f"{used:.4f}",
        "utilisedspan": None,
        "utilisedoptionpremium": None,
        "utilisedholdingsales": None,
        "utilisedexposure": None,
        "utilisedturnover": None,
        "utilisedpayout": f"{net:.4f}",
    }


def gtt_row(gtt: BrokerGtt, contract: Contract, clientcode: str) -> dict[str, Any]:
    (leg,) = gtt.legs
    return {
        "id": int(gtt.broker_gtt_id),
        "status": GTT_WORDS.get(gtt.status, "CANCELLED"),
        "createddate": _iso(gtt.created_at),
        "updateddate": _iso(gtt.updated_at),
        "expirydate": _iso(gtt.expires_at),
        "clientid": clientcode,
        "tradingsymbol": contract.tradingsymbol,
        "symboltoken": contract.token,
        "exchange": contract.exchange,
        "transactiontype": str(leg.side),
        "producttype": PRODUCT_WORDS[leg.product],
        "price": number(leg.price),
        "qty": leg.quantity,
        "triggerprice": number(leg.trigger_price),
        "disclosedqty": leg.quantity,
    }


def _expiry(contract: Contract) -> str:
    expiry = contract.instrument.expiry
    return f"{expiry:%d%b%Y}".upper() if expiry else ""


def _each(value: Decimal, quantity: int) -> str:
    return text(value / quantity) if quantity else "0"


def _iso(at: Any) -> str:
    """As Angel One writes them: with a Z, whatever that means."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else ""
