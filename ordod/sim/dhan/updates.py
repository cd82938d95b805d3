"""Rows of the order book as the order update socket tells them: other names and words, and some fields more (dhan.md 9.3).

Documented as `OrderNo`, spelt `orderNo` on the wire, as the SDK looks for it.
"""

from collections.abc import Mapping
from typing import Any

from ordod.sim.dhan.envelope import number
from ordod.sim.dhan.market import SEGMENTS, Contract

__all__ = ["pushed_order"]

PRODUCTS = {"CNC": "C", "INTRADAY": "I", "MARGIN": "M", "MTF": "F"}
TYPES = {"LIMIT": "LMT", "MARKET": "MKT", "STOP_LOSS": "SL", "STOP_LOSS_MARKET": "SLM"}
STATUSES = {"PART_TRADED": "Pending"}  # its quantities tell the rest
NO_DAY = "0001-01-01 00:00:00"


def pushed_order(row: Mapping[str, Any], contract: Contract) -> dict[str, Any]:
    """`row`: as `GET /orders` has it."""
    instrument = contract.instrument
    _, exchange, segment = SEGMENTS[instrument.exchange]
    status, at = row["orderStatus"], row["updateTime"]
    return {
        "exchange": exchange,
        "segment": segment,
        "source": "P",
        "securityId": row["securityId"],
        "clientId": row["dhanClientId"],
        "exchOrderNo": row["exchangeOrderId"] or "",
        "orderNo": row["orderId"],
        "product": PRODUCTS[row["productType"]],
        "txnType": row["transactionType"][0],
        "orderType": TYPES[row["orderType"]],
        "validity": row["validity"],
        "discQuantity": row["disclosedQuantity"],
        "discQtyRem": row["disclosedQuantity"],
        "remainingQuantity": row["remainingQuantity"],
        "quantity": row["quantity"],
        "tradedQty": row["filledQty"],
        "price": row["price"],
        "triggerPrice": row["triggerPrice"],
        "tradedPrice": row["averageTradedPrice"],
        "avgTradedPrice": row["averageTradedPrice"],
        "algoOrdNo": "",
        "offMktFlag": "1" if row["afterMarketOrder"] else "0",
        "orderDateTime": row["createTime"],
        "exchOrderTime": row["exchangeTime"] or NO_DAY,
        "lastUpdatedTime": at,
        "remarks": "NR",
        "mktType": "NL",
        "reasonDescription": row["omsErrorDescription"] or "CONFIRMED",
        "legNo": 1,
        "instrument": contract.word,
        "symbol": contract.trading_symbol,
        "productName": row["productType"],
        "status": STATUSES.get(status, status.capitalize()),
        "lotSize": instrument.lot_size,
        "strikePrice": number(instrument.strike),
        "expiryDate": f"{instrument.expiry} 14:30:00" if instrument.expiry else NO_DAY,
        "optType": str(instrument.kind) if instrument.strike else "XX",
        "displayName": contract.trading_symbol,
        "isin": "NA",
        "series": "EQ" if contract.word == "EQUITY" else "XX",
        "goodTillDaysDate": row["createTime"][:10],
        "refLtp": row["price"],
        "tickSize": number(instrument.tick_size),
        "algoId": "0",
        "multiplier": 1,
        "correlationId": row["correlationId"] or "",
    }
